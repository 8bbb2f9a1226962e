/* Snapshots of a database, or of one schema in it, by PostgreSQL's own programs, in their custom format.
 *
 * A restore has to ask whether somebody else has written and then write, with nobody in between: pg_restore cannot ask. It makes a script
 * here, and psql runs question and script in one transaction that holds every table. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/files.h"
#include "base/text.h"
#include "db/postgres.h"
#include "db/snapshot.h"

/* What is the model's: {scope} says of a pg_namespace n whether it is, {member} of a class and an oid whether an extension made it. */
#define SCOPE                                                                                        \
    "(CASE WHEN only_schema IS NULL THEN n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' " \
    "ELSE n.nspname = only_schema END)"
#define NO_MEMBER(catalog, oid)                                                                        \
    "NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = '" catalog "'::regclass AND d.objid = " oid \
    " AND d.deptype = 'e')"

/* pg_temp.mtnt_digest(schema or NULL): definitions and rows, in an order that neither a dump nor VACUUM changes. The settings decide how values
 * are written. */
#define DIGEST_BODY                                                                                                                                          \
    "FOR r IN SELECT c.oid, n.nspname, c.relname, c.relkind FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "                                  \
    "WHERE " SCOPE " AND c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f', 'c') AND c.relpersistence <> 't' "                                                      \
    "AND c.relname NOT IN (" MTNT__OWN_TABLES ") AND " NO_MEMBER(                                                                                            \
        "pg_class",                                                                                                                                          \
        "c.oid") " "                                                                                                                                         \
                 "ORDER BY n.nspname COLLATE \"C\", c.relname COLLATE \"C\" LOOP\n"                                                                          \
                 "  SELECT concat_ws('|', r.nspname, r.relname, r.relkind,\n"                                                                                \
                 "    (SELECT string_agg(concat_ws(' ', quote_ident(a.attname), format_type(a.atttypid, a.atttypmod), a.attnotnull, "                        \
                 "a.attidentity, a.attgenerated, a.attcollation::regcollation, pg_get_expr(e.adbin, e.adrelid)), ',' ORDER BY a.attnum) "                    \
                 "FROM pg_attribute a LEFT JOIN pg_attrdef e ON e.adrelid = a.attrelid AND e.adnum = a.attnum "                                              \
                 "WHERE a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped),\n"                                                                      \
                 "    (SELECT string_agg(conname || ' ' || pg_get_constraintdef(oid) || convalidated, ',' ORDER BY conname COLLATE \"C\") "                  \
                 "FROM pg_constraint WHERE conrelid = r.oid AND contype <> 'n'),\n"                                                                          \
                 "    (SELECT string_agg(pg_get_indexdef(indexrelid) || indisvalid, ',' ORDER BY pg_get_indexdef(indexrelid) COLLATE \"C\") "                \
                 "FROM pg_index WHERE indrelid = r.oid),\n"                                                                                                  \
                 "    (SELECT string_agg(pg_get_triggerdef(oid) || tgenabled::text, ',' ORDER BY tgname COLLATE \"C\") FROM pg_trigger "                     \
                 "WHERE tgrelid = r.oid AND NOT tgisinternal),\n"                                                                                            \
                 "    (SELECT string_agg(concat_ws(' ', polname, polcmd, polpermissive, pg_get_expr(polqual, polrelid), "                                    \
                 "pg_get_expr(polwithcheck, polrelid)), ',' ORDER BY polname COLLATE \"C\") FROM pg_policy WHERE polrelid = r.oid),\n"                       \
                 "    (SELECT string_agg(pg_get_ruledef(oid), ',' ORDER BY rulename COLLATE \"C\") FROM pg_rewrite WHERE ev_class = r.oid)) "                \
                 "INTO part;\n"                                                                                                                              \
                 "  total := md5(total || part);\n"                                                                                                          \
                 "  IF r.relkind IN ('r', 'm') THEN\n"                                                                                                       \
                 "    EXECUTE format('SELECT concat_ws('' '', count(*), sum((''x'' || left(h, 16))::bit(64)::bigint::numeric), "                             \
                 "sum((''x'' || right(h, 16))::bit(64)::bigint::numeric)) FROM (SELECT md5(t::text) AS h FROM ONLY %I.%I t) s', r.nspname, "                 \
                 "r.relname) INTO part;\n"                                                                                                                   \
                 "    total := md5(total || part);\n"                                                                                                        \
                 "  ELSIF r.relkind = 'S' THEN\n"                                                                                                            \
                 "    EXECUTE format('SELECT concat_ws('' '', last_value, is_called) FROM %I.%I', r.nspname, r.relname) INTO part;\n"                        \
                 "    total := md5(total || part);\n"                                                                                                        \
                 "  END IF;\n"                                                                                                                               \
                 "END LOOP;\n"                                                                                                                               \
                 "SELECT string_agg(concat_ws(' ', n.nspname, p.proname, pg_get_function_identity_arguments(p.oid), "                                        \
                 "CASE WHEN p.prokind = 'a' THEN 'aggregate' ELSE pg_get_functiondef(p.oid) END), ',' ORDER BY n.nspname COLLATE \"C\", "                    \
                 "p.proname COLLATE \"C\", pg_get_function_identity_arguments(p.oid) COLLATE \"C\") INTO part FROM pg_proc p "                               \
                 "JOIN pg_namespace n ON n.oid = p.pronamespace WHERE " SCOPE " AND " NO_MEMBER(                                                             \
                     "pg_proc",                                                                                                                              \
                     "p.oid") ";\n"                                                                                                                          \
                              "total := md5(total || coalesce(part, ''));\n"                                                                                 \
                              "SELECT string_agg(concat_ws(' ', n.nspname, t.typname, t.typtype, t.typnotnull, t.typdefault, "                               \
                              "format_type(t.typbasetype, t.typtypmod), "                                                                                    \
                              "(SELECT string_agg(enumlabel, ',' ORDER BY enumsortorder) FROM pg_enum WHERE enumtypid = t.oid), "                            \
                              "(SELECT string_agg(pg_get_constraintdef(oid), ',' ORDER BY conname COLLATE \"C\") FROM pg_constraint "                        \
                              "WHERE contypid = t.oid)), ',' ORDER BY n.nspname COLLATE \"C\", t.typname COLLATE \"C\") INTO part FROM pg_type t "           \
                              "JOIN pg_namespace n ON n.oid = t.typnamespace WHERE " SCOPE                                                                   \
                              " AND t.typtype IN ('e', 'd', 'r') AND " NO_MEMBER(                                                                            \
                                  "pg_type",                                                                                                                 \
                                  "t.oid") ";\n"                                                                                                             \
                                           "total := md5(total || coalesce(part, ''));\n"                                                                    \
                                           "IF only_schema IS NULL THEN\n"                                                                                   \
                                           "  SELECT string_agg(oid || ' ' || md5(lo_get(oid)), ',' ORDER BY oid) INTO part FROM pg_largeobject_metadata;\n" \
                                           "  total := md5(total || coalesce(part, ''));\n"                                                                  \
                                           "  SELECT string_agg(n.nspname, ',' ORDER BY n.nspname COLLATE \"C\") INTO part FROM pg_namespace n WHERE " SCOPE \
                                           " AND n.nspname <> 'public' AND " NO_MEMBER(                                                                      \
                                               "pg_namespace",                                                                                               \
                                               "n.oid") ";\n"                                                                                                \
                                                        "  total := md5(total || coalesce(part, ''));\n"                                                     \
                                                        "END IF;\n"

