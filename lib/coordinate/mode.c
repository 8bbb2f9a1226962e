#include "coordinate/mode.h"

#include <string.h>

#include "db/database.h"

const char *mtnt__mode_name(mtnt__mode mode)
{
    switch (mode) {
    case MTNT__MODE_SINGLE_MODEL:
    case MTNT__MODE_SINGLE_CONTROLLER: return "single";
    case MTNT__MODE_SINGLE_TRANSACTION: return "single transaction";
    case MTNT__MODE_SUPER_JOURNAL: return "super-journal";
    case MTNT__MODE_TWO_PHASE: return "two-phase";
    case MTNT__MODE_PROVISIONAL: return "provisional";
    case MTNT__MODE_TOMBSTONE: return "tombstone";
    case MTNT__MODE_SAGA: return "saga";
    case MTNT__MODE_ADOPTION: return "adoption";
    }
    return "unknown";
}

const char *mtnt__mode_guarantee(mtnt__mode mode)
{
    switch (mode) {
    case MTNT__MODE_SINGLE_MODEL: return "atomic in each model (single)";
    case MTNT__MODE_SINGLE_CONTROLLER: return "atomic in the controller (single)";
    case MTNT__MODE_SINGLE_TRANSACTION: return "atomic across controller and model (single transaction)";
    case MTNT__MODE_SUPER_JOURNAL: return "atomic across controller and model (super-journal)";
    case MTNT__MODE_TWO_PHASE: return "atomic across controller and model (two-phase)";
    case MTNT__MODE_PROVISIONAL: return "a new model appears whole or not at all (provisional)";
    case MTNT__MODE_TOMBSTONE: return "a model goes when the controller says so, and can be put back (tombstone)";
    case MTNT__MODE_SAGA: return "step by step, taken back in reverse when one fails (saga)";
    case MTNT__MODE_ADOPTION: return "each model changes hands whole or not at all (adoption)";
    }
    return "unknown";
}

const char *mtnt__mode_decider(mtnt__mode mode, mtnt_backend controller, mtnt_backend model)
{
    if (mode == MTNT__MODE_SINGLE_MODEL || mode == MTNT__MODE_ADOPTION)
        return "model";
    if (mode == MTNT__MODE_TWO_PHASE && controller == MTNT_POSTGRES && model == MTNT_SQLITE)
        return "model";
    return "controller";
}

mtnt__mode mtnt__mode_parse(const char *name, const char *decider)
{
    for (mtnt__mode mode = MTNT__MODE_SINGLE_CONTROLLER; mode <= MTNT__MODE_ADOPTION; mode++)
        if (strcmp(name, mtnt__mode_name(mode)) == 0)
            return mode == MTNT__MODE_SINGLE_CONTROLLER && strcmp(decider, "model") == 0 ? MTNT__MODE_SINGLE_MODEL
                                                                                         : mode;
    return 0;
}

mtnt__mode mtnt__mode_choose(const mtnt_controller *controller, const mtnt_model *model, uint32_t writes,
                             bool provisional)
{
    const uint32_t both = MTNT_WRITES_MODEL | MTNT_WRITES_CONTROLLER;

    if (provisional)
        return MTNT__MODE_PROVISIONAL;
    if ((writes & both) != both)
        return (writes & MTNT_WRITES_CONTROLLER) != 0 ? MTNT__MODE_SINGLE_CONTROLLER : MTNT__MODE_SINGLE_MODEL;
    if (controller->backend == MTNT_SQLITE && model->backend == MTNT_SQLITE)
        return MTNT__MODE_SUPER_JOURNAL;
    if (controller->backend == MTNT_POSTGRES && model->schema != NULL &&
        mtnt__dsn_same_database(controller->dsn, mtnt__model_dsn(model)))
        return MTNT__MODE_SINGLE_TRANSACTION;
    return MTNT__MODE_TWO_PHASE;
}

uint32_t mtnt__mode_covers(mtnt__mode mode)
{
    if (mode == MTNT__MODE_SINGLE_MODEL || mode == MTNT__MODE_ADOPTION)
        return MTNT_WRITES_MODEL;
    if (mode == MTNT__MODE_SINGLE_CONTROLLER)
        return MTNT_WRITES_CONTROLLER;
    return MTNT_WRITES_MODEL | MTNT_WRITES_CONTROLLER;
}

bool mtnt__mode_writes_controller(mtnt__mode mode, uint32_t writes)
{
    return mode != MTNT__MODE_SINGLE_MODEL && mode != MTNT__MODE_ADOPTION &&
           (mode != MTNT__MODE_PROVISIONAL || (writes & MTNT_WRITES_CONTROLLER) != 0);
}
