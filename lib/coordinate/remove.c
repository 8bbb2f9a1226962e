/* Models that are put away, put back, and removed for good. A removal is asked for by an operation, decided in the controller with its row of
 * mtnt_removal, and done by renaming the model to its tombstone. What a crash leaves:
 *   before the decision       no row, the model at its name: nothing happened
 *   decided, not renamed      row, the model at its name or at the tombstone: mtnt__remove_finish, from the register
 *   renamed                   row, tombstone: nothing but the migration's state is to be written
 *   time over                 removing_ms, then the object, then removed_ms: each step is safe to repeat
 * Putting back is the same the other way round; restored_by and removing_ms exclude each other in the controller. */
#include <stdlib.h>
#include <string.h>

#include "base/files.h"
#include "base/text.h"
#include "coordinate/tombstone.h"

#define FINISH_TRIES 4

/* ---- what operations ask for ---- */

int mtnt__remove_model(void *data, int64_t grace_ms, mtnt_error *err)
{
    mtnt__attempt *attempt = data;

    if (attempt->mode != MTNT__MODE_TOMBSTONE || attempt->claim->backward)
        return mtnt_error_set(
            err, MTNT_E_INVALID,
            "only execute of an operation with the flag MTNT_OPERATION_DELETES_MODEL may put the model away");
    attempt->removes = true;
    attempt->grace_ms = grace_ms;
    return 0;
}

int mtnt__restore_model(void *data, mtnt_error *err)
{
    mtnt__attempt *attempt = data;

    /* The rollback of one that has not committed: there is nothing to put back. */
    if (!attempt->claim->backward) {
        attempt->removes = false;
        return 0;
    }
    if (attempt->mode != MTNT__MODE_TOMBSTONE)
        return mtnt_error_set(err, MTNT_E_INVALID, "this model has not been put away");
    attempt->restores = true;
    return 0;
}

/* ---- before any work ---- */

struct gids {
    const mtnt_controller *controller;
    const mtnt_model *model;
    char ours[8][MTNT__ID_SIZE]; /* migrations */
    size_t our_count;
    mtnt__buffer others;
};

static int read_gid(void *data, const mtnt_row *row, mtnt_error *err)
{
    struct gids *gids = data;
    const char *gid = mtnt_row_text(row, 0), *last = gid == NULL ? NULL : strrchr(gid, ':');
    char whole[MTNT__GID_SIZE] = "";

    (void)err;
    if (last == NULL)
        last = "";
    mtnt__gid(gids->controller, gids->model, last[0] == ':' ? last + 1 : last, whole);
    if (gid != NULL && strcmp(gid, whole) == 0 && strlen(last + 1) == MTNT__ID_SIZE - 1) {
        if (gids->our_count < sizeof(gids->ours) / sizeof(*gids->ours))
            mtnt__text_copy(gids->ours[gids->our_count++], MTNT__ID_SIZE, last + 1);
    } else if (gids->model->schema == NULL) {
        /* Those of a database that many tenants share are the others' business. */
        mtnt__buffer_add_format(&gids->others, "%s%s", gids->others.length > 0 ? ", " : "", gid == NULL ? "?" : gid);
    }
    return 0;
}

static int settle_one(mtnt__attempt *attempt, const char *migration, mtnt_error *err)
{
    mtnt__settlement settlement = {.controller = attempt->link->controller,
                                   .model = attempt->claim->model,
                                   .migration = migration,
                                   .options = attempt->options,
                                   .gate = attempt->link->gate};
    mtnt__migration_event event;
    mtnt__unended unended;
    int rc = mtnt__store_unended_by(attempt->controller, migration, &unended, err);

    if (rc != 0)
        return mtnt_error_wrap(err, "something is prepared in the model's database. First   mtnt-model recover");
    settlement.mode = mtnt__mode_parse(unended.mode, unended.decider);
    settlement.decider = unended.decider;
    return mtnt__settle(&settlement, &event, err);
}

