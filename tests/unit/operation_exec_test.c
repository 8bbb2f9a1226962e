/* exec: programs that succeed, fail, write, overstay, leave children behind. No database takes part. */
#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "chain/chain.h"
#include "mtnt/operations.h"

typedef struct fixture {
    char folder[64];
    mtnt_chain *chain;
    mtnt_model *model;
    mtnt_operation operation;
    mtnt_scope scope;
    atomic_bool cancelled;
    mtnt_error err;
} fixture;

static void name_tenant(fixture *f, const char *id)
{
    static const char *const vars[] = {"plan-b=pro", "region=eu west", NULL};
    mtnt_model_options options = MTNT_MODEL_OPTIONS_INIT;

    options.id = id;
    options.dsn = "sqlite:acme.db";
    options.vars = vars;
    mtnt_model_free(f->model);
    f->model = NULL;
    assert_int_equal(mtnt_model_new(&f->model, &options, &f->err), 0);
    f->scope.tenant = f->model;
}

static int set_up(void **state)
{
    fixture *f = test_calloc(1, sizeof(*f));

    strcpy(f->folder, "/tmp/mtnt-exec-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    name_tenant(f, "acme");
    f->scope.migration = "0123456789abcdef0123456789abcdef";
    f->scope.system = mtnt__system_default();
    f->scope.cancelled = &f->cancelled;
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    char path[128];

    snprintf(path, sizeof(path), "%s/out", f->folder);
    unlink(path);
    rmdir(f->folder);
    mtnt_chain_free(f->chain);
    mtnt_model_free(f->model);
    test_free(f);
    return 0;
}

static const mtnt_operation_class *add(fixture *f, const char *const *command, const char *const *undo)
{
    mtnt_exec_options options = {command, undo, f->folder};
    mtnt_entry entry = MTNT_ENTRY_INIT;

    mtnt_chain_free(f->chain);
    f->chain = NULL;
    assert_int_equal(mtnt_chain_new(&f->chain, "shop", &f->err), 0);
    entry.name = "hook";
    assert_int_equal(mtnt_operation_add_exec(f->chain, &options, &entry, &f->err), 0);
    f->operation.entry = &f->chain->entries[0];
    return f->operation.entry->operation_class;
}

static int execute(fixture *f)
{
    return f->operation.entry->operation_class->execute(&f->operation, &f->scope, f->model, &f->err);
}

/* Runs a shell script; "$0" is the tenant as {tenant} gives it. */
static int run_shell(fixture *f, const char *script)
{
    const char *command[] = {"sh", "-c", script, "{tenant}", NULL};

    add(f, command, NULL);
    return execute(f);
}

static void read_out(const fixture *f, char text[1024])
{
    char path[128];
    size_t length;
    FILE *file;

    snprintf(path, sizeof(path), "%s/out", f->folder);
    file = fopen(path, "re");
    assert_non_null(file);
    length = fread(text, 1, 1023, file);
    text[length] = '\0';
    fclose(file);
}

static pid_t pid_in_out(const fixture *f)
{
    char text[1024];

    read_out(f, text);
    assert_true(atoi(text) > 1);
    return (pid_t)atoi(text);
}

/* Whoever should reap an orphan may be slow: a zombie works no more. */
static bool works(pid_t pid)
{
    char path[64], state = 'X';
    FILE *file;

    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    file = fopen(path, "re");
    if (file == NULL)
        return false;
    if (fscanf(file, "%*d (%*[^)]) %c", &state) != 1)
        state = 'X';
    fclose(file);
    return state != 'Z' && state != 'X';
}

static void assert_gone(pid_t pid)
{
    int tries;

    for (tries = 0; tries < 200 && works(pid); tries++)
        usleep(10000);
    assert_false(works(pid));
}

static int64_t boot_ms(void)
{
    return mtnt__system_default()->boot_ms(NULL);
}

static int open_descriptors(void)
{
    DIR *folder = opendir("/proc/self/fd");
    int count = 0;

    assert_non_null(folder);
    while (readdir(folder) != NULL)
        count++;
    closedir(folder);
    return count;
}

static void test_environment_and_arguments(void **state)
{
    fixture *f = *state;
    char text[1024];

    setenv("MTNT_CONTROLLER", "postgresql://u:secret@h/db", 1);
    setenv("SHOP_MODE", "night", 1);
    assert_int_equal(run_shell(f, "{ echo \"$0|$MTNT_TENANT|$MTNT_MIGRATION|$MTNT_OPERATION\"\n"
                                  "echo \"$MTNT_VAR_PLAN_B|$MTNT_VAR_REGION|$SHOP_MODE|$MTNT_CONTROLLER|\"\n"
                                  "cat; pwd -P; } > out"),
                     0);
    unsetenv("MTNT_CONTROLLER");
    read_out(f, text);
    assert_string_equal(strtok(text, "\n"), "acme|acme|"
                                            "0123456789abcdef0123456789abcdef|hook");
    assert_string_equal(strtok(NULL, "\n"), "pro|eu west|night||");
    assert_string_equal(strtok(NULL, "\n"), f->folder);
    assert_null(strtok(NULL, "\n"));
}

static void test_program_is_not_expanded(void **state)
{
    static const char *const command[] = {"{tenant}", NULL};
    fixture *f = *state;

    add(f, command, NULL);
    assert_int_equal(execute(f), MTNT_E_OPERATION);
    assert_non_null(strstr(f->err.message, "program `{tenant}` cannot be started in "));
}

static void test_failure_has_the_last_output(void **state)
{
    fixture *f = *state;

    assert_int_equal(run_shell(f, "echo one; echo two >&2; printf 'caf\\303\\251 \\377\\033[0m\\0x\\n'; exit 3"),
                     MTNT_E_OPERATION);
    assert_string_equal(f->err.message, "program `sh` failed with exit status 3: the last that it wrote:\n"
                                        "one\ntwo\ncafé ? [0m x");
    assert_false(f->err.retryable);
}

static void test_flood_is_cut(void **state)
{
    fixture *f = *state;

    assert_int_equal(run_shell(f, "i=0; while [ $i -lt 3000 ]; do i=$((i+1)); echo \"line $i\"; done; exit 1"),
                     MTNT_E_OPERATION);
    assert_null(strstr(f->err.message, "line 2700\n"));
    assert_non_null(strstr(f->err.message, "line 2999\nline 3000"));
    assert_non_null(strstr(f->err.message, "wrote:\nline 2"));
}

static void test_silent_failure(void **state)
{
    fixture *f = *state;

    assert_int_equal(run_shell(f, "kill -9 $$"), MTNT_E_OPERATION);
    assert_string_equal(f->err.message, "program `sh` was killed by signal 9: it wrote nothing");
}

static void test_compensation(void **state)
{
    static const char *const command[] = {"sh", "-c", "echo up > out", NULL};
    static const char *const undo[] = {"sh", "-c", "echo down {tenant} >> out", NULL};
    fixture *f = *state;
    const mtnt_operation_class *class = add(f, command, undo);
    char text[1024];

    assert_non_null(class->rollback);
    assert_int_equal(execute(f), 0);
    assert_int_equal(class->rollback(&f->operation, &f->scope, f->model, &f->err), 0);
    read_out(f, text);
    assert_string_equal(text, "up\ndown acme\n");
}

/* The id is harmless even if it were to run: it would make a file of the test's own folder. */
static void test_tenant_is_never_pasted_into_a_script(void **state)
{
    static const char *const command[] = {"true", NULL};
    static const char *const undo[] = {"sh", "-c", "echo {tenant}", NULL};
    static const char *const hostile[] = {"a;>out", "$(>out)", "-rf", "..", "a b", "a\"b"};
    fixture *f = *state;
    char path[128];
    size_t i;

    add(f, command, undo);
    snprintf(path, sizeof(path), "%s/out", f->folder);
    for (i = 0; i < sizeof(hostile) / sizeof(hostile[0]); i++) {
        name_tenant(f, hostile[i]);
        assert_int_equal(execute(f), MTNT_E_OPERATION);
        assert_non_null(strstr(f->err.message, "MTNT_TENANT"));
        assert_int_equal(access(path, F_OK), -1);
    }
}

static void test_any_tenant_is_in_the_environment(void **state)
{
    static const char *const command[] = {"sh", "-c", "printf %s \"$MTNT_TENANT\" > out", NULL};
    fixture *f = *state;
    char text[1024];

    name_tenant(f, "a b;>x $(>y)");
    add(f, command, NULL);
    assert_int_equal(execute(f), 0);
    read_out(f, text);
    assert_string_equal(text, "a b;>x $(>y)");
}

static void test_without_undo_there_is_no_way_back(void **state)
{
    static const char *const command[] = {"true", NULL};
    fixture *f = *state;

    assert_null(add(f, command, NULL)->rollback);
    assert_true(f->operation.entry->flags & MTNT_OPERATION_EXTERNAL);
    assert_int_equal(f->operation.entry->writes, MTNT_WRITES_NOTHING);
}

static void test_deadline_kills_grandchildren(void **state)
{
    fixture *f = *state;
    int64_t begun_ms = boot_ms();

    f->scope.deadline = mtnt__deadline_in(f->scope.system, 300);
    assert_int_equal(run_shell(f, "echo working; sleep 100 & echo $! > out; wait"), MTNT_E_DEADLINE);
    assert_true(boot_ms() - begun_ms >= 300);
    assert_true(boot_ms() - begun_ms < 4500);
    assert_string_equal(f->err.message, "program `sh` was stopped because its time was used up: "
                                        "the last that it wrote:\nworking");
    assert_gone(pid_in_out(f));
}

static void test_deadline_kills_the_stubborn(void **state)
{
    fixture *f = *state;
    int64_t begun_ms = boot_ms();

    f->scope.deadline = mtnt__deadline_in(f->scope.system, 200);
    assert_int_equal(run_shell(f, "trap '' TERM; sleep 100 & echo $! > out; while :; do sleep 1; done"),
                     MTNT_E_DEADLINE);
    assert_true(boot_ms() - begun_ms >= 5000);
    assert_gone(pid_in_out(f));
}

static void *cancel_soon(void *data)
{
    fixture *f = data;

    usleep(200000);
    atomic_store(&f->cancelled, true);
    return NULL;
}

static void test_cancel(void **state)
{
    fixture *f = *state;
    int64_t begun_ms = boot_ms();
    pthread_t thread;

    assert_int_equal(pthread_create(&thread, NULL, cancel_soon, f), 0);
    assert_int_equal(run_shell(f, "sleep 100 & echo $! > out; wait"), MTNT_E_CANCELLED);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(boot_ms() - begun_ms < 4500);
    assert_gone(pid_in_out(f));
}

static void test_failed_program_leaves_nothing_running(void **state)
{
    fixture *f = *state;

    assert_int_equal(run_shell(f, "sleep 100 & echo $! > out; exit 1"), MTNT_E_OPERATION);
    assert_gone(pid_in_out(f));
}

static void test_successful_program_may_leave_something(void **state)
{
    fixture *f = *state;
    int64_t begun_ms = boot_ms();
    pid_t left;

    assert_int_equal(run_shell(f, "sleep 30 & echo $! > out"), 0);
    assert_true(boot_ms() - begun_ms < 20000);
    left = pid_in_out(f);
    assert_true(works(left));
    kill(left, SIGKILL);
}

static void test_signals_are_as_from_a_shell(void **state)
{
    fixture *f = *state;
    sigset_t blocked, before;

    sigemptyset(&blocked);
    sigaddset(&blocked, SIGTERM);
    sigaddset(&blocked, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &blocked, &before);
    signal(SIGPIPE, SIG_IGN);
    assert_int_equal(run_shell(f, "kill -PIPE $$; exit 7"), MTNT_E_OPERATION);
    assert_non_null(strstr(f->err.message, "killed by signal 13"));
    assert_int_equal(run_shell(f, "kill -TERM $$; exit 7"), MTNT_E_OPERATION);
    signal(SIGPIPE, SIG_DFL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    assert_non_null(strstr(f->err.message, "killed by signal 15"));
}

static void test_other_children_are_left_to_their_parent(void **state)
{
    fixture *f = *state;
    pid_t other = fork();
    int status = 0;

    assert_true(other >= 0);
    if (other == 0)
        _exit(42);
    usleep(50000);
    assert_int_equal(run_shell(f, "exit 0"), 0);
    assert_int_equal(waitpid(other, &status, 0), other);
    assert_int_equal(WEXITSTATUS(status), 42);
}

static void test_ignored_sigchld_is_told(void **state)
{
    fixture *f = *state;

    signal(SIGCHLD, SIG_IGN);
    assert_int_equal(run_shell(f, "exit 0"), MTNT_E_OPERATION);
    signal(SIGCHLD, SIG_DFL);
    assert_non_null(strstr(f->err.message, "ignores SIGCHLD"));
}

static void test_descriptors_are_given_back(void **state)
{
    static const char *const missing[] = {"no-such-program-of-ours", NULL};
    fixture *f = *state;
    int before = open_descriptors();

    assert_int_equal(run_shell(f, "exec 3>&1; ls /proc/self/fd | wc -l > out"), 0);
    assert_int_equal(open_descriptors(), before);
    add(f, missing, NULL);
    assert_int_equal(execute(f), MTNT_E_OPERATION);
    assert_int_equal(open_descriptors(), before);
}

/* The child finds 0, 1 and 2 open even when its parent has closed them. */
static void test_parent_without_standard_descriptors(void **state)
{
    fixture *f = *state;
    int saved = dup(STDIN_FILENO);
    int rc;

    close(STDIN_FILENO);
    rc = run_shell(f, "cat && echo said && exit 9");
    dup2(saved, STDIN_FILENO);
    close(saved);
    assert_int_equal(rc, MTNT_E_OPERATION);
    assert_non_null(strstr(f->err.message, "exit status 9: the last that it wrote:\nsaid"));
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(test_environment_and_arguments),
        CASE(test_program_is_not_expanded),
        CASE(test_failure_has_the_last_output),
        CASE(test_flood_is_cut),
        CASE(test_silent_failure),
        CASE(test_compensation),
        CASE(test_tenant_is_never_pasted_into_a_script),
        CASE(test_any_tenant_is_in_the_environment),
        CASE(test_without_undo_there_is_no_way_back),
        CASE(test_deadline_kills_grandchildren),
        CASE(test_deadline_kills_the_stubborn),
        CASE(test_cancel),
        CASE(test_failed_program_leaves_nothing_running),
        CASE(test_successful_program_may_leave_something),
        CASE(test_signals_are_as_from_a_shell),
        CASE(test_other_children_are_left_to_their_parent),
        CASE(test_ignored_sigchld_is_told),
        CASE(test_descriptors_are_given_back),
        CASE(test_parent_without_standard_descriptors),
    };

    return cmocka_run_group_tests_name("exec", tests, NULL, NULL);
}