static const char digest_function[] =
    "CREATE FUNCTION pg_temp.mtnt_digest(only_schema text) RETURNS text LANGUAGE plpgsql SET search_path = pg_catalog "
    "SET datestyle = 'ISO' SET timezone = 'UTC' SET intervalstyle = 'postgres' SET extra_float_digits = 3 "
    "SET bytea_output = 'hex' SET lc_monetary = 'C' SET row_security = off AS $mtnt$\n"
    "DECLARE total text := ''; part text; r record;\n"
    "BEGIN\n" DIGEST_BODY "RETURN total;\n"
    "END $mtnt$";

/* The same within somebody's transaction: what it has set is put right again by the savepoint, and no temporary object is made, with which no
 * transaction could be prepared. In three parts, the schema between them. */
static const char
    inside_lock[] = "DO $mtnt$ DECLARE r record; only_schema text := ",
    inside_locks[] =
        "; BEGIN\n"
        "FOR r IN SELECT n.nspname, c.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n "
        "ON n.oid = c.relnamespace WHERE " SCOPE " AND c.relkind IN ('r', 'p') AND c.relpersistence <> 't' "
        "AND c.relname NOT IN (" MTNT__OWN_TABLES ") AND " NO_MEMBER(
            "pg_catalog.pg_class",
            "c.oid") " ORDER BY 1, 2 LOOP\n"
                     "  EXECUTE format('LOCK TABLE ONLY %I.%I IN SHARE ROW EXCLUSIVE MODE', r.nspname, r.relname);\n"
                     "END LOOP; END $mtnt$; SAVEPOINT mtnt_digest; "
                     "SET LOCAL search_path = pg_catalog; SET LOCAL datestyle = 'ISO'; SET LOCAL timezone = 'UTC'; "
                     "SET LOCAL intervalstyle = 'postgres'; SET LOCAL extra_float_digits = 3; "
                     "SET LOCAL bytea_output = 'hex'; SET LOCAL lc_monetary = 'C'; SET LOCAL row_security = off; "
                     "DO $mtnt$ DECLARE total text := ''; part text; r record; only_schema text := ",
    inside_digest[] = ";\nBEGIN\n" DIGEST_BODY "PERFORM pg_catalog.set_config('mtnt.digest', total, true);\nEND $mtnt$";

