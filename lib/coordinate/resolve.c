/* A person's word about a migration that recovery cannot end by itself. */
#include <string.h>

#include "base/text.h"
#include "coordinate/audit.h"
#include "coordinate/task.h"
#include "state/register.h"
#include "state/tables.h"

struct resolving {
    mtnt_controller *controller;
    const mtnt_chain *chain;
    const mtnt_model *model;
    const mtnt_resolution *resolution;
    const mtnt__known *known;
    mtnt__migration_state from, to;
    mtnt__unended unended;
    mtnt__settlement settlement;
    mtnt__outcome word; /* 0 = retry */
    mtnt_resolved *resolved;
};

/* ---- may it be said ---- */

static mtnt__migration_event event_of(mtnt_word word)
{
    switch (word) {
    case MTNT_WORD_COMMITTED: return MTNT__EVENT_RESOLVE_COMMIT;
    case MTNT_WORD_ABORTED: return MTNT__EVENT_RESOLVE_ABORT;
    case MTNT_WORD_RETRY: break;
    }
    return MTNT__EVENT_RETRY;
}

static int check_state(struct resolving *r, mtnt_error *err)
{
    const char *id = mtnt_model_id(r->model);
    const mtnt__transition *edge;

    r->from = mtnt__migration_state_parse(r->known->state);
    edge = mtnt__transition_find(r->from, event_of(r->resolution->word));
    if (mtnt__known_idle(r->known))
        return mtnt_error_set(err, MTNT_E_REFUSED,
                              "tenant %s: there is nothing to resolve: no migration of it is unended", id);
    if (edge == NULL && (r->from == MTNT__STATE_EXECUTING || r->from == MTNT__STATE_COMPENSATING))
        return mtnt_error_set(err, MTNT_E_REFUSED,
                              "tenant %s: it is %s, which recovery settles by itself:   mtnt-model recover --tenant %s",
                              id, r->known->state, id);
    if (edge == NULL)
        return mtnt_error_set(err, MTNT_E_REFUSED, "tenant %s: it is %s, where only %s can be said", id,
                              r->known->state,
                              r->resolution->word == MTNT_WORD_RETRY ? "committed or aborted" : "something else");
    r->to = edge->to;
    if (mtnt__known_takeable(r->controller, r->known, 0))
        return 0;
    mtnt_error_set(err, MTNT_E_BUSY, "tenant %s: another process is at it (%.*s)", id,
                   (int)strcspn(r->known->owner, "#"), r->known->owner);
    if (err != NULL)
        err->retryable = true;
    return MTNT_E_BUSY;
}

/* ---- the register ---- */

static bool on_model(const struct resolving *r)
{
    return strcmp(r->unended.decider, "model") == 0;
}

static void note_decision(struct resolving *r, mtnt__outcome before)
{
    mtnt_resolved *resolved = r->resolved;

    resolved->asked = true;
    if (before != 0)
        mtnt__text_copy(resolved->decision, sizeof(resolved->decision),
                        before == MTNT__OUTCOME_COMMIT ? "commit" : "abort");
    /* A commit comes with its row: what is only in doubt was not committed where there is none. */
    if (before == 0 && r->from == MTNT__STATE_IN_DOUBT)
        before = MTNT__OUTCOME_ABORT;
    resolved->against = before != 0 && before != r->word;
}

/* Of what is in doubt the register knows best: both sides follow it, and a word against it would part them. */
static int check_against(const struct resolving *r, mtnt_error *err)
{
    if (r->from != MTNT__STATE_IN_DOUBT || !r->resolved->against)
        return 0;
    return mtnt_error_set(
        err, MTNT_E_REFUSED,
        "tenant %s: its decision register can be read, and says %s: recovery goes by that, once both databases can be reached:   "
        "mtnt-model recover --tenant %s. Nothing was changed",
        mtnt_model_id(r->model), r->word == MTNT__OUTCOME_COMMIT ? "abort" : "commit", mtnt_model_id(r->model));
}

static int read_decision(struct resolving *r, mtnt_db *db, mtnt_error *err)
{
    mtnt__outcome before = 0;
    size_t version = 1;
    int rc = mtnt__db_begin(db, err);

    if (rc == 0 && on_model(r))
        rc = mtnt__tables_version(db, &mtnt__tables_model, &version, err);
    if (rc == 0)
        rc = mtnt__settle_check_home(&r->settlement, on_model(r) ? db : NULL, err);
    if (rc == 0 && version > 0)
        rc = mtnt__register_read(db, r->known->migration, &before, err);
    mtnt__db_rollback(db);
    if (rc == 0)
        note_decision(r, before);
    return rc == 0 ? check_against(r, err) : rc;
}

static int write_decision(struct resolving *r, mtnt_db *db, mtnt_error *err)
{
    mtnt__outcome now = 0;
    bool written = false;
    int rc = mtnt__settle_begin(&r->settlement, db, err);

    if (rc == 0)
        rc = mtnt__register_write(db, r->known->migration, r->word, &now, &written, err);
    if (rc == 0) {
        note_decision(r, written ? 0 : now);
        rc = check_against(r, err);
    }
    if (rc == 0)
        rc = mtnt__db_commit(db, err);
    if (rc != 0)
        mtnt__db_rollback(db);
    return rc;
}

static bool gone(int rc)
{
    return rc == MTNT_E_CONNECT || rc == MTNT_E_NOT_FOUND || rc == MTNT_E_FOREIGN || rc == MTNT_E_CORRUPT ||
           rc == MTNT_E_IO;
}

