#include "coordinate/inspect.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

static mtnt_finding *add_finding(mtnt__inspection *i, mtnt_finding_kind kind, const char *text)
{
    mtnt_finding *finding = i->findings + i->finding_count;

    if (i->finding_count == MTNT_FINDINGS_MOST)
        finding--; /* there is no end of it: the last stands for more */
    else
        i->finding_count++;
    *finding = (mtnt_finding){.kind = kind};
    mtnt__text_copy(finding->text, sizeof(finding->text), text);
    return finding;
}

static const char *id_of(const mtnt__inspection *i)
{
    return mtnt_model_id(i->model);
}

static void next_with_tenant(const mtnt__inspection *i, mtnt_finding *finding, const char *before, const char *command,
                             const char *after)
{
    snprintf(finding->next, sizeof(finding->next), "%s   mtnt-model %s --tenant %.150s%s", before, command, id_of(i),
             after);
}

/* ---- who it is ---- */

static const mtnt__known *known_of(const mtnt__inspection *i)
{
    for (size_t n = 0; n < i->lane_count; n++)
        if (i->lanes[n].known.known)
            return &i->lanes[n].known;
    return &i->lanes[0].known;
}

/* The identity as the controller has it: all lanes have met the same model, and some perhaps none. */
static const char *expected_uuid(const mtnt__inspection *i)
{
    for (size_t n = 0; n < i->lane_count; n++)
        if (i->lanes[n].known.uuid[0] != '\0')
            return i->lanes[n].known.uuid;
    return "";
}

static int64_t known_version(const mtnt__inspection *i)
{
    return i->lanes[0].known.version;
}

static void find_missing(mtnt__inspection *i)
{
    mtnt_finding *finding;
    char text[400];

    if (expected_uuid(i)[0] == '\0')
        return;
    snprintf(text, sizeof(text), "its model %.200s is not there, and the controller knows it at version %" PRId64,
             i->model->shown, known_version(i));
    finding = add_finding(i, MTNT_FINDING_MISSING, text);
    next_with_tenant(i, finding, "put it back, or restore it from a backup, then", "verify", "");
}

/* true: what is in it may be compared with what the controller says. */
static bool find_identity(mtnt__inspection *i)
{
    const mtnt__identity *identity = &i->identity;
    const char *uuid = expected_uuid(i);
    mtnt_finding *finding;
    char text[600];

    if (!identity->known || identity->uuid[0] == '\0') {
        if (uuid[0] == '\0')
            return true; /* nobody has migrated it yet */
        snprintf(text, sizeof(text),
                 "it has no records of ours, and the controller knows it at version %" PRId64
                 ": emptied, or another database in its place",
                 known_version(i));
        finding = add_finding(i, MTNT_FINDING_UNMARKED, text);
        next_with_tenant(i, finding, "put the right one back, or restore it from a backup, then", "verify", "");
        return false;
    }
    if (identity->controller[0] != '\0' && strcmp(identity->controller, i->controller->id) != 0) {
        snprintf(text, sizeof(text), "it was last written by another controller (%.8s…, this one is %.8s…)",
                 identity->controller, i->controller->id);
        finding = add_finding(i, MTNT_FINDING_FOREIGN, text);
        next_with_tenant(i, finding, "if it is to be taken over:", "adopt", "");
        return false;
    }
    if (i->tenant[0] != '\0' && strcmp(i->tenant, id_of(i)) != 0) {
        snprintf(text, sizeof(text),
                 "it belongs to tenant %.200s: the two were swapped, or it was restored in the wrong place", i->tenant);
        finding = add_finding(i, MTNT_FINDING_SWAPPED, text);
        snprintf(finding->next, sizeof(finding->next), "put the model of %.80s at %.180s", id_of(i), i->model->shown);
        return false;
    }
    if (uuid[0] != '\0' && strcmp(identity->uuid, uuid) != 0) {
        snprintf(
            text, sizeof(text),
            "it is not the model that the controller knows (it is %.8s…, expected %.8s…): replaced, or restored from a "
            "copy that was made anew",
            identity->uuid, uuid);
        finding = add_finding(i, MTNT_FINDING_REPLACED, text);
        finding->repairable = true;
        next_with_tenant(i, finding, "if it is the right one:", "verify --repair --yes", "");
    }
    return true;
}

/* ---- what is applied ---- */