/* ---- a connection of our own ---- */

static int simple(mtnt__postgres *own, mtnt__call *call, const char *sql, mtnt_row_fn each, void *data, mtnt_error *err)
{
    mtnt__exchange x = {.s = own, .call = call, .err = err, .each = each, .data = data};

    return mtnt__postgres_simple(&x, sql);
}

static void close_own(mtnt__postgres *own)
{
    if (!own)
        return;
    mtnt__postgres_backend.disconnect(own);
    mtnt__postgres_backend.free(own);
}

static int open_own(const mtnt__postgres *s, mtnt__call *call, mtnt__postgres **ret_own, mtnt_error *err)
{
    void *own = NULL;
    int rc = mtnt__postgres_new(&own, s->dsn, false, NULL, err);

    if (rc == 0)
        rc = mtnt__postgres_connect(own, call, err);
    if (rc == 0)
        *ret_own = own;
    else
        close_own(own);
    return rc;
}

struct text {
    char *bytes;
    size_t size;
};

static int take_text(void *data, const mtnt_row *row, mtnt_error *err)
{
    const struct text *text = data;
    const char *found = mtnt_row_text(row, 0);

    if (!found || !mtnt__text_copy(text->bytes, text->size, found))
        return mtnt_error_set(err, MTNT_E_DATABASE, "an answer of the server is not as expected");
    return MTNT_OK;
}

static void add_scope(const mtnt__postgres *s, mtnt__buffer *sql)
{
    if (s->schema)
        mtnt__sql_add_literal(sql, MTNT_POSTGRES, s->schema);
    else
        mtnt__buffer_add_text(sql, "NULL");
}

/* All at one moment: what is read until the transaction's end is what `snapshot` names. */
static int hold_moment(mtnt__postgres *own, mtnt__call *call, char *snapshot, size_t size, mtnt_error *err)
{
    struct text text = {snapshot, size};
    int rc = simple(own, call, "BEGIN ISOLATION LEVEL REPEATABLE READ", NULL, NULL, err);

    return rc == 0 ? simple(own, call, "SELECT pg_catalog.pg_export_snapshot()", take_text, &text, err) : rc;
}