/* A decider that is gone, or is another database by now, is what a person answers for. */
static int decide(struct resolving *r, mtnt_error *err)
{
    mtnt_error own = MTNT_ERROR_INIT;
    mtnt_db *db = NULL;
    int rc;

    rc = mtnt__settle_open(&r->settlement, on_model(r), &db, &own);
    if (rc == 0)
        rc = r->resolution->only_look ? read_decision(r, db, &own) : write_decision(r, db, &own);
    mtnt__db_close(db);
    if (gone(rc))
        return 0;
    if (rc != 0 && err != NULL)
        *err = own;
    return rc;
}

/* ---- what is left ---- */

/* A side that is out of reach keeps its prepared transaction; the janitor finishes it by the register. */
static int finish_prepared(struct resolving *r, mtnt_error *err)
{
    char gid[MTNT__GID_SIZE];
    mtnt_error own = MTNT_ERROR_INIT;
    mtnt_db *db = NULL;
    int rc;

    mtnt__gid(r->controller, r->model, r->known->migration, gid);
    rc = mtnt__settle_open(&r->settlement, !on_model(r), &db, &own);
    if (rc == 0)
        rc = mtnt__db_finish_prepared(db, gid, r->word == MTNT__OUTCOME_COMMIT, &own);
    mtnt__db_close(db);
    r->resolved->finished = rc == 0;
    if (rc == 0 || gone(rc))
        return 0;
    if (err != NULL)
        *err = own;
    return rc;
}

static int finish(struct resolving *r, mtnt_error *err)
{
    if (r->resolution->only_look || r->word == 0)
        return 0;
    if (r->settlement.mode == MTNT__MODE_TWO_PHASE)
        return finish_prepared(r, err);
    if (r->settlement.mode == MTNT__MODE_PROVISIONAL && r->word == MTNT__OUTCOME_ABORT)
        return mtnt__provision_remove(r->controller, r->model, r->known->migration, err);
    return 0;
}

static int write_end(struct resolving *r, mtnt_error *err)
{
    const mtnt__audit audit = {r->known->state, r->resolution->who, r->resolution->reason, NULL};
    mtnt__audited audited = {.identity = {.known = false}};
    mtnt_error said = MTNT_ERROR_INIT;
    mtnt__end end = {.tenant = mtnt_model_id(r->model),
                     .migration = r->known->migration,
                     .state = r->to,
                     .placed = mtnt__model_key(r->model),
                     .finished_ms = r->controller->system->wall_ms(r->controller->system->data)};
    int rc;

    if (r->word != 0 && mtnt__audit_look(r->controller, r->chain, r->model, r->known, &audited, NULL) == 0) {
        end.position = audited.position;
        end.moved = r->resolved->located = audited.identity.known || end.position.version > 0;
        end.uuid = audited.identity.uuid[0] == '\0' ? NULL : audited.identity.uuid;
        r->resolved->at_version = end.position.version;
        /* What a person says is in step is known from now on. */
        end.ahead = r->word == MTNT__OUTCOME_COMMIT ? &audited.ahead : NULL;
    }
    if (r->to != MTNT__STATE_COMMITTED) {
        mtnt_error_set(&said, MTNT_E_CANCELLED, "resolved as %s by %s", r->word == 0 ? "retry" : "aborted",
                       r->resolution->who);
        end.error = &said;
    }
    rc =
        r->resolution->only_look ? 0 : mtnt__store_resolve(r->controller, mtnt_chain_name(r->chain), &end, &audit, err);
    mtnt__audited_release(&audited);
    return rc;
}

int mtnt__resolve(mtnt_controller *controller, const mtnt_chain *chain, const mtnt_model *model,
                  const mtnt_resolution *resolution, const mtnt__known *known, mtnt_resolved *ret_resolved,
                  mtnt_error *err)
{
    struct resolving r = {.controller = controller,
                          .chain = chain,
                          .model = model,
                          .resolution = resolution,
                          .known = known,
                          .resolved = ret_resolved};
    int rc = check_state(&r, err);

    if (rc == 0)
        rc = mtnt__store_unended(controller, known->migration, &r.unended, err);
    if (rc != 0)
        return rc;
    r.word = resolution->word == MTNT_WORD_COMMITTED ? MTNT__OUTCOME_COMMIT
             : resolution->word == MTNT_WORD_ABORTED ? MTNT__OUTCOME_ABORT
                                                     : 0;
    r.settlement = (mtnt__settlement){.controller = controller,
                                      .model = model,
                                      .migration = known->migration,
                                      .mode = mtnt__mode_parse(r.unended.mode, r.unended.decider),
                                      .decider = r.unended.decider,
                                      .home = r.unended.home};
    mtnt__text_copy(ret_resolved->migration, sizeof(ret_resolved->migration), known->migration);
    mtnt__text_copy(ret_resolved->from, sizeof(ret_resolved->from), known->state);
    mtnt__text_copy(ret_resolved->to, sizeof(ret_resolved->to), mtnt__migration_state_name(r.to));
    if (r.from == MTNT__STATE_ROLLBACK_FAILED)
        ret_resolved->asked = true;
    else
        rc = decide(&r, err);
    if (rc == 0)
        rc = finish(&r, err);
    return rc == 0 ? write_end(&r, err) : rc;
}
