/* The project file. */
#include <unistd.h>

#include "scratch.h"

#include "mtnt/project.h"

static void assert_refused(void **state, const char *text, uint32_t line, uint32_t column, const char *message)
{
    const char *path = scratch_write(*state, "mtnt.yaml", text);
    mtnt_project project = {.workers = -7};
    mtnt_error err = MTNT_ERROR_INIT;

    assert_int_equal(mtnt_project_load(&project, path, &err), MTNT_E_CONFIG);
    assert_string_equal(err.message, message);
    assert_string_equal(err.file, path);
    assert_int_equal(err.line, line);
    assert_int_equal(err.column, column);
    assert_int_equal(project.workers, -7); /* untouched */
}

static void every_key_is_read(void **state)
{
    const char *path = scratch_write(*state, "mtnt.yaml",
                                     "controller: postgresql://db/controller\n"
                                     "tenants: fleet/tenants.yaml\n"
                                     "chain: /etc/chain.yaml\n"
                                     "plugin: ops.so\n"
                                     "workers: 8\n"
                                     "atomicity: operation\n"
                                     "on_failure: keep\n"
                                     "fingerprint: always\n"
                                     "on_error: stop\n"
                                     "allow_out_of_order: true\n"
                                     "isolate: true\n"
                                     "deadline: 1h\n"
                                     "operation_timeout: 5s\n"
                                     "backup: saved\n"
                                     "unlock_deadline: 2m\n"
                                     "heartbeat: 3s\n"
                                     "heartbeat_retries: 2\n"
                                     "lock_timeout: 200ms\n"
                                     "statement_timeout: 0\n"
                                     "canary: 2\n"
                                     "waves: 5,10%\n"
                                     "soak: 10m\n"
                                     "max_failures: 3\n"
                                     "retries: 4\n"
                                     "retry_pause: 2s\n"
                                     "controller_wait: 90s\n"
                                     "per_server: 6\n"
                                     "connections: 40\n"
                                     "rate: 90/m\n"
                                     "groups:\n"
                                     "  - {name: first, match: [tier=gold, region=eu], on_error: stop}\n"
                                     "  - {name: second, match: [tier=gold], order: -3, parallel: 9}\n"
                                     "  - {name: third, match: [a=], depends_on: [first, second]}\n");
    mtnt_project project = {0};
    mtnt_error err = MTNT_ERROR_INIT;
    char expected[512];

    if (mtnt_project_load(&project, path, &err))
        fail_msg("%u: %s", err.line, err.message);
    assert_string_equal(project.file, path);
    assert_string_equal(project.controller, "postgresql://db/controller");
    assert_int_equal(project.controller_line, 1);
    snprintf(expected, sizeof(expected), "%s/fleet/tenants.yaml", ((scratch *)*state)->folder);
    assert_string_equal(project.tenants, expected);
    assert_string_equal(project.chain, "/etc/chain.yaml");
    snprintf(expected, sizeof(expected), "%s/ops.so", ((scratch *)*state)->folder);
    assert_string_equal(project.plugin, expected);
    snprintf(expected, sizeof(expected), "%s/saved", ((scratch *)*state)->folder);
    assert_string_equal(project.backup, expected);
    assert_int_equal(project.workers, 8);
    assert_string_equal(project.atomicity, "operation");
    assert_string_equal(project.on_failure, "keep");
    assert_string_equal(project.fingerprint, "always");
    assert_string_equal(project.on_error, "stop");
    assert_true(project.allow_out_of_order);
    assert_true(project.isolate);
    assert_int_equal(project.deadline_ms, 3600000);
    assert_int_equal(project.operation_timeout_ms, 5000);
    assert_int_equal(project.unlock_deadline_ms, 120000);
    assert_int_equal(project.heartbeat_ms, 3000);
    assert_int_equal(project.heartbeat_retries, 2);
    assert_int_equal(project.lock_timeout_ms, 200);
    assert_int_equal(project.statement_timeout_ms, 0);
    assert_int_equal(project.canary, 2);
    assert_string_equal(project.waves, "5,10%");
    assert_int_equal(project.soak_ms, 600000);
    assert_string_equal(project.max_failures, "3");
    assert_int_equal(project.retries, 4);
    assert_int_equal(project.retry_pause_ms, 2000);
    assert_int_equal(project.controller_wait_ms, 90000);
    assert_int_equal(project.per_server, 6);
    assert_int_equal(project.connections, 40);
    assert_string_equal(project.rate, "90/m");
    assert_int_equal(project.group_count, 3);
    assert_string_equal(project.groups[0].name, "first");
    assert_string_equal(project.groups[0].match[1], "region=eu");
    assert_null(project.groups[0].match[2]);
    assert_int_equal(project.groups[0].on_error, MTNT_ON_ERROR_STOP);
    assert_int_equal(project.groups[1].order, -3);
    assert_int_equal(project.groups[1].parallel, 9);
    assert_int_equal(project.groups[1].on_error, MTNT_ON_ERROR_DEFAULT);
    assert_string_equal(project.groups[2].depends_on[1], "second");
    mtnt_project_release(&project);
    assert_null(project.controller);
    mtnt_project_release(&project);
}

