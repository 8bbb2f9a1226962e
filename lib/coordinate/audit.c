/* A model and its controller, compared by the migrations that the model holds: opened to be read, and written down where the controller is behind. */
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "coordinate/audit.h"
#include "coordinate/task.h"

void mtnt__audited_release(mtnt__audited *audited)
{
    mtnt__ahead_release(&audited->ahead);
}

int mtnt__audit_look(mtnt_controller *controller, const mtnt_chain *chain, const mtnt_model *model,
                     const mtnt__known *known, mtnt__audited *ret_audited, mtnt_error *err)
{
    const mtnt__expected expected = {mtnt_model_id(model), controller->id, known->uuid};
    mtnt__db_options options = mtnt__side_options(controller, model);
    mtnt__previous previous = {0};
    mtnt__applied applied = {0};
    mtnt__audited audited = {.identity = {.known = false}};
    mtnt_db *db = NULL;
    int rc;

    options.read_only = true;
    rc = mtnt__db_open(&db, mtnt__model_dsn(model), &options, err);
    if (rc == 0)
        rc = mtnt__db_begin(db, err);
    if (rc == 0)
        rc = mtnt__model_state_read(db, chain, &expected, &audited.identity, &applied, err);
    if (rc == 0)
        rc = mtnt__store_previous(controller, mtnt_chain_name(chain), model, &previous, err);
    if (rc == 0)
        rc = mtnt__previous_add_applied(&previous, &applied, err);
    if (rc == 0)
        rc = mtnt__position_of(&applied, chain, &audited.position, err);
    if (rc == 0 && audited.identity.known)
        rc = mtnt__ahead_look(db, controller->db, chain, &applied, known->digest, &audited.ahead, err);
    mtnt__db_close(db);
    mtnt__previous_release(&previous);
    mtnt__applied_release(&applied);
    if (rc != 0)
        mtnt__audited_release(&audited);
    else
        *ret_audited = audited;
    return rc;
}

static int claim(mtnt_controller *controller, const mtnt_chain *chain, const mtnt_model *model,
                 const mtnt__known *known, mtnt__claim *ret_claim, mtnt_error *err)
{
    mtnt__claim *claims[] = {ret_claim};
    int rc;

    *ret_claim = (mtnt__claim){.model = model,
                               .mode = mtnt__mode_name(MTNT__MODE_SINGLE_MODEL),
                               .decider = "model",
                               .home = known->uuid,
                               .as_seen = true,
                               .seen = known->epoch};
    rc = mtnt__random_id(controller->system, ret_claim->migration, err);
    if (rc == 0)
        rc = mtnt__store_claim(controller, mtnt_chain_name(chain), claims, 1,
                               mtnt__lease_ms(&(mtnt_migration_options)MTNT_MIGRATION_OPTIONS_INIT), err);
    if (rc == 0 && !ret_claim->claimed) {
        rc = mtnt_error_set(err, MTNT_E_BUSY, "tenant %s: another process has taken it meanwhile; run it again",
                            mtnt_model_id(model));
        if (err != NULL)
            err->retryable = true;
    }
    return rc;
}

/* As an attempt that has found the same: its migration ends with nothing done, or stays for a person. */
static int write_down(mtnt_controller *controller, const mtnt_chain *chain, const mtnt_model *model,
                      const mtnt__known *known, const mtnt__audited *audited, mtnt_error *err)
{
    bool parted = audited->ahead.both > 0;
    mtnt_error why = MTNT_ERROR_INIT;
    mtnt__claim claimed;
    mtnt__end end;
    int rc = claim(controller, chain, model, known, &claimed, err);

    if (rc != 0)
        return rc;
    if (parted)
        mtnt__ahead_explain(&audited->ahead, mtnt_model_id(model), &why);
    end = (mtnt__end){
        .tenant = mtnt_model_id(model),
        .migration = claimed.migration,
        .epoch = claimed.epoch,
        .state = mtnt__migration_move(MTNT__STATE_EXECUTING, parted ? MTNT__EVENT_DISAGREE : MTNT__EVENT_ABORT),
        .moved = !parted,
        .position = audited->position,
        .placed = mtnt__model_key(model),
        .uuid = audited->identity.uuid,
        .error = parted ? &why : NULL,
        .ahead = parted ? NULL : &audited->ahead,
        .finished_ms = controller->system->wall_ms(controller->system->data)};
    mtnt__previous_release(&claimed.previous);
    return mtnt__store_finish(controller, mtnt_chain_name(chain), &end, 1, err);
}

static int fill(const mtnt__audited *audited, const mtnt_model *model, mtnt_audit *ret_audit, mtnt_error *err)
{
    const mtnt__ahead *ahead = &audited->ahead;

    ret_audit->migrations = ahead->count;
    ret_audit->version = audited->position.version;
    ret_audit->verdict = ahead->both > 0    ? MTNT_AUDIT_OUT_OF_STEP
                         : ahead->count > 0 ? MTNT_AUDIT_AHEAD
                                            : MTNT_AUDIT_AGREES;
    return ahead->both > 0 ? mtnt__ahead_explain(ahead, mtnt_model_id(model), err) : 0;
}

int mtnt_audit_model(mtnt_controller *controller, const mtnt_chain *chain, const mtnt_model *model,
                     mtnt_audit *ret_audit, mtnt_error *err)
{
    mtnt__audited audited = {.identity = {.known = false}};
    mtnt_error own = MTNT_ERROR_INIT;
    mtnt__known known;
    int rc;

    *ret_audit = (mtnt_audit){.verdict = MTNT_AUDIT_AGREES};
    chain = mtnt__chain_first_lane(chain);
    rc = mtnt__store_select(controller, mtnt_chain_name(chain), &model, 1, &known, err);
    if (rc != 0 || known.gone)
        return rc;
    if (!mtnt__known_idle(&known)) {
        ret_audit->verdict = MTNT_AUDIT_UNSETTLED;
        return 0;
    }
    rc = mtnt__audit_look(controller, chain, model, &known, &audited, &own);
    if (rc == MTNT_E_NOT_FOUND && known.uuid[0] == '\0')
        return 0; /* yet to be made */
    if (rc == 0 && audited.ahead.count > 0)
        rc = write_down(controller, chain, model, &known, &audited, &own);
    if (rc == 0)
        (void)fill(&audited, model, ret_audit, err);
    else if (err != NULL)
        *err = own;
    mtnt__audited_release(&audited);
    return rc;
}
