#include "coordinate/bookkeeping.h"

int mtnt__bookkeeping_ensure(const mtnt__bookkeeping *calls, mtnt_error *err)
{
    mtnt_error other = MTNT_ERROR_INIT;
    int rc;

    if (calls->ensured != NULL && calls->ensured(calls->data))
        return 0;
    rc = calls->lock_database(calls->data, err);
    if (rc != 0)
        return rc;
    rc = calls->ensure(calls->data, err);
    if (rc != 0) {
        if (calls->abandon_database(calls->data, &other) != 0)
            mtnt_error_keep(err, &other);
        return rc;
    }
    return calls->unlock_database(calls->data, err);
}

/* An error means that nothing is left of it, unless it says that this is not known. */
static void not_recorded(const mtnt__task *task, mtnt_error *err)
{
    mtnt_error_wrap(err, "the outcome could not be recorded");
    if (task->attempt.verdict != MTNT__VERDICT_COMMITTED)
        return;
    mtnt_error_wrap(err, "it is committed; recovery, or the next migration, writes that down");
    err->code = MTNT_E_IN_DOUBT;
}

int mtnt__bookkeeping_perform(const mtnt__bookkeeping *calls, mtnt__task *task, mtnt_error *err)
{
    mtnt_error own = MTNT_ERROR_INIT, other;
    int rc = mtnt__bookkeeping_ensure(calls, &own);

    while (rc == 0 && task->phase != MTNT__TASK_DONE) {
        rc = mtnt__task_next(task, &own);
        if (rc == 0)
            rc = calls->claim(calls->data, task, &own);
        if (rc != 0)
            break;
        calls->run(calls->data, task);
        mtnt_error_clear(&other);
        if (calls->release(calls->data, task, &other) != 0) {
            not_recorded(task, &other);
            rc = task->result_code != 0 ? task->result_code : other.code;
            own = task->result_code != 0 ? task->error : other;
            if (task->result_code != 0)
                mtnt_error_keep(&own, &other);
        }
    }
    if (rc == 0 && task->result_code != 0) {
        rc = task->result_code;
        own = task->error;
    }
    if (rc != 0 && err != NULL)
        *err = own;
    return rc;
}