static int read_digest(const mtnt__postgres *s, mtnt__postgres *own, mtnt__call *call, char *ret_digest,
                       mtnt_error *err)
{
    struct text text = {ret_digest, MTNT__DIGEST_SIZE};
    mtnt__buffer sql = {0};
    int rc = simple(own, call, digest_function, NULL, NULL, err);

    mtnt__buffer_add_text(&sql, "SELECT pg_temp.mtnt_digest(");
    add_scope(s, &sql);
    mtnt__buffer_add_text(&sql, ")");
    if (rc == 0 && sql.failed)
        rc = mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
    if (rc == 0)
        rc = simple(own, call, sql.bytes, take_text, &text, err);
    mtnt__buffer_release(&sql);
    return rc;
}

int mtnt__postgres_digest(void *state, mtnt__call *call, char ret_digest[MTNT__DIGEST_SIZE], mtnt_error *err)
{
    mtnt__postgres *own = NULL;
    char snapshot[80];
    int rc = open_own(state, call, &own, err);

    if (rc == 0)
        rc = hold_moment(own, call, snapshot, sizeof(snapshot), err);
    if (rc == 0)
        rc = read_digest(state, own, call, ret_digest, err);
    close_own(own);
    return rc;
}

int mtnt__postgres_digest_inside(void *state, mtnt__call *call, char ret_digest[MTNT__DIGEST_SIZE], mtnt_error *err)
{
    mtnt__postgres *s = state;
    struct text text = {ret_digest, MTNT__DIGEST_SIZE};
    mtnt__buffer sql = {0};
    int rc;

    mtnt__buffer_add_text(&sql, inside_lock);
    add_scope(s, &sql);
    mtnt__buffer_add_text(&sql, inside_locks);
    add_scope(s, &sql);
    mtnt__buffer_add_text(&sql, inside_digest);
    rc = sql.failed ? mtnt_error_set(err, MTNT_E_NOMEM, "out of memory") : simple(s, call, sql.bytes, NULL, NULL, err);
    mtnt__buffer_release(&sql);
    if (rc == 0)
        rc = simple(s, call, "SELECT pg_catalog.current_setting('mtnt.digest')", take_text, &text, err);
    if (rc == 0)
        rc = simple(s, call, "ROLLBACK TO SAVEPOINT mtnt_digest; RELEASE SAVEPOINT mtnt_digest", NULL, NULL, err);
    return rc;
}

/* ---- the snapshot ---- */

/* A pattern that is one name: quoted, nothing in it is special. malloc'ed */
static char *schema_option(const mtnt__postgres *s, const char *option)
{
    mtnt__buffer text = {0};

    mtnt__buffer_add_format(&text, "%s\"", option);
    for (const char *c = s->schema; *c; c++)
        mtnt__buffer_add(&text, *c == '"' ? "\"\"" : c, *c == '"' ? 2 : 1);
    mtnt__buffer_add_text(&text, "\"");
    return mtnt__buffer_take(&text);
}

static int dump(const mtnt__postgres *s, mtnt__postgres *own, const mtnt__call *call, const char *snapshot,
                const char *path, mtnt_error *err)
{
    char moment[100], patience[60];
    char *schema = s->schema ? schema_option(s, "--schema=") : NULL, *file = NULL;
    mtnt__buffer text = {0};
    int rc;

    snprintf(moment, sizeof(moment), "--snapshot=%s", snapshot);
    snprintf(patience, sizeof(patience), "--lock-wait-timeout=%lld", (long long)call->lock_timeout_ms);
    mtnt__buffer_add_format(&text, "--file=%s", path);
    file = mtnt__buffer_take(&text);
    if (!file || (s->schema && !schema)) {
        rc = mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
    } else {
        const char *const arguments[] = {"pg_dump", "--format=custom", "--no-password", moment, patience, file, schema,
                                         NULL};

        rc = mtnt__postgres_program(own->raw, call, arguments, err);
    }
    free(file);
    free(schema);
    return rc;
}

