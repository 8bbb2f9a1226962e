/* A model that bears another controller's identity becomes ours: one transaction on the model, which decides. What it says of applied operations stays; the
 * controller's rows follow from it. A crash before the commit leaves it the other one's, and the recovery's abort row keeps it so. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "coordinate/attempt.h"
#include "state/tables.h"

#define GID_TENANT_SIZE 100 /* as mtnt__gid has it */
#define ID_LENGTH (MTNT__ID_SIZE - 1)

int mtnt__adoption_check(const mtnt_adoption *adoption, mtnt_error *err)
{
    if (adoption->version != MTNT_ADOPTION_VERSION)
        return mtnt_error_set(err, MTNT_E_INVALID, "mtnt_adoption of version %u; initialise it with MTNT_ADOPTION_INIT",
                              (unsigned)adoption->version);
    if (adoption->who == NULL || adoption->who[0] == '\0')
        return mtnt_error_set(err, MTNT_E_INVALID, "a takeover needs to say who wants it");
    if (strlen(adoption->who) > 255 || (adoption->reason != NULL && strlen(adoption->reason) > 255))
        return mtnt_error_set(err, MTNT_E_INVALID, "who takes a model over, and why, take up to 255 bytes each");
    return 0;
}

void mtnt__controller_text(const char *id, char ret_text[MTNT__CONTROLLER_TEXT_SIZE])
{
    snprintf(ret_text, MTNT__CONTROLLER_TEXT_SIZE, "controller %.*s", ID_LENGTH, id);
}

/* ---- what stands against it ---- */

static bool ends_with_id_after(const char *name, const char *mark)
{
    size_t length = strlen(name), before = strlen(mark);

    return length >= before + ID_LENGTH && strspn(name + length - ID_LENGTH, "0123456789abcdef") == (size_t)ID_LENGTH &&
           strncmp(name + length - ID_LENGTH - before, mark, before) == 0;
}

/* One that somebody is making, or has put away, is in the middle of a migration. */
static int check_name(const mtnt_model *model, mtnt_error *err)
{
    const char *path = mtnt__dsn_sqlite_path(mtnt__model_dsn(model));
    char *database = path == NULL ? mtnt__dsn_database(mtnt__model_dsn(model)) : NULL;
    const char *name = path != NULL ? path : model->schema != NULL ? model->schema : database;
    bool gone = name != NULL && ends_with_id_after(name, path != NULL ? ".mtnt-gone-" : "mtnt_gone_");
    bool new = name != NULL &&ends_with_id_after(name, path != NULL ? ".mtnt-new-" : "mtnt_new_");

    free(database);
    if (!gone && !new)
        return 0;
    return mtnt_error_set(err, MTNT_E_REFUSED,
                          "%s is a model that its controller has %s: let it %s there first. Nothing was changed",
                          model->shown, gone ? "put away" : "not finished making",
                          gone ? "be put back (rewind --steps 1)" : "be finished, or removed (recover)");
}

struct gids {
    const char *ours;   /* the first part of our own */
    const char *tenant; /* only of this one; NULL = any */
    mtnt__buffer list;
    int count;
};

/* mtnt:<controller8>:<tenant>:<migration> */
static int read_gid(void *data, const mtnt_row *row, mtnt_error *err)
{
    struct gids *gids = data;
    const char *gid = mtnt_row_text(row, 0);
    size_t length = gid == NULL ? 0 : strlen(gid), head = sizeof("mtnt:12345678:") - 1;
    char tenant[GID_TENANT_SIZE];

    (void)err;
    if (length < head + 1 + ID_LENGTH || strncmp(gid, gids->ours, head) == 0)
        return 0;
    if (gids->tenant != NULL) {
        mtnt__text_copy(tenant, sizeof(tenant), gids->tenant);
        if (strlen(tenant) != length - head - 1 - ID_LENGTH || strncmp(gid + head, tenant, strlen(tenant)) != 0)
            return 0;
    }
    if (gids->count++ < 3)
        mtnt__buffer_add_format(&gids->list, "%s%s", gids->count > 1 ? ", " : "", gid);
    return 0;
}

