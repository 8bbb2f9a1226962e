#include <inttypes.h>
#include <stdlib.h>

#include "coordinate/saga.h"

static const uint32_t both = MTNT_WRITES_MODEL | MTNT_WRITES_CONTROLLER;

bool mtnt__saga_asked(const mtnt_migration_options *options, const mtnt__chain_entry *entry)
{
    const uint32_t asking = MTNT_OPERATION_NO_TRANSACTION | MTNT_OPERATION_SAGA | MTNT_OPERATION_RETRIABLE;

    return (entry->flags & asking) != 0 || (options->mode == MTNT_MODE_SAGA && (entry->writes & both) == both);
}

bool mtnt__saga_expected(const mtnt_migration_options *options, const mtnt_chain *chain)
{
    for (size_t i = 0; i < chain->count; i++)
        if (!chain->entries[i].disabled && mtnt__saga_asked(options, chain->entries + i))
            return true;
    return false;
}

bool mtnt__saga_restorable(const mtnt__chain_entry *entry)
{
    const uint32_t others = MTNT_OPERATION_EXTERNAL | MTNT_OPERATION_CREATES_MODEL | MTNT_OPERATION_DELETES_MODEL;

    return entry->operation_class->rollback == NULL && entry->writes == MTNT_WRITES_MODEL &&
           (entry->flags & others) == 0;
}

static const mtnt__chain_entry *entry_at(const mtnt__attempt *attempt, size_t step)
{
    return attempt->steps[step].entry;
}

/* What a unit has to write for one of its operations: its sides, and where its record is. */
static uint32_t needs(const mtnt__attempt *attempt, size_t step)
{
    uint32_t record = attempt->steps[step].in_controller ? MTNT_WRITES_CONTROLLER : MTNT_WRITES_MODEL;

    return entry_at(attempt, step)->writes | record;
}

static mtnt__mode single(uint32_t needs)
{
    return needs == MTNT_WRITES_CONTROLLER ? MTNT__MODE_SINGLE_CONTROLLER : MTNT__MODE_SINGLE_MODEL;
}

static mtnt__mode choose(const mtnt__attempt *attempt, uint32_t writes)
{
    return mtnt__mode_choose(attempt->link->controller, attempt->claim->model, writes, false);
}

/* The two sides of one operation, each in a transaction of its own: the model's last, because it records what has become of the operation. */
static void add_halves(const mtnt__attempt *attempt, size_t step, mtnt__saga_units *units)
{
    const mtnt__saga_unit controller = {.first = step,
                                        .count = 1,
                                        .writes = MTNT_WRITES_CONTROLLER,
                                        .mode = MTNT__MODE_SINGLE_CONTROLLER,
                                        .retriable = (entry_at(attempt, step)->flags & MTNT_OPERATION_RETRIABLE) != 0,
                                        .half = true};
    mtnt__saga_unit model = controller;

    model.writes = MTNT_WRITES_MODEL;
    model.mode = MTNT__MODE_SINGLE_MODEL;
    model.half = false;
    units->units[units->count++] = controller;
    units->units[units->count++] = model;
}

static bool stands_by_itself(const mtnt__chain_entry *entry)
{
    return (entry->flags & (MTNT_OPERATION_NO_TRANSACTION | MTNT_OPERATION_SAGA | MTNT_OPERATION_RETRIABLE)) != 0;
}

static bool in_halves(const mtnt__attempt *attempt, const mtnt__chain_entry *entry)
{
    bool asked = (entry->flags & MTNT_OPERATION_SAGA) != 0 || attempt->options->mode == MTNT_MODE_SAGA;

    return asked && (entry->writes & both) == both && (entry->flags & MTNT_OPERATION_BY_SIDE) != 0 &&
           (entry->flags & MTNT_OPERATION_NO_TRANSACTION) == 0;
}

static bool joins(const mtnt__attempt *attempt, const mtnt__saga_units *units, size_t step)
{
    const mtnt__saga_unit *last = units->count == 0 ? NULL : units->units + units->count - 1;

    if (last == NULL || stands_by_itself(entry_at(attempt, step)) ||
        in_halves(attempt, entry_at(attempt, last->first)) || stands_by_itself(entry_at(attempt, last->first)))
        return false;
    /* With --mode saga a unit keeps to one side; otherwise it commits as a chain of its operations would. */
    return attempt->options->mode != MTNT_MODE_SAGA ||
           choose(attempt, last->writes | needs(attempt, step)) == last->mode;
}

static void add(const mtnt__attempt *attempt, size_t step, mtnt__saga_units *units)
{
    const mtnt__chain_entry *entry = entry_at(attempt, step);
    uint32_t sides = needs(attempt, step);
    mtnt__saga_unit *unit = units->units + units->count;

    if (in_halves(attempt, entry)) {
        add_halves(attempt, step, units);
        return;
    }
    if (joins(attempt, units, step)) {
        unit--;
        unit->count++;
        unit->writes |= sides;
        unit->mode = choose(attempt, unit->writes);
        return;
    }
    *unit = (mtnt__saga_unit){.first = step,
                              .count = 1,
                              .writes = sides,
                              .outside = (entry->flags & MTNT_OPERATION_NO_TRANSACTION) != 0,
                              .retriable = (entry->flags & MTNT_OPERATION_RETRIABLE) != 0};
    unit->mode = unit->outside ? single(attempt->steps[step].in_controller ? MTNT_WRITES_CONTROLLER : MTNT_WRITES_MODEL)
                               : choose(attempt, sides);
    if (unit->outside)
        unit->writes = entry->writes;
    units->count++;
}