static void what_is_not_said_is_not_set(void **state)
{
    mtnt_project project = {0};
    mtnt_error err = MTNT_ERROR_INIT;
    char expected[512];

    assert_int_equal(mtnt_project_load(&project, scratch_write(*state, "mtnt.yaml", "workers: 1\n"), &err), 0);
    snprintf(expected, sizeof(expected), "sqlite:%s/mtnt-controller.db", ((scratch *)*state)->folder);
    assert_string_equal(project.controller, expected);
    assert_int_equal(project.controller_line, 0);
    assert_null(project.tenants);
    assert_null(project.chain);
    assert_null(project.plugin);
    assert_null(project.atomicity);
    assert_null(project.backup);
    assert_false(project.allow_out_of_order);
    assert_false(project.isolate);
    assert_int_equal(project.deadline_ms, 0);
    assert_int_equal(project.heartbeat_ms, 0);
    assert_int_equal(project.heartbeat_retries, 0);
    mtnt_project_release(&project);
}

/* 0 is an answer: no deadline, and no failed renewal is borne. */
static void zero_is_said(void **state)
{
    mtnt_project project = {0};
    mtnt_error err = MTNT_ERROR_INIT;
    const char *path = scratch_write(*state, "mtnt.yaml", "deadline: 0\nheartbeat_retries: 0\n");

    assert_int_equal(mtnt_project_load(&project, path, &err), 0);
    assert_int_equal(project.deadline_ms, INT64_MAX / 1000000);
    assert_int_equal(project.heartbeat_retries, -1);
    mtnt_project_release(&project);
}

/* The working directory is the scratch folder. */
static void paths_are_seen_from_the_file(void **state)
{
    mtnt_project project = {0};
    mtnt_error err = MTNT_ERROR_INIT;
    char expected[512], before[1024];

    assert_non_null(getcwd(before, sizeof(before)));
    scratch_write(*state, "sub/mtnt.yaml", "controller: sqlite:./c.db\nchain: chain.yaml\nplugin: ops.so\n");
    assert_int_equal(chdir(((scratch *)*state)->folder), 0);
    assert_int_equal(mtnt_project_load(&project, "sub/mtnt.yaml", &err), 0);
    snprintf(expected, sizeof(expected), "sqlite:%s/sub/c.db", ((scratch *)*state)->folder);
    assert_string_equal(project.controller, expected);
    assert_string_equal(project.chain, "sub/chain.yaml");
    assert_string_equal(project.plugin, "sub/ops.so");
    mtnt_project_release(&project);
    assert_int_equal(chdir(scratch_path(*state, "sub")), 0);
    assert_int_equal(mtnt_project_load(&project, NULL, &err), 0);
    assert_string_equal(project.file, "mtnt.yaml");
    assert_string_equal(project.chain, "chain.yaml");
    assert_string_equal(project.plugin, "./ops.so");
    mtnt_project_release(&project);
    assert_int_equal(chdir(before), 0);
}

static void without_a_file_there_are_defaults(void **state)
{
    mtnt_project project = {0};
    mtnt_error err = MTNT_ERROR_INIT;
    char expected[512], before[1024];

    assert_non_null(getcwd(before, sizeof(before)));
    assert_int_equal(chdir(((scratch *)*state)->folder), 0);
    assert_int_equal(mtnt_project_load(&project, NULL, &err), 0);
    assert_int_equal(err.code, 0);
    assert_null(project.file);
    snprintf(expected, sizeof(expected), "sqlite:%s/mtnt-controller.db", ((scratch *)*state)->folder);
    assert_string_equal(project.controller, expected);
    mtnt_project_release(&project);
    assert_int_equal(mtnt_project_load(&project, "mtnt.yaml", &err), MTNT_E_NOT_FOUND);
    assert_int_equal(chdir(before), 0);
}