int mtnt__postgres_snapshot(void *state, mtnt__call *call, const char *path, char *ret_digest, mtnt_error *err)
{
    const mtnt__postgres *s = state;
    char snapshot[80], shown[MTNT__DSN_SHOWN_SIZE];
    mtnt__newborn newborn = {0};
    mtnt__postgres *own = NULL;
    int rc = open_own(s, call, &own, err);

    if (rc == 0)
        rc = mtnt__postgres_program_check(own->raw, call, "pg_dump", err);
    if (rc == 0)
        rc = mtnt__newborn_begin(&newborn, path, err);
    if (rc == 0)
        rc = hold_moment(own, call, snapshot, sizeof(snapshot), err);
    if (rc == 0)
        rc = dump(s, own, call, snapshot, newborn.temporary, err);
    if (rc == 0 && ret_digest)
        rc = read_digest(s, own, call, ret_digest, err);
    if (rc == 0)
        rc = mtnt__newborn_finish(&newborn, ret_digest, err);
    mtnt__newborn_release(&newborn);
    close_own(own);
    if (rc == 0)
        return MTNT_OK;
    mtnt__dsn_redact(s->dsn, shown);
    return mtnt_error_wrap(err, "snapshot of %s", shown);
}

/* ---- the way back ---- */

/* Before pg_restore's script: the question, what has to survive, and room for what comes back. CASCADE may take nothing that is not the model's. */
static const char guard_text[] =
    "DO $mtnt$ DECLARE r record; only_schema text := %1$s; BEGIN\n"
    "FOR r IN SELECT n.nspname, c.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n "
    "ON n.oid = c.relnamespace WHERE " SCOPE " AND c.relkind IN ('r', 'p') AND " NO_MEMBER(
        "pg_catalog.pg_class",
        "c.oid") " ORDER BY 1, 2 LOOP\n"
                 "  EXECUTE format('LOCK TABLE %%I.%%I IN ACCESS EXCLUSIVE MODE', r.nspname, r.relname);\n"
                 "END LOOP; END $mtnt$;\n"
                 "DO $mtnt$ BEGIN IF pg_temp.mtnt_digest(%1$s) <> %2$s THEN RAISE EXCEPTION 'mtnt: somebody else has written'; "
                 "END IF; END $mtnt$;\n"
                 "CREATE TEMP TABLE mtnt_kept_meta AS SELECT * FROM %3$s.mtnt_meta;\n"
                 "CREATE TEMP TABLE mtnt_kept_applied AS SELECT * FROM %3$s.mtnt_applied;\n"
                 "CREATE TEMP TABLE mtnt_kept_decision AS SELECT * FROM %3$s.mtnt_decision;\n"
                 "CREATE TEMP TABLE mtnt_outside AS SELECT c.oid FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n "
                 "ON n.oid = c.relnamespace, (SELECT %1$s::text AS only_schema) s WHERE NOT " SCOPE
                 " AND c.relpersistence <> 't' AND n.nspname !~ '^pg_';\n"
                 "DO $mtnt$ DECLARE r record; only_schema text := %1$s; BEGIN\n"
                 "FOR r IN SELECT n.nspname, c.relname, c.relkind FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n "
                 "ON n.oid = c.relnamespace WHERE " SCOPE
                 " AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'c', 'S') AND " NO_MEMBER(
                     "pg_catalog.pg_class",
                     "c.oid") " ORDER BY c.relkind = 'S', c.relkind = 'c' LOOP\n"
                              "  EXECUTE format('DROP %%s IF EXISTS %%I.%%I CASCADE', CASE r.relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' "
                              "WHEN 'f' THEN 'FOREIGN TABLE' WHEN 'S' THEN 'SEQUENCE' WHEN 'c' THEN 'TYPE' ELSE 'TABLE' END, r.nspname, r.relname);\n"
                              "END LOOP;\n"
                              "FOR r IN SELECT p.oid::regprocedure AS name, p.prokind FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n "
                              "ON n.oid = p.pronamespace WHERE " SCOPE " AND " NO_MEMBER(
                                  "pg_catalog.pg_proc",
                                  "p.oid") " LOOP\n"
                                           "  EXECUTE format('DROP ROUTINE IF EXISTS %%s CASCADE', r.name);\n"
                                           "END LOOP;\n"
                                           "FOR r IN SELECT n.nspname, t.typname FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace "
                                           "WHERE " SCOPE " AND t.typtype IN ('e', 'd', 'r') AND " NO_MEMBER(
                                               "pg_catalog.pg_type",
                                               "t.oid") " LOOP\n"
                                                        "  EXECUTE format('DROP TYPE IF EXISTS %%I.%%I CASCADE', r.nspname, r.typname);\n"
                                                        "END LOOP; END $mtnt$;\n"
                                                        "DO $mtnt$ BEGIN IF EXISTS (SELECT FROM mtnt_outside WHERE oid NOT IN (SELECT oid FROM pg_catalog.pg_class)) THEN\n"
                                                        "  RAISE EXCEPTION 'something outside the model depends on it and would be lost'; END IF; END $mtnt$;\n"
                                                        "%4$s";