/* ---- what is refused ---- */

static int refuse(const mtnt__chain_entry *entry, mtnt_error *err)
{
    return mtnt_error_at(err, entry->file, entry->line, 0);
}

static bool has_no_way_back(const mtnt__chain_entry *entry)
{
    bool leaves = entry->writes != MTNT_WRITES_NOTHING || (entry->flags & MTNT_OPERATION_EXTERNAL) != 0;

    return leaves && entry->operation_class->rollback == NULL && (entry->flags & MTNT_OPERATION_CREATES_MODEL) == 0;
}

/* A unit that goes forward only keeps what comes before it, the snapshots too. */
size_t mtnt__saga_snapshots(const mtnt__attempt *attempt, const mtnt__saga_units *units, size_t index,
                            size_t *ret_snapshots)
{
    size_t count = 0;

    for (size_t i = 0; i < index && !attempt->claim->backward && !units->units[index].retriable; i++) {
        const mtnt__saga_unit *unit = units->units + i;

        if (unit->retriable)
            count = 0;
        else if ((entry_at(attempt, unit->first)->flags & MTNT_OPERATION_SNAPSHOT) != 0)
            ret_snapshots[count++] = attempt->plan[unit->first];
    }
    return count;
}

static bool is_restored(const mtnt__attempt *attempt, const mtnt__saga_units *units, size_t index,
                        const mtnt__chain_entry *entry)
{
    if (!mtnt__saga_restorable(entry))
        return false;
    for (size_t i = index; i > 0 && !units->units[i - 1].retriable; i--)
        if ((entry_at(attempt, units->units[i - 1].first)->flags & MTNT_OPERATION_SNAPSHOT) != 0)
            return true;
    return false;
}

static const char *third_way(const mtnt__chain_entry *entry)
{
    return mtnt__saga_restorable(entry) ? ", or put a `snapshot` operation before it" : "";
}

static int check_outside(const mtnt__attempt *attempt, const mtnt__saga_units *units, size_t index, mtnt_error *err)
{
    const mtnt__saga_unit *unit = units->units + index;
    const mtnt__chain_entry *entry = entry_at(attempt, unit->first);

    if (!unit->outside || unit->retriable || attempt->claim->backward || !has_no_way_back(entry) ||
        is_restored(attempt, units, index, entry))
        return 0;
    mtnt_error_set(
        err, MTNT_E_REFUSED,
        "operation %" PRId64
        " `%s` runs outside a transaction and has no way back (no `down`): if it stopped half-way, nothing could "
        "undo it. Give it one, or, if it may simply run again, declare `retriable: true`%s. Nothing was changed",
        entry->order, entry->name, third_way(entry));
    return refuse(entry, err);
}

/* A unit is taken back when one after it fails, up to the next that goes forward only. */
static int check_followed(const mtnt__attempt *attempt, const mtnt__saga_units *units, size_t index, mtnt_error *err)
{
    const mtnt__saga_unit *unit = units->units + index;
    const mtnt__chain_entry *next;

    if (attempt->claim->backward || unit->retriable || index + 1 == units->count || units->units[index + 1].retriable)
        return 0;
    next = entry_at(attempt, units->units[index + 1].first);
    for (size_t i = 0; i < unit->count; i++) {
        const mtnt__chain_entry *entry = entry_at(attempt, unit->first + i);

        if (!has_no_way_back(entry) || is_restored(attempt, units, index, entry))
            continue;
        mtnt_error_set(
            err, MTNT_E_REFUSED,
            "operation %" PRId64 " `%s` has no way back (no `down`) and commits before operation %" PRId64
            " `%s` is run: if that one failed, it could not be taken back. Give it one, or declare `%s` `retriable: true`, or "
            "migrate in two steps (--to %s first)%s. Nothing was changed",
            entry->order, entry->name, next->order, next->name, next->name, entry->name, third_way(entry));
        return refuse(entry, err);
    }
    return 0;
}

/* An operation that writes both sides in one body, where they cannot commit together. */
static int check_sides(const mtnt__attempt *attempt, const mtnt__saga_unit *unit, mtnt_error *err)
{
    const mtnt__chain_entry *entry = entry_at(attempt, unit->first);

    if (unit->mode != MTNT__MODE_TWO_PHASE || unit->count > 1 || (entry->writes & both) != both ||
        attempt->options->mode != MTNT_MODE_SAGA)
        return 0;
    mtnt_error_set(
        err, MTNT_E_REFUSED,
        "operation %" PRId64 " `%s` writes controller and model in one body and is not made for being run side by side "
        "(MTNT_OPERATION_BY_SIDE): in a saga it could stop between the two. Let it commit in two phases (--mode auto). Nothing was changed",
        entry->order, entry->name);
    return refuse(entry, err);
}

int mtnt__saga_plan(const mtnt__attempt *attempt, mtnt__saga_units *ret_units, mtnt_error *err)
{
    mtnt__saga_units units = {.units = calloc(2 * attempt->count + 1, sizeof(*units.units))};
    int rc = 0;

    if (units.units == NULL)
        return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
    for (size_t i = 0; i < attempt->count; i++)
        add(attempt, i, &units);
    for (size_t i = 0; i < units.count && rc == 0; i++) {
        rc = check_outside(attempt, &units, i, err);
        if (rc == 0)
            rc = check_sides(attempt, units.units + i, err);
        if (rc == 0)
            rc = check_followed(attempt, &units, i, err);
    }
    if (rc == 0)
        *ret_units = units;
    else
        free(units.units);
    return rc;
}