static void mistakes_are_told_with_their_place(void **state)
{
    assert_refused(state, "", 0, 0, "the file is empty");
    assert_refused(state, "workers: 8\ntenant: t.yaml\n", 2, 1, "unknown key `tenant`; did you mean `tenants`?");
    assert_refused(state, "- controller\n", 1, 1, "a project file must be a mapping (keys with values), not a list");
    assert_refused(state, "workers: many\n", 1, 10, "`workers` must be a whole number, not `many`");
    assert_refused(state, "chain: [a.yaml]\n", 1, 8, "`chain` must be text, not a list");
    assert_refused(state, "allow_out_of_order: yes\n", 1, 21, "`allow_out_of_order` must be true or false, not `yes`");
    assert_refused(state, "chain: a\nchain: b\n", 2, 1, "key `chain` is given twice; the first is in line 1");
    assert_refused(state, "\nlock_timeout: 5 s\n", 2, 15,
                   "`lock_timeout` must be a time such as 500ms, 5s, 2m or 1h, not `5 s`");
    assert_refused(state, "deadline: 5\n", 1, 11, "`deadline` must be a time such as 500ms, 5s, 2m or 1h, not `5`");
    assert_refused(state, "deadline: -5s\n", 1, 11, "`deadline` must be a time such as 500ms, 5s, 2m or 1h, not `-5s`");
    assert_refused(state, "workers: 1\nunlock_deadline: 0\n", 2, 18, "`unlock_deadline` must be more than 0");
    assert_refused(state, "heartbeat: 0s\n", 1, 12, "`heartbeat` must be more than 0");
    assert_refused(state, "heartbeat: often\n", 1, 12,
                   "`heartbeat` must be a time such as 500ms, 5s, 2m or 1h, not `often`");
    assert_refused(state, "heartbeat: 400d\n", 1, 12, "`heartbeat` must be at most 365d, not `400d`");
    assert_refused(state, "heartbeat_retries: -1\n", 1, 20, "`heartbeat_retries` must be 0 to 1000, not -1");
    assert_refused(state, "heartbeat_retries: 1001\n", 1, 20, "`heartbeat_retries` must be 0 to 1000, not 1001");
    assert_refused(state, "heartbeat_retries: once\n", 1, 20, "`heartbeat_retries` must be a whole number, not `once`");
    assert_refused(state, "atomicity: all\n", 1, 12, "`atomicity` must be `chain` or `operation`, not `all`");
    assert_refused(state, "on_failure: stop\n", 1, 13, "`on_failure` must be `rollback` or `keep`, not `stop`");
    assert_refused(state, "on_error: keep\n", 1, 11, "`on_error` must be `continue` or `stop`, not `keep`");
}

static void A14_workers_are_1_to_1024(void **state)
{
    assert_refused(state, "workers: 0\n", 1, 10, "`workers` must be 1 to 1024, not 0");
    assert_refused(state, "workers: -1\n", 1, 10, "`workers` must be 1 to 1024, not -1");
    assert_refused(state, "workers: 1025\n", 1, 10, "`workers` must be 1 to 1024, not 1025");
}

static void a_bad_controller_is_told_without_its_password(void **state)
{
    const char *path = scratch_write(*state, "mtnt.yaml", "workers: 2\ncontroller: mysql://root:v3ry-s3cret@db/c\n");
    mtnt_project project = {0};
    mtnt_error err = MTNT_ERROR_INIT;

    assert_int_equal(mtnt_project_load(&project, path, &err), MTNT_E_CONFIG);
    assert_null(strstr(err.message, "s3cret"));
    assert_non_null(strstr(err.message, "`controller`: "));
    assert_int_equal(err.line, 2);
    assert_int_equal(err.column, 13);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(every_key_is_read),
        CASE(what_is_not_said_is_not_set),
        CASE(zero_is_said),
        CASE(paths_are_seen_from_the_file),
        CASE(without_a_file_there_are_defaults),
        CASE(mistakes_are_told_with_their_place),
        CASE(A14_workers_are_1_to_1024),
        CASE(a_bad_controller_is_told_without_its_password),
    };

    return cmocka_run_group_tests_name("config.project", tests, NULL, NULL);
}
