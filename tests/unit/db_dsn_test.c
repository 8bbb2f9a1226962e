/* Data source names: no spelling of a password is ever shown. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "scratch.h"

#include "db/database.h"

static void expect_shown(const char *dsn, const char *expected)
{
    char shown[MTNT__DSN_SHOWN_SIZE];

    mtnt__dsn_redact(dsn, shown);
    assert_string_equal(shown, expected);
}

static void secrets_are_not_shown(void **state)
{
    static const char *const spellings[] = {
        "postgresql://u:s3cret@h/d",
        "postgres://u:s3cret@h:5/d",
        "postgresql://:s3cret@h/d",
        "postgresql://u:s3cret@/d",
        "postgresql://u:s3cret@h1:1,h2:2/d",
        "postgresql://u:s3cret@[::1]:5/d",
        "postgresql://h/d?password=s3cret",
        "postgresql://h/d?user=u&password=s3cret&sslmode=require",
        "postgresql://h/d?pass%77ord=s3cret",
        "postgresql://h/d?sslpassword=s3cret",
        "postgresql://h/d?sslkey=k&sslpassword=s3cret",
        "postgresql://u:%73%33cret-s3cret@h/d",
        "postgresql://u:x@s3cret@h/d",
        "postgresql://u:x@s3cret/d@h/d",
        "postgresql://u:s3cret@h:notaport/d?x",
        "postgresql://u:s3cret@h/d?nosuchoption=1",
        "postgresql://u:s3cret@h/d%zz",
        "postgresql://u:s3cret@h/d?password",
        "postgresql://u:s3cret@[::1/d",
        "postgresql://u:s3/cret-s3cret@h/d",
        "postgresql://u:x?s3cret@s3cret@h/d",
        "postgresql://u:x?a=s3cret/@h/d",
        "host=h user=u password=s3cret dbname=d",
        "password='s3cret' host=h",
        "mysql://u:s3cret@h/d",
        "u:s3cret@h",
        "Postgresql://u:s3cret@h/d",
        " postgresql://u:s3cret@h/d",
        "sqlserver://h;password=s3cret",
        "https://h/?token=s3cret",
    };
    mtnt_backend backend;

    (void)state;
    for (size_t i = 0; i < sizeof(spellings) / sizeof(spellings[0]); i++) {
        mtnt_error err = MTNT_ERROR_INIT;
        char shown[MTNT__DSN_SHOWN_SIZE];

        mtnt__dsn_redact(spellings[i], shown);
        if (strstr(shown, "s3cret") || strstr(shown, "s3"))
            fail_msg("%s is shown as %s", spellings[i], shown);
        mtnt__dsn_backend(spellings[i], &backend, &err);
        if (strstr(err.message, "s3cret") || strstr(err.message, "s3"))
            fail_msg("%s: %s", spellings[i], err.message);
    }
}

static void what_may_be_shown(void **state)
{
    (void)state;
    expect_shown("postgresql://u:p@db-7:5433/acme?sslmode=require", "postgresql://u@db-7:5433/acme");
    expect_shown("postgresql:///acme", "postgresql:///acme");
    expect_shown("postgresql:///acme?host=/run/pg&port=5434", "postgresql:///run/pg:5434/acme");
    expect_shown("postgres://%75ser@h/d", "postgresql://user@h/d");
    expect_shown("postgresql://?service=prod", "postgresql:///?service=prod");
    expect_shown("sqlite:tenants/acme.db", "sqlite:tenants/acme.db");
    expect_shown("tenants/acme.db", "tenants/acme.db");
    expect_shown("mysql://u:p@h/d", "mysql://…");
    expect_shown("", "");
}

static void long_ones_are_cut(void **state)
{
    char dsn[1000] = "sqlite:", shown[MTNT__DSN_SHOWN_SIZE];

    (void)state;
    memset(dsn + 7, 'x', sizeof(dsn) - 8);
    mtnt__dsn_redact(dsn, shown);
    assert_int_equal(strlen(shown), MTNT__DSN_SHOWN_SIZE - 1);
    memcpy(dsn, "postgresql://", 13);
    mtnt__dsn_redact(dsn, shown);
    assert_int_equal(strlen(shown), MTNT__DSN_SHOWN_SIZE - 1);
}

static void engines(void **state)
{
    static const char *const bad[] = {"",
                                      "acme.db",
                                      "sqlite:",
                                      "sqlite::memory:",
                                      "mysql://h/d",
                                      "postgresql://h:x/d",
                                      "postgresql://u@x@h/d",
                                      "host=h dbname=d",
                                      "Sqlite:x"};
    mtnt_backend backend = 77;
    mtnt_error err = MTNT_ERROR_INIT;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        mtnt_error_clear(&err);
        if (strstr(bad[i], "h:x"))
            continue; /* libpq looks at ports when it connects */
        assert_int_equal(mtnt__dsn_backend(bad[i], &backend, &err), MTNT_E_INVALID);
        assert_true(err.message[0] != '\0');
    }
    assert_int_equal(mtnt__dsn_backend(NULL, &backend, &err), MTNT_E_INVALID);
    assert_int_equal(backend, 77);
    assert_int_equal(mtnt__dsn_backend("sqlite:x", &backend, &err), 0);
    assert_int_equal(backend, MTNT_SQLITE);
    assert_int_equal(mtnt__dsn_backend("postgres://h/d", &backend, &err), 0);
    assert_int_equal(backend, MTNT_POSTGRES);
    assert_string_equal(mtnt__dsn_sqlite_path("sqlite:a/b"), "a/b");
    assert_null(mtnt__dsn_sqlite_path("postgresql:///x"));
}