/* The first operation that is applied by the controller's word, and not in the model, or the other way round. */
static const char *first_between(const mtnt__inspected_lane *lane, int64_t low, bool applied)
{
    for (size_t n = 0; n < lane->chain->count; n++) {
        const mtnt__chain_entry *entry = lane->chain->entries + n;

        if (entry->order > low && !entry->disabled && mtnt__applied_has(&lane->applied, entry) == applied)
            return entry->name;
    }
    return NULL;
}

static void find_position(mtnt__inspection *i, mtnt__inspected_lane *lane)
{
    const mtnt__known *known = &lane->known;
    int64_t is = lane->position.version, said = known->version;
    mtnt_finding *finding;
    const char *name;
    char text[600];

    lane->consistent =
        !known->known ? lane->position.digest[0] == '\0' : strcmp(known->digest, lane->position.digest) == 0;
    if (lane->consistent)
        return;
    if (known->known && is < said) {
        name = first_between(lane, is, false);
        snprintf(text, sizeof(text),
                 "it is at version %" PRId64 ", and the controller says %" PRId64
                 "%s%.100s%s: restored from an older backup, or taken back by somebody else",
                 is, said, name == NULL ? "" : " (it lacks `", name == NULL ? "" : name, name == NULL ? "" : "`)");
        finding = add_finding(i, MTNT_FINDING_BEHIND, text);
    } else if (is > said || !known->known) {
        name = first_between(lane, said, true);
        snprintf(text, sizeof(text),
                 "it is at version %" PRId64 "%s%.100s%s, and the controller %s %" PRId64
                 ": the controller has lost what it knew, or was restored",
                 is, name == NULL ? "" : " (with `", name == NULL ? "" : name, name == NULL ? "" : "`)",
                 known->known ? "says" : "does not know the tenant:", said);
        finding = add_finding(i, MTNT_FINDING_AHEAD, text);
    } else {
        snprintf(text, sizeof(text),
                 "it is at version %" PRId64
                 ", as the controller says, with other operations applied than the controller has "
                 "recorded",
                 is);
        finding = add_finding(i, MTNT_FINDING_OTHER_SET, text);
    }
    finding->repairable = true;
    next_with_tenant(i, finding, "if the model is right:", "verify --repair --yes", "; else restore it");
}

static int check_lane(mtnt__inspection *i, mtnt__inspected_lane *lane)
{
    mtnt_error said = MTNT_ERROR_INIT;
    mtnt_finding *finding;
    int rc = mtnt__previous_add_applied(&lane->previous, &lane->applied, &i->error);

    if (rc == 0)
        rc = mtnt__position_of(&lane->applied, lane->chain, &lane->position, &i->error);
    if (rc != 0)
        return rc;
    lane->positioned = true;
    if (mtnt__applied_check(&lane->applied, lane->chain, id_of(i), true, &said) != 0) {
        finding = add_finding(i, MTNT_FINDING_HISTORY, said.message);
        snprintf(finding->next, sizeof(finding->next),
                 "the chain has to be as it was applied: nothing is migrated until then");
    } else if (!i->allow_out_of_order &&
               mtnt__applied_check(&lane->applied, lane->chain, id_of(i), false, &said) != 0) {
        finding = add_finding(i, MTNT_FINDING_OUT_OF_ORDER, said.message);
        next_with_tenant(i, finding, "give what is late a higher order, or", "migrate --allow-out-of-order", "");
    }
    find_position(i, lane);
    return 0;
}

/* ---- its schema ---- */

static void find_change(mtnt__inspection *i)
{
    const mtnt__fingerprint *record = &i->identity.fingerprint;
    mtnt_finding *finding;

    i->recorded =
        record->digest[0] != '\0' && record->rules == MTNT__FINGERPRINT_RULES && record->dialect == i->dialect;
    i->changed = i->recorded && strcmp(record->digest, i->schema) != 0;
    if (!i->changed)
        return;
    finding = add_finding(i, MTNT_FINDING_CHANGED,
                          "its schema is not what its last migration has left: somebody has changed it by hand");
    snprintf(
        finding->next, sizeof(finding->next),
        "take the change back, or make it an operation of the chain for all; what differs from its siblings is below");
}

static int read_schema(mtnt__inspection *i, mtnt_db *db)
{
    int rc = mtnt__fingerprint_dialect(db, &i->dialect, &i->error);

    if (rc == 0)
        rc = mtnt__catalogue_read(db, i->model->schema, &i->catalogue, &i->error);
    if (rc == 0)
        rc = mtnt__catalogue_digest(&i->catalogue, i->schema, &i->error);
    if (rc != 0)
        i->schema[0] = '\0';
    return rc;
}