int mtnt__remove_settle_prepared(mtnt__attempt *attempt, mtnt_error *err)
{
    struct gids gids = {.controller = attempt->link->controller, .model = attempt->claim->model};
    int rc = 0;

    if (attempt->claim->model->backend != MTNT_POSTGRES)
        return 0;
    rc = mtnt__db_run(attempt->model, read_gid, &gids, err,
                      "SELECT gid FROM pg_catalog.pg_prepared_xacts WHERE database = current_database()", NULL);
    for (size_t i = 0; i < gids.our_count && rc == 0; i++)
        rc = settle_one(attempt, gids.ours[i], err);
    if (rc == 0 && gids.others.length > 0)
        rc = mtnt_error_set(
            err, MTNT_E_REFUSED,
            "transactions that are not ours are prepared in its database: %s. Have them committed or rolled back "
            "by whoever prepared them, then try again. Nothing was changed",
            mtnt__buffer_text(&gids.others));
    mtnt__buffer_release(&gids.others);
    return rc;
}

int mtnt__remove_check(mtnt__attempt *attempt, mtnt_error *err)
{
    const mtnt_controller *controller = attempt->link->controller;
    const mtnt_model *model = attempt->claim->model;
    mtnt__place place = {0};
    bool owns = false;
    int rc = mtnt__place_check(attempt->model, controller, model, attempt->identity.uuid, err);

    if (rc == 0)
        rc = mtnt__removal_owns(attempt->controller, mtnt_model_id(model), attempt->identity.uuid, &owns, err);
    if (rc == 0 && !owns)
        rc = mtnt_error_set(
            err, MTNT_E_FOREIGN,
            "this controller does not know the model %.8s as tenant %s's: it is not ours to take away. Nothing "
            "was changed",
            attempt->identity.uuid, mtnt_model_id(model));
    if (rc == 0)
        rc = mtnt__place_init(&place, controller, model, attempt->claim->backward ? attempt->known.gone_by : NULL, err);
    if (rc == 0 && model->backend == MTNT_POSTGRES && model->schema == NULL)
        rc = mtnt__place_check_alone(attempt->model, controller->system, place.text, err);
    mtnt__place_release(&place);
    return rc == 0 ? 0 : mtnt_error_wrap(err, "the model %s", model->shown);
}

static void describe_removal(const mtnt__removal *removal, const mtnt_model *model, mtnt_error *err)
{
    char when[MTNT__TIME_SIZE];

    mtnt__time_text(removal->removed_ms != 0 ? removal->removed_ms : removal->remove_after_ms, when);
    if (removal->removed_ms != 0)
        mtnt_error_set(err, MTNT_E_NOT_FOUND,
                       "its model %s was removed for good on %s, by migration %s of chain %s. Nothing was changed",
                       model->shown, when, removal->migration, removal->chain);
    else
        mtnt_error_set(
            err, MTNT_E_NOT_FOUND,
            "its model %s was put away by migration %s of chain %s, and stands at %s until %s: `rewind --steps 1` of that "
            "chain puts it back. Nothing was changed",
            model->shown, removal->migration, removal->chain, removal->tombstone, when);
}

int mtnt__remove_explain(mtnt_db *db, const mtnt_model *model, const char *uuid, mtnt_error *err)
{
    mtnt__removal removal;

    if (mtnt__removal_of_tenant(db, mtnt_model_id(model), mtnt__model_key(model), &removal, NULL) != 0)
        return 0;
    if (uuid[0] != '\0' && strcmp(uuid, removal.uuid) != 0)
        return 0;
    describe_removal(&removal, model, err);
    return MTNT_E_NOT_FOUND;
}

/* ---- the decision ---- */

static int put(mtnt__attempt *attempt, mtnt_error *err)
{
    const mtnt_model *model = attempt->claim->model;
    mtnt__removal removal = {.position = attempt->position};
    mtnt__place place = {0};
    int rc = mtnt__place_init(&place, attempt->link->controller, model, attempt->claim->migration, err);

    if (rc == 0) {
        mtnt__text_copy(removal.migration, sizeof(removal.migration), attempt->claim->migration);
        mtnt__text_copy(removal.chain, sizeof(removal.chain), mtnt_chain_name(attempt->chain));
        mtnt__text_copy(removal.tenant, sizeof(removal.tenant), mtnt_model_id(model));
        mtnt__text_copy(removal.placed, sizeof(removal.placed), mtnt__model_key(model));
        mtnt__text_copy(removal.uuid, sizeof(removal.uuid), attempt->identity.uuid);
        mtnt__text_copy(removal.tombstone, sizeof(removal.tombstone), place.text);
        rc = mtnt__removal_put(attempt->controller, &removal, attempt->grace_ms, err);
    }
    mtnt__place_release(&place);
    return rc;
}

