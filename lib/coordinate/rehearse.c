/* What is particular to rehearsals: which operations they pass over, and the locks that are looked at before all is rolled back. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "coordinate/attempt.h"
#include "state/locks.h"

#define LOCKS_MAX 256 /* of one tenant; more would tell nobody more */

const char *mtnt__rehearse_obstacle(uint32_t writes, uint32_t flags, mtnt_mode mode)
{
    const uint32_t both = MTNT_WRITES_MODEL | MTNT_WRITES_CONTROLLER;

    if ((flags & MTNT_OPERATION_DELETES_MODEL) != 0)
        return "deletes the model";
    if ((flags & MTNT_OPERATION_EXTERNAL) != 0)
        return "has effects outside the databases";
    if ((flags & MTNT_OPERATION_NO_TRANSACTION) != 0)
        return "runs outside a transaction";
    if ((flags & (MTNT_OPERATION_SAGA | MTNT_OPERATION_RETRIABLE)) != 0 ||
        (mode == MTNT_MODE_SAGA && (writes & both) == both))
        return "is a step of a saga";
    return NULL;
}

const char *mtnt_rehearsal_obstacle(const mtnt_entry_info *entry, mtnt_mode mode)
{
    return mtnt__rehearse_obstacle(entry->writes, entry->flags, mode);
}

void mtnt__rehearse_leave_out(mtnt__attempt *attempt)
{
    size_t kept = 0;

    for (size_t i = 0; i < attempt->count; i++) {
        const mtnt__chain_entry *entry = attempt->chain->entries + attempt->plan[i];

        if (mtnt__rehearse_obstacle(entry->writes, entry->flags, attempt->options->mode) == NULL)
            attempt->plan[kept++] = attempt->plan[i];
    }
    attempt->skipped = attempt->count - kept;
    attempt->count = kept;
}

/* ---- locks ---- */

typedef struct looking {
    mtnt__attempt *attempt;
    bool on_controller, pair;
} looking;

static int see(void *data, const mtnt_row *row, mtnt_error *err)
{
    const looking *at = data;
    mtnt__attempt *attempt = at->attempt;
    const char *own = attempt->claim->model->schema, *schema = mtnt_row_text(row, 0);
    mtnt_held_lock *more, *lock;
    bool of_model = own != NULL && strcmp(schema, own) == 0;
    char name[sizeof(lock->table)];

    if (attempt->lock_count == LOCKS_MAX)
        return 0;
    more = reallocarray(attempt->locks, attempt->lock_count + 1, sizeof(*more));
    if (more == NULL)
        return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
    attempt->locks = more;
    lock = more + attempt->lock_count++;
    *lock = (mtnt_held_lock){.on_controller = at->pair ? !of_model : at->on_controller};
    if (strcmp(schema, "public") == 0 || (of_model && !lock->on_controller))
        mtnt__text_copy(name, sizeof(name), mtnt_row_text(row, 1));
    else
        snprintf(name, sizeof(name), "%.66s.%.66s", schema, mtnt_row_text(row, 1));
    mtnt__text_copy(lock->table, sizeof(lock->table), name);
    mtnt__text_copy(lock->mode, sizeof(lock->mode), mtnt_row_text(row, 2));
    return 0;
}

static int look(mtnt__attempt *attempt, mtnt_db *db, bool on_controller, mtnt_error *err)
{
    looking at = {attempt, on_controller, attempt->mode == MTNT__MODE_SINGLE_TRANSACTION};

    return db != NULL && mtnt__db_in_transaction(db) ? mtnt__locks_held(db, see, &at, err) : 0;
}

int mtnt__rehearse_look_at_locks(mtnt__attempt *attempt, mtnt_error *err)
{
    bool pair = attempt->mode == MTNT__MODE_SINGLE_TRANSACTION;
    /* All that is in a model which is just being made is new. */
    int rc = attempt->mode == MTNT__MODE_PROVISIONAL ? 0 : look(attempt, attempt->model, false, err);

    return rc == 0 && !pair && !attempt->controller_is_reader ? look(attempt, attempt->controller, true, err) : rc;
}