/* They hold the model's lock, so no more than those that are there before it is had can be: asked for before. Without one that is held, none. */
static int check_prepared(mtnt_db *db, const mtnt_controller *controller, const mtnt_model *model,
                          const mtnt_adoption *adoption, mtnt_error *err)
{
    char ours[32];
    struct gids gids = {.ours = ours};
    int rc;

    if (model->backend != MTNT_POSTGRES)
        return 0;
    snprintf(ours, sizeof(ours), "mtnt:%.8s:", controller->id);
    /* Tenants that are schemas share a database. */
    if (model->schema != NULL && !adoption->as_renamed)
        gids.tenant = mtnt_model_id(model);
    rc = mtnt__db_run(db, read_gid, &gids, err,
                      "SELECT gid FROM pg_catalog.pg_prepared_xacts WHERE database = current_database() "
                      "AND starts_with(gid, 'mtnt:') ORDER BY prepared",
                      NULL);
    if (rc == 0 && gids.count > 0)
        rc = mtnt_error_set(
            err, MTNT_E_REFUSED,
            "a migration of the other controller is unfinished in its model: %s %s prepared there. Have it settled by the "
            "controller that it belongs to:   mtnt-model recover   there. Nothing was changed",
            mtnt__buffer_text(&gids.list), gids.count == 1 ? "is" : "are");
    mtnt__buffer_release(&gids.list);
    return rc;
}

struct states {
    char chain[128], state[24], migration[MTNT__ID_SIZE];
};

static int read_state(void *data, const mtnt_row *row, mtnt_error *err)
{
    struct states *states = data;

    (void)err;
    if (states->state[0] != '\0')
        return 0;
    mtnt__text_copy(states->chain, sizeof(states->chain), mtnt_row_text(row, 0));
    mtnt__text_copy(states->state, sizeof(states->state), mtnt_row_text(row, 1));
    mtnt__text_copy(states->migration, sizeof(states->migration),
                    mtnt_row_text(row, 2) == NULL ? "" : mtnt_row_text(row, 2));
    return 0;
}

static int ask_other(mtnt_db *other, const char *shown, const mtnt__bearer *bearer, mtnt_error *err)
{
    const mtnt_value values[] = {mtnt_value_text(bearer->tenant), mtnt_value_end()};
    char id[MTNT__ID_SIZE];
    struct states found = {.state = ""};
    int rc = mtnt__meta_get(other, "controller", id, sizeof(id), err);

    if (rc == 0 && strcmp(id, bearer->identity.controller) != 0)
        return mtnt_error_set(
            err, MTNT_E_FOREIGN,
            "its model bears controller %.8s…, and %s is %.8s…: name the one that it bears with --from. "
            "Nothing was changed",
            bearer->identity.controller, shown, id);
    if (rc == 0)
        rc = mtnt__db_run(
            other, read_state, &found, err,
            "SELECT chain, state, migration FROM {schema}.mtnt_tenant WHERE tenant = $1 AND state <> 'idle' "
            "ORDER BY chain",
            values);
    if (rc == 0 && found.state[0] != '\0')
        rc = mtnt_error_set(
            err, MTNT_E_REFUSED,
            "the other controller (%s) is not done with it: tenant %s is %s there (migration %s, chain %s). Settle that there "
            "first:   mtnt-model recover --tenant %s   with that controller%s. Nothing was changed",
            shown, bearer->tenant, found.state, found.migration, found.chain, bearer->tenant,
            strcmp(found.state, "executing") == 0 || strcmp(found.state, "compensating") == 0 ? "" : ", or resolve");
    return rc;
}

/* Under the model's lock: a migration that the other one claims from now on waits for that, and meets a model that is not its own any more; what it
 * has claimed before is seen here. */