int mtnt__remove_record(mtnt__attempt *attempt, mtnt_error *err)
{
    const char *name = attempt->steps[attempt->count - 1].entry->name;

    if (attempt->claim->backward ? !attempt->restores : !attempt->removes)
        return mtnt_error_set(err, MTNT_E_INVALID,
                              "operation %s has the flag MTNT_OPERATION_DELETES_MODEL, and has not called %s", name,
                              attempt->claim->backward ? "mtnt_scope_restore_model" : "mtnt_scope_remove_model");
    if (attempt->claim->backward)
        return mtnt__removal_take_back(attempt->controller, attempt->known.gone_by, attempt->claim->migration, err);
    return put(attempt, err);
}

/* ---- after it ---- */

static int find_removal(const mtnt_controller *controller, const char *migration, mtnt__removal *ret_removal,
                        mtnt_error *err)
{
    mtnt__db_options options = mtnt__side_options(controller, NULL);
    mtnt_db *db = NULL;
    int rc;

    options.read_only = true;
    rc = mtnt__db_open(&db, controller->dsn, &options, err);
    if (rc == 0)
        rc = mtnt__removal_find(db, migration, ret_removal, err);
    mtnt__db_close(db);
    if (rc == MTNT_E_NOT_FOUND)
        rc = mtnt_error_set(err, MTNT_E_CORRUPT,
                            "migration %s is committed, and the controller does not say what it put where", migration);
    return rc;
}

static int refuse_foreign(const mtnt__renaming *renaming, const mtnt__place *place, mtnt_error *err)
{
    if (renaming->back)
        return mtnt_error_set(
            err, MTNT_E_BLOCKED,
            "the model is to be put back, but something else has appeared at %s meanwhile. Both are kept (ours "
            "under the name that ends with gone-%s): move the other one away, then   mtnt-model recover",
            place->text, renaming->migration);
    return mtnt_error_set(
        err, MTNT_E_BLOCKED,
        "it was decided to put the model away, but what stands at %s is not that model, and it has no tombstone. "
        "Put it back there, then   mtnt-model recover",
        place->text);
}

/* A rename of ours that was cut off, on a file system where it takes two steps. */
static int drop_second_name(const mtnt__place *from, const mtnt__place *to, mtnt_error *err)
{
    int rc = 0;

    if (from->model->backend != MTNT_SQLITE)
        return 0;
    if (mtnt__file_same(from->text, to->text))
        rc = mtnt__file_remove(from->text, err);
    return rc == 0 ? mtnt__folder_sync_of(to->text, err) : rc;
}

/* One try. BUSY (retryable): somebody else is at it. */
static int finish_once(mtnt__renaming *renaming, const mtnt__place *from, const mtnt__place *to, bool *ret_done,
                       mtnt_error *err)
{
    mtnt__found at_to = 0, at_from = 0;
    int rc = mtnt__place_look(renaming->controller, to, renaming->uuid, &at_to, err);

    if (rc == 0 && at_to == MTNT__FOUND_OURS) {
        *ret_done = true;
        return drop_second_name(from, to, err);
    }
    if (rc == 0)
        rc = mtnt__place_look(renaming->controller, from, renaming->uuid, &at_from, err);
    if (rc != 0)
        return rc;
    if (at_to == MTNT__FOUND_FOREIGN)
        return refuse_foreign(renaming, to, err);
    if (at_from == MTNT__FOUND_FOREIGN)
        return refuse_foreign(renaming, from, err);
    if (at_from == MTNT__FOUND_NOTHING)
        return mtnt_error_set(err, MTNT_E_NOT_FOUND, "the model is neither at %s nor at %s", from->text, to->text);
    rc = mtnt__renaming_begin(renaming, err);
    if (rc == 0)
        rc = mtnt__renaming_end(renaming, err);
    *ret_done = rc == 0;
    return rc;
}