static void expect_own(char *text, const char *expected)
{
    if (!expected)
        assert_null(text);
    else
        assert_string_equal(text, expected);
    free(text);
}

static void clear_environment(void)
{
    static const char *const names[] = {"PGHOST",    "PGPORT",        "PGDATABASE", "PGUSER",
                                        "PGSERVICE", "PGSERVICEFILE", "PGPASSWORD"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        unsetenv(names[i]);
}

static void databases_and_servers(void **state)
{
    (void)state;
    clear_environment();
    expect_own(mtnt__dsn_database("postgresql://h/acme"), "acme");
    expect_own(mtnt__dsn_database("postgresql://u@h"), "u");
    expect_own(mtnt__dsn_database("postgresql://h/a%20b"), "a b");
    expect_own(mtnt__dsn_database("sqlite:x"), NULL);
    expect_own(mtnt__dsn_server("postgresql://h/acme"), "h:5432");
    expect_own(mtnt__dsn_server("postgresql://h:6432/acme"), "h:6432");
    expect_own(mtnt__dsn_server("postgresql://[::1]:6432/acme"), "[::1]:6432");
    expect_own(mtnt__dsn_server("postgresql:///acme?host=/run/pg&port=7"), "/run/pg:7");
    expect_own(mtnt__dsn_server("postgresql://h1:1,h2:2/acme"), "h1,h2:1,2");
    expect_own(mtnt__dsn_server("sqlite:x"), NULL);
}

static void defaults_come_from_the_environment(void **state)
{
    scratch *s = *state;

    clear_environment();
    setenv("PGHOST", "from-environment", 1);
    setenv("PGPORT", "7777", 1);
    setenv("PGDATABASE", "base", 1);
    expect_own(mtnt__dsn_server("postgresql://"), "from-environment:7777");
    expect_own(mtnt__dsn_database("postgresql://"), "base");
    clear_environment();
    setenv("PGSERVICEFILE", scratch_write(s, "services", "[prod]\nhost=from-service\nport=99\ndbname=shop\n"), 1);
    expect_own(mtnt__dsn_server("postgresql://?service=prod"), "from-service:99");
    expect_own(mtnt__dsn_database("postgresql://?service=prod"), "shop");
    clear_environment();
}

/* The same connection, to another database: everything else is kept, the password too. */
static void another_database(void **state)
{
    char *other = mtnt__dsn_with_database(
        "postgresql://u:p%40%26@h1:1,h2:2/acme?sslmode=require&application_name=a%20b", "x/y ?&é");
    mtnt_backend backend;

    (void)state;
    clear_environment();
    assert_non_null(other);
    assert_int_equal(mtnt__dsn_backend(other, &backend, NULL), 0);
    assert_non_null(strstr(other, "password=p%40%26"));
    assert_non_null(strstr(other, "sslmode=require"));
    assert_non_null(strstr(other, "application_name=a%20b"));
    expect_own(mtnt__dsn_database(other), "x/y ?&é");
    expect_own(mtnt__dsn_server(other), "h1,h2:1,2");
    free(other);
    other = mtnt__dsn_with_database("postgresql://h/a?dbname=b", "c");
    expect_own(mtnt__dsn_database(other), "c");
    free(other);
    assert_null(mtnt__dsn_with_database("sqlite:x", "y"));
    assert_null(mtnt__dsn_with_database("postgresql://h/d%zz", "y"));
}

static void the_same_database(void **state)
{
    scratch *s = *state;
    char a[300], b[300];

    clear_environment();
    assert_true(mtnt__dsn_same_database("postgresql://u:p@h/d", "postgres://other@h:5432/d"));
    assert_false(mtnt__dsn_same_database("postgresql://h/d", "postgresql://h/e"));
    assert_false(mtnt__dsn_same_database("postgresql://h/d", "postgresql://h:1/d"));
    assert_false(mtnt__dsn_same_database("postgresql://h/d", "sqlite:d"));
    assert_true(mtnt__dsn_same_database("postgresql://u@h", "postgresql://u@h/u"));

    scratch_write(s, "here", "x");
    scratch_write(s, "folder/x", "x");
    snprintf(a, sizeof(a), "sqlite:%s/here", s->folder);
    snprintf(b, sizeof(b), "sqlite:%s/folder/../here", s->folder);
    assert_true(mtnt__dsn_same_database(a, b));
    snprintf(a, sizeof(a), "sqlite:%s/not-yet", s->folder);
    snprintf(b, sizeof(b), "sqlite:%s/folder/../not-yet", s->folder);
    assert_true(mtnt__dsn_same_database(a, b));
    snprintf(b, sizeof(b), "sqlite:%s/folder/not-yet", s->folder);
    assert_false(mtnt__dsn_same_database(a, b));
    assert_true(mtnt__dsn_same_database("sqlite:not-yet", "sqlite:./not-yet"));
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, scratch_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(secrets_are_not_shown), TEST(what_may_be_shown),
        TEST(long_ones_are_cut),     TEST(engines),
        TEST(databases_and_servers), TEST(defaults_come_from_the_environment),
        TEST(another_database),      TEST(the_same_database),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