static int check_other(const mtnt_controller *controller, const mtnt_adoption *adoption, const mtnt__bearer *bearer,
                       mtnt_db **other, mtnt_error *err)
{
    mtnt__db_options options = mtnt__side_options(controller, NULL);
    char shown[MTNT__DSN_SHOWN_SIZE];
    mtnt_error own = MTNT_ERROR_INIT;
    int rc = 0;

    if (adoption->from == NULL)
        return 0;
    options.read_only = true;
    mtnt__dsn_redact(adoption->from, shown);
    if (*other == NULL)
        rc = mtnt__db_open(other, adoption->from, &options, &own);
    if (rc == 0)
        rc = mtnt__db_begin(*other, &own);
    if (rc == 0)
        rc = ask_other(*other, shown, bearer, &own);
    mtnt__db_rollback(*other);
    if (rc != 0 && rc != MTNT_E_REFUSED && rc != MTNT_E_FOREIGN) {
        mtnt__db_disconnect(*other);
        mtnt_error_wrap(&own, "the other controller (%s) cannot be asked", shown);
    }
    if (rc != 0 && err != NULL)
        *err = own;
    return rc;
}

static void note(mtnt_adopted *adopted, const mtnt__bearer *bearer)
{
    mtnt__text_copy(adopted->from, sizeof(adopted->from), bearer->identity.controller);
    mtnt__text_copy(adopted->tenant, sizeof(adopted->tenant), bearer->tenant);
    adopted->ours = bearer->ours;
}

/* ---- looking ---- */

static int look(mtnt_db *db, const mtnt_controller *controller, const mtnt_chain *chain, const mtnt_model *model,
                const mtnt_adoption *adoption, const mtnt__known *known, mtnt_adopted *ret_adopted, mtnt_error *err)
{
    const mtnt__expected expected = {mtnt_model_id(model), controller->id, known->uuid};
    mtnt__applied applied = {0};
    mtnt__bearer bearer;
    mtnt__position position;
    mtnt_db *other = NULL;
    int rc = check_prepared(db, controller, model, adoption, err);

    if (rc == 0)
        rc = mtnt__model_state_examine(db, chain, &expected, adoption->as_renamed, &bearer, &applied, err);
    if (rc == 0)
        note(ret_adopted, &bearer);
    if (rc == 0 && !bearer.ours)
        rc = check_other(controller, adoption, &bearer, &other, err);
    if (rc == 0)
        rc = mtnt__applied_check(&applied, chain, mtnt_model_id(model), true, err);
    if (rc == 0)
        rc = mtnt__position_of(&applied, chain, &position, err);
    if (rc == 0) {
        ret_adopted->version = position.version;
        ret_adopted->operations = applied.count;
    }
    mtnt__db_close(other);
    mtnt__applied_release(&applied);
    return rc;
}

int mtnt__adopt_look(const mtnt_controller *controller, const mtnt_chain *chain, const mtnt_model *model,
                     const mtnt_adoption *adoption, const mtnt__known *known, mtnt_adopted *ret_adopted,
                     mtnt_error *err)
{
    mtnt__db_options options = mtnt__side_options(controller, model);
    mtnt_db *db = NULL;
    int rc = check_name(model, err);

    options.read_only = true;
    if (rc == 0)
        rc = mtnt__db_open(&db, mtnt__model_dsn(model), &options, err);
    if (rc == 0)
        rc = mtnt__db_begin(db, err);
    if (rc == 0)
        rc = look(db, controller, chain, model, adoption, known, ret_adopted, err);
    mtnt__db_close(db);
    return rc;
}

/* ---- doing ---- */

/* What the other one has migrated is known here from now on, whatever it wrote: nothing of it is missed by an audit. */
static int look_over(mtnt__attempt *attempt, mtnt_error *err)
{
    mtnt_db *controller = NULL;
    int rc = mtnt__sides_look_at_controller(attempt, &controller, err);

    return rc != 0 ? rc : mtnt__ahead_look_over(attempt->model, controller, &attempt->ahead, err);
}