int mtnt__remove_finish(const mtnt_controller *controller, const mtnt_model *model, const char *migration,
                        mtnt_error *err)
{
    mtnt__removal removal = {0};
    mtnt__renaming renaming = {.controller = controller, .model = model};
    mtnt__place own = {0}, tombstone = {0};
    mtnt_error last = MTNT_ERROR_INIT;
    bool done = false;
    int rc = find_removal(controller, migration, &removal, &last);

    renaming.migration = removal.migration;
    renaming.uuid = removal.uuid;
    renaming.back = strcmp(removal.restored_by, migration) == 0;
    /* It has been seen through before: nothing is removed earlier. */
    done = rc == 0 && !renaming.back && (removal.removing_ms != 0 || removal.restored_by[0] != '\0');
    if (rc == 0)
        rc = mtnt__place_init(&own, controller, model, NULL, &last);
    if (rc == 0)
        rc = mtnt__place_init(&tombstone, controller, model, removal.migration, &last);
    /* Another recoverer, or the worker itself, may be quicker at any point: then the next look shows it. */
    for (int tries = 0; rc == 0 && !done && tries < FINISH_TRIES; tries++) {
        mtnt_error_clear(&last);
        rc = finish_once(&renaming, renaming.back ? &tombstone : &own, renaming.back ? &own : &tombstone, &done, &last);
        if ((rc == MTNT_E_NOT_FOUND || rc == MTNT_E_EXISTS || rc == MTNT_E_FOREIGN) && tries + 1 < FINISH_TRIES)
            rc = 0;
    }
    mtnt__place_release(&own);
    mtnt__place_release(&tombstone);
    if (rc != 0 && err != NULL)
        *err = last;
    return rc;
}

/* ---- removing for good ---- */

static int remove_tombstone(const mtnt_controller *controller, const mtnt_model *model, const mtnt__removal *removal,
                            mtnt_error *err)
{
    mtnt__found found = 0;
    mtnt__place place = {0};
    int rc = mtnt__place_init(&place, controller, model, removal->migration, err);

    if (rc == 0)
        rc = mtnt__place_look(controller, &place, removal->uuid, &found, err);
    if (rc == 0 && found == MTNT__FOUND_FOREIGN)
        rc = mtnt_error_set(err, MTNT_E_BLOCKED,
                            "what stands at %s is not the model that was put there: it is kept. Move it away, then   "
                            "mtnt-model recover",
                            place.text);
    if (rc == 0)
        rc = mtnt__place_remove(controller, &place, removal->uuid, err);
    /* Proven, and not only done. */
    if (rc == 0)
        rc = mtnt__place_look(controller, &place, removal->uuid, &found, err);
    if (rc == 0 && found != MTNT__FOUND_NOTHING)
        rc = mtnt_error_set(err, MTNT_E_BUSY, "%s is still there", place.text);
    mtnt__place_release(&place);
    return rc;
}

static int remove_one(mtnt_controller *controller, const mtnt_model *model, const mtnt__removal *removal,
                      mtnt__gate *gate, mtnt_error *err)
{
    int rc;

    if (strcmp(removal->placed, mtnt__model_key(model)) != 0)
        return mtnt_error_set(
            err, MTNT_E_BLOCKED,
            "it stood somewhere else than %s when it was put away. Point the tenant back to where it was",
            model->shown);
    mtnt__gate_enter(gate);
    rc = mtnt__removal_begin(controller->db, removal->migration, err);
    mtnt__gate_leave(gate);
    if (rc == 0)
        rc = remove_tombstone(controller, model, removal, err);
    if (rc != 0)
        return rc;
    mtnt__gate_enter(gate);
    rc = mtnt__removal_end(controller->db, removal->migration, err);
    mtnt__gate_leave(gate);
    return rc;
}

int mtnt__remove_due(mtnt_controller *controller, const mtnt_chain *chain, const mtnt_model *model, mtnt__gate *gate,
                     bool *ret_removed, mtnt_error *err)
{
    mtnt_error own = MTNT_ERROR_INIT;
    mtnt__removal removal;
    int rc = mtnt__removal_due(controller->db, mtnt_chain_name(chain), mtnt_model_id(model), &removal, &own);

    if (rc == MTNT_E_NOT_FOUND)
        return 0;
    if (rc == 0)
        rc = remove_one(controller, model, &removal, gate, &own);
    if (rc == 0)
        *ret_removed = true;
    if (rc != 0) {
        mtnt_error_wrap(&own, "tenant %s: its model, put away and due to be removed", mtnt_model_id(model));
        if (err != NULL)
            *err = own;
    }
    return rc;
}
