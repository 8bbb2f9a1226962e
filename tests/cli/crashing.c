/* A plugin for isolate.sh: operation `seats` writes the model, and the controller where the environment says SEATS_WRITES=both, and then does to its process what the
 * tenant's vars say: `does` (segv, abort, exit, spin, heap, stack, kill, sleep, none), `in` (setup, execute, rollback, teardown). */
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <mtnt.h>

struct seats {
    const mtnt_model *model;
    bool executed;
};

static volatile unsigned spins;

/* Not to be seen through. */
static int deeper(volatile char *above, int depth)
{
    volatile char bytes[4096];

    bytes[0] = above == NULL ? 0 : above[0];
    bytes[depth % 4096] = 1;
    return depth == 0x7fffffff ? bytes[0] : deeper(bytes, depth + 1) + bytes[1];
}

static void spoil_heap(void)
{
    char *bytes = malloc(24), *volatile beyond = bytes;

    memset(beyond - 16, 0x5a, 16); /* what malloc keeps before it */
    free(bytes);
}

static bool is(const char *value, const char *word)
{
    return value != NULL && strcmp(value, word) == 0;
}

static void end(const mtnt_model *model, const char *where)
{
    const char *does = mtnt_model_var(model, "does"), *in = mtnt_model_var(model, "in");

    if (does == NULL || !is(in == NULL ? "execute" : in, where))
        return;
    if (is(does, "segv"))
        raise(SIGSEGV);
    if (is(does, "abort"))
        abort();
    if (is(does, "exit"))
        exit(0);
    if (is(does, "kill"))
        kill(getpid(), SIGKILL);
    if (is(does, "heap"))
        spoil_heap();
    if (is(does, "stack"))
        spins += (unsigned)deeper(NULL, 0);
    while (is(does, "spin"))
        spins++;
    while (is(does, "sleep"))
        sleep(1);
}

/* mtnt_scope_model and _controller lead to handles that may be written only if the class says so. */
static int write_controller(mtnt_context *context, const mtnt_model *model, mtnt_error *err, const char *statement)
{
    if (!is(getenv("SEATS_WRITES"), "both"))
        return 0;
    return mtnt_db_exec(mtnt_scope_controller(context), err, statement, MTNT_TEXT(mtnt_model_id(model)));
}

static int seats_setup(mtnt_operation *operation, mtnt_scope *scope, mtnt_error *err)
{
    (void)err;
    ((struct seats *)mtnt_operation_state(operation))->model = mtnt_scope_tenant(scope);
    end(mtnt_scope_tenant(scope), "setup");
    return 0;
}

static int seats_execute(mtnt_operation *operation, mtnt_context *context, const mtnt_model *model, mtnt_error *err)
{
    int rc = mtnt_db_exec(mtnt_scope_model(context), err, "INSERT INTO t_one(x) VALUES (7)");

    if (rc == 0)
        rc = write_controller(context, model, err, "INSERT INTO seats(tenant) VALUES ($1)");
    ((struct seats *)mtnt_operation_state(operation))->executed = rc == 0;
    if (rc == 0)
        printf("seats of %s\n", mtnt_model_id(model));
    end(model, "execute");
    return rc;
}

static int seats_rollback(mtnt_operation *operation, mtnt_context *context, const mtnt_model *model, mtnt_error *err)
{
    int rc = mtnt_db_exec(mtnt_scope_model(context), err, "DELETE FROM t_one");

    (void)operation;
    if (rc == 0)
        rc = write_controller(context, model, err, "DELETE FROM seats WHERE tenant = $1");
    end(model, "rollback");
    return rc;
}

/* All of it has been committed by then, where it was executed. */
static void seats_teardown(mtnt_operation *operation)
{
    const struct seats *seats = mtnt_operation_state(operation);

    if (seats->executed)
        end(seats->model, "teardown");
}

#define SEATS(what)                                                                                            \
    {                                                                                                          \
        MTNT_OPERATION_CLASS_INIT, .name = "seats", .state_size = sizeof(struct seats), .writes = (what),      \
                                   .setup = seats_setup, .execute = seats_execute, .rollback = seats_rollback, \
                                   .teardown = seats_teardown,                                                 \
    }

static const mtnt_operation_class of_model = SEATS(MTNT_WRITES_MODEL);
static const mtnt_operation_class of_both = SEATS(MTNT_WRITES_MODEL | MTNT_WRITES_CONTROLLER);

MTNT_CHAIN_PLUGIN(chain)
{
    if (is(getenv("SEATS_LOAD"), "abort"))
        abort();
    if (is(getenv("SEATS_LOAD"), "exit"))
        exit(0);
    return mtnt_chain_add(chain, is(getenv("SEATS_WRITES"), "both") ? &of_both : &of_model, 50, NULL, err);
}