static const char closing_text[] =
    "DELETE FROM %1$s.mtnt_meta; INSERT INTO %1$s.mtnt_meta SELECT * FROM pg_temp.mtnt_kept_meta;\n"
    "DELETE FROM %1$s.mtnt_applied; INSERT INTO %1$s.mtnt_applied SELECT * FROM pg_temp.mtnt_kept_applied;\n"
    "DELETE FROM %1$s.mtnt_decision; INSERT INTO %1$s.mtnt_decision SELECT * FROM pg_temp.mtnt_kept_decision;\n";

typedef struct restoring {
    mtnt__postgres *s;
    mtnt__postgres *own;
    mtnt__call *call;
    const char *path, *left;
    char *guard, *script, *closing; /* temporary files */
    mtnt_error *err;
} restoring;

static int write_text(restoring *r, char **ret_path, const char *text)
{
    int rc = mtnt__temporary_beside(r->path, ret_path, r->err);

    return rc == 0 ? mtnt__file_write(*ret_path, text, strlen(text), false, r->err) : rc;
}

static int quote(restoring *r, const char *home, mtnt__buffer *ret_scope, mtnt__buffer *ret_left,
                 mtnt__buffer *ret_home, mtnt__buffer *ret_room)
{
    add_scope(r->s, ret_scope);
    mtnt__sql_add_literal(ret_left, MTNT_POSTGRES, r->left);
    mtnt__sql_add_identifier(ret_home, home);
    /* The archive of one schema makes that schema. */
    if (r->s->schema)
        mtnt__buffer_add_format(ret_room, "DROP SCHEMA %s;\n", mtnt__buffer_text(ret_home));
    return ret_scope->failed || ret_left->failed || ret_home->failed || ret_room->failed
               ? mtnt_error_set(r->err, MTNT_E_NOMEM, "out of memory")
               : MTNT_OK;
}

static int write_scripts(restoring *r, const char *home)
{
    mtnt__buffer scope = {0}, left = {0}, quoted = {0}, room = {0}, text = {0};
    int rc = quote(r, home, &scope, &left, &quoted, &room);

    if (rc == 0) {
        mtnt__buffer_add_format(&text, "SET lock_timeout = %lld;\n", (long long)r->call->lock_timeout_ms);
        mtnt__buffer_add_format(&text, "%s;\n", digest_function);
        mtnt__buffer_add_format(&text, guard_text, scope.bytes, left.bytes, quoted.bytes, mtnt__buffer_text(&room));
        rc = text.failed ? mtnt_error_set(r->err, MTNT_E_NOMEM, "out of memory") : write_text(r, &r->guard, text.bytes);
    }
    if (rc == 0) {
        mtnt__buffer_clear(&text);
        mtnt__buffer_add_format(&text, closing_text, quoted.bytes);
        rc = text.failed ? mtnt_error_set(r->err, MTNT_E_NOMEM, "out of memory")
                         : write_text(r, &r->closing, text.bytes);
    }
    mtnt__buffer_release(&scope);
    mtnt__buffer_release(&left);
    mtnt__buffer_release(&quoted);
    mtnt__buffer_release(&room);
    mtnt__buffer_release(&text);
    return rc;
}