/* ---- all of it ---- */

static int look_inside(mtnt__inspection *i, mtnt_db *db)
{
    int rc = mtnt__db_begin(db, &i->error);
    bool comparable;

    for (size_t n = 0; n < i->lane_count && rc == 0; n++)
        rc = mtnt__model_state_look(db, i->lanes[n].chain, &i->identity, i->tenant, &i->lanes[n].applied, &i->error);
    if (rc == 0 && i->catalogued)
        rc = read_schema(i, db);
    mtnt__db_rollback(db);
    comparable = rc == 0 && find_identity(i);
    for (size_t n = 0; n < i->lane_count && rc == 0 && comparable; n++)
        rc = check_lane(i, i->lanes + n);
    if (rc == 0 && i->catalogued && comparable && i->identity.known)
        find_change(i);
    return rc;
}

static bool is_interrupted(mtnt__inspection *i)
{
    for (size_t n = 0; n < i->lane_count; n++) {
        const mtnt__known *known = &i->lanes[n].known;
        mtnt_finding *finding;
        char text[200];

        if (!known->known || mtnt__known_idle(known))
            continue;
        if (mtnt__known_takeable(i->controller, known, 0))
            snprintf(text, sizeof(text), "a migration of it has not ended (%.20s, %.40s): what it holds is not settled",
                     known->state, known->migration);
        else
            snprintf(text, sizeof(text), "another process is at it (%.20s, %.*s)", known->state,
                     (int)strcspn(known->owner, "#"), known->owner);
        finding = add_finding(i, MTNT_FINDING_INTERRUPTED, text);
        next_with_tenant(i, finding, "when it has ended,", "recover", "   settles what is left; then look again");
        return true;
    }
    return false;
}

void mtnt__inspect(mtnt__inspection *i)
{
    mtnt__db_options options = mtnt__side_options(i->controller, i->model);
    mtnt_db *db = NULL;
    int rc;

    i->put_away = known_of(i)->gone;
    if (i->put_away || is_interrupted(i))
        return;
    options.read_only = true;
    rc = mtnt__db_exists(mtnt__model_dsn(i->model), &options, &i->exists, &i->error);
    if (rc == 0 && !i->exists) {
        mtnt_error_clear(&i->error);
        find_missing(i);
        return;
    }
    if (rc == 0)
        rc = mtnt__db_open(&db, mtnt__model_dsn(i->model), &options, &i->error);
    if (rc == 0)
        rc = look_inside(i, db);
    mtnt__db_close(db);
    if (rc != 0) {
        i->finding_count = 0;
        (void)snprintf(add_finding(i, MTNT_FINDING_UNREACHABLE, i->error.message)->next, sizeof(i->findings->next),
                       "%s", "see to it that it can be opened, and look again");
    }
}

void mtnt__inspection_clear(mtnt__inspection *i)
{
    mtnt__catalogue_release(&i->catalogue);
    for (size_t n = 0; n < i->lane_count; n++) {
        mtnt__applied_release(&i->lanes[n].applied);
        i->lanes[n].positioned = i->lanes[n].consistent = false;
    }
    i->exists = i->put_away = i->recorded = i->changed = false;
    i->identity = (mtnt__identity){.known = false};
    i->tenant[0] = i->schema[0] = '\0';
    i->finding_count = 0;
    mtnt_error_clear(&i->error);
}

const char *mtnt_finding_name(mtnt_finding_kind kind)
{
    switch (kind) {
    case MTNT_FINDING_UNREACHABLE: return "unreachable";
    case MTNT_FINDING_MISSING: return "missing";
    case MTNT_FINDING_UNMARKED: return "unmarked";
    case MTNT_FINDING_FOREIGN: return "foreign";
    case MTNT_FINDING_SWAPPED: return "swapped";
    case MTNT_FINDING_REPLACED: return "replaced";
    case MTNT_FINDING_BEHIND: return "behind";
    case MTNT_FINDING_AHEAD: return "ahead";
    case MTNT_FINDING_OTHER_SET: return "other_set";
    case MTNT_FINDING_HISTORY: return "history";
    case MTNT_FINDING_OUT_OF_ORDER: return "out_of_order";
    case MTNT_FINDING_CHANGED: return "changed";
    case MTNT_FINDING_INTERRUPTED: return "interrupted";
    }
    return "unknown";
}