static int begin(mtnt__attempt *attempt, mtnt_error *err)
{
    const mtnt_controller *controller = attempt->link->controller;
    const mtnt_adoption *adoption = attempt->options->adoption;
    bool there = true;
    int rc = check_name(attempt->claim->model, err);

    if (rc == 0)
        rc = mtnt__sides_open(attempt, err);
    if (rc == 0)
        rc = check_prepared(attempt->model, controller, attempt->claim->model, adoption, err);
    if (rc == 0)
        rc = mtnt__sides_begin(attempt, err);
    if (rc == 0)
        rc = mtnt__attempt_look_for_schema(attempt, &there, err);
    if (rc == MTNT_E_NOT_FOUND || (rc == 0 && !there))
        rc = mtnt_error_set(
            err, MTNT_E_NOT_FOUND,
            "its model %s is not there, so there is nothing to take over. Has its controller put it away? "
            "Then put it back there first (rewind --steps 1)",
            attempt->claim->model->shown);
    return rc;
}

/* Where it stands, as after a migration of ours. */
static int locate(mtnt__attempt *attempt, mtnt_error *err)
{
    int rc = mtnt__applied_check(&attempt->applied, attempt->chain, mtnt_model_id(attempt->claim->model), true, err);

    attempt->adopted.operations = attempt->applied.count;
    /* Operations that wrote nothing but this controller are recorded here. */
    if (rc == 0)
        rc = mtnt__previous_add_applied(&attempt->claim->previous, &attempt->applied, err);
    if (rc == 0)
        rc = mtnt__position_of(&attempt->applied, attempt->chain, &attempt->position, err);
    if (rc != 0)
        return rc;
    attempt->before = attempt->position;
    attempt->from_version = attempt->adopted.version = attempt->position.version;
    attempt->positioned = true;
    return mtnt__attempt_tell_recorded(attempt, err);
}

static int write_mark(mtnt__attempt *attempt, const mtnt__expected *expected, mtnt_error *err)
{
    const mtnt_adoption *adoption = attempt->options->adoption;
    mtnt__takeover takeover = {.reason = ""};

    mtnt__text_copy(takeover.migration, sizeof(takeover.migration), attempt->claim->migration);
    mtnt__text_copy(takeover.from, sizeof(takeover.from), attempt->adopted.from);
    mtnt__text_copy(takeover.who, sizeof(takeover.who), adoption->who);
    if (adoption->reason != NULL)
        mtnt__text_copy(takeover.reason, sizeof(takeover.reason), adoption->reason);
    return mtnt__model_state_take_over(attempt->model, expected, &takeover, err);
}

static int run(mtnt__attempt *attempt, mtnt_error *err)
{
    const mtnt__expected expected = mtnt__attempt_expects(attempt);
    const mtnt_adoption *adoption = attempt->options->adoption;
    mtnt__bearer bearer;
    int rc = begin(attempt, err);

    if (rc == 0)
        rc = mtnt__model_state_examine(attempt->model, attempt->chain, &expected, adoption->as_renamed, &bearer,
                                       &attempt->applied, err);
    if (rc == 0) {
        note(&attempt->adopted, &bearer);
        attempt->identity = bearer.identity;
    }
    if (rc == 0 && !bearer.ours)
        rc = check_other(attempt->link->controller, adoption, &bearer, &attempt->link->other, err);
    if (rc == 0)
        rc = locate(attempt, err);
    if (rc == 0)
        rc = bearer.ours ? mtnt__attempt_look_ahead(attempt, err) : look_over(attempt, err);
    if (rc != 0)
        return rc;
    attempt->told = calloc(attempt->recorded_count + 1, sizeof(*attempt->told));
    if (attempt->told == NULL)
        return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
    if (bearer.ours) {
        attempt->verdict = MTNT__VERDICT_NOTHING;
        return 0;
    }
    rc = mtnt__backup_before(attempt, err);
    if (rc == 0)
        rc = write_mark(attempt, &expected, err);
    return rc == 0 ? mtnt__commit(attempt, err) : rc;
}

int mtnt__adopt_run(mtnt__attempt *attempt, mtnt_error *err)
{
    int rc;

    attempt->verdict = MTNT__VERDICT_FAILED;
    rc = run(attempt, err);
    /* Where a model stands that is another's is not ours to tell. */
    if (rc != 0) {
        attempt->positioned = false;
        mtnt__ahead_release(&attempt->ahead);
    }
    return rc;
}