static char *option(const char *name, const char *value)
{
    mtnt__buffer text = {0};

    mtnt__buffer_add_text(&text, name);
    mtnt__buffer_add_text(&text, value);
    return mtnt__buffer_take(&text);
}

static int make_script(restoring *r)
{
    char *file = NULL;
    int rc = mtnt__temporary_beside(r->path, &r->script, r->err);

    if (rc == 0)
        rc = mtnt__file_make_private(r->script, r->err);
    if (rc == 0 && !(file = option("--file=", r->script)))
        rc = mtnt_error_set(r->err, MTNT_E_NOMEM, "out of memory");
    if (rc == 0) {
        const char *const clean[] = {"pg_restore", "--clean", "--if-exists", file, r->path, NULL};
        const char *const plain[] = {"pg_restore", file, r->path, NULL};

        rc = mtnt__postgres_program(r->own->raw, r->call, r->s->schema ? plain : clean, r->err);
    }
    free(file);
    return rc;
}

static int run_scripts(restoring *r)
{
    char *guard = option("--file=", r->guard), *script = option("--file=", r->script);
    char *closing = option("--file=", r->closing);
    int rc;

    if (!guard || !script || !closing) {
        rc = mtnt_error_set(r->err, MTNT_E_NOMEM, "out of memory");
    } else {
        const char *const arguments[] = {"psql",
                                         "--no-psqlrc",
                                         "--quiet",
                                         "--no-password",
                                         "--set=ON_ERROR_STOP=1",
                                         "--output=/dev/null",
                                         "--single-transaction",
                                         guard,
                                         script,
                                         closing,
                                         NULL};

        rc = mtnt__postgres_program(r->own->raw, r->call, arguments, r->err);
    }
    if (rc == MTNT_E_OPERATION && strstr(r->err->message, "mtnt: somebody else has written"))
        rc = mtnt__snapshot_refuse(r->path, r->err);
    free(guard);
    free(script);
    free(closing);
    return rc;
}

static int check_programs(restoring *r)
{
    int rc = mtnt__postgres_program_check(r->own->raw, r->call, "pg_restore", r->err);

    return rc == 0 ? mtnt__postgres_program_check(r->own->raw, r->call, "psql", r->err) : rc;
}

static void forget(char *path)
{
    if (path)
        mtnt__file_remove(path, NULL);
    free(path);
}

static int put_back(restoring *r)
{
    const char *home = NULL;
    int rc = check_programs(r);

    if (rc == 0)
        rc = mtnt__postgres_backend.schema(r->s, r->call, &home, r->err);
    if (rc == 0)
        rc = write_scripts(r, home);
    if (rc == 0)
        rc = make_script(r);
    if (rc == 0)
        rc = run_scripts(r);
    forget(r->guard);
    forget(r->script);
    forget(r->closing);
    return rc;
}

int mtnt__postgres_restore(void *state, mtnt__call *call, const char *path, const mtnt__restore_terms *terms,
                           bool *ret_changed, mtnt_error *err)
{
    char digest[MTNT__DIGEST_SIZE] = "", shown[MTNT__DSN_SHOWN_SIZE];
    restoring r = {.s = state, .call = call, .path = path, .left = digest, .err = err};
    int rc = mtnt__postgres_digest(state, call, digest, err);

    if (rc == 0 && strcmp(digest, terms->saved) == 0) {
        *ret_changed = false;
        return MTNT_OK;
    }
    if (rc == 0 && !mtnt__restore_allowed(terms, digest))
        rc = mtnt__snapshot_refuse(path, err);
    if (rc == 0)
        rc = open_own(state, call, &r.own, err);
    if (rc == 0)
        rc = put_back(&r);
    close_own(r.own);
    if (rc == 0) {
        *ret_changed = true;
        return MTNT_OK;
    }
    mtnt__dsn_redact(r.s->dsn, shown);
    return mtnt_error_wrap(err, "restore of %s", shown);
}
