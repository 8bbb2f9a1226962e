/* Verification over every pair: a fleet that is as it should be, one whose controller has lost its memory, and repairs. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fleet_fixture.h"

typedef struct looked {
    fleet *f;
    mtnt_verification_counts counts;
    char text[2000]; /* "t1 behind repaired;t2 changed;" */
    char variants[2000], diff[2000];
    const char *in_between; /* run on the controller once it has been asked, and before the first model is looked at */
    int asked;
} looked;

static void add(char *text, size_t size, const char *format, const char *one, const char *two, const char *three)
{
    size_t length = strlen(text);

    snprintf(text + length, size - length, format, one, two, three);
}

static int note_tenant(void *data, const mtnt_verified *verified, mtnt_error *err)
{
    looked *l = data;

    (void)err;
    for (size_t i = 0; i < verified->finding_count; i++) {
        const mtnt_finding *finding = &verified->findings[i];

        assert_true(finding->text[0] != '\0' && finding->next[0] != '\0');
        add(l->text, sizeof(l->text), "%s %s%s;", verified->tenant, mtnt_finding_name(finding->kind),
            finding->repaired ? " repaired" : "");
    }
    if (verified->error != NULL)
        add(l->text, sizeof(l->text), "%s !%s%s;", verified->tenant, mtnt_code_name(verified->error->code), "");
    return 0;
}

static void note_diff(void *data, char sign, const char *text, size_t length)
{
    looked *l = data;
    char line[300];

    snprintf(line, sizeof(line), "%c %.*s", sign, (int)length, text);
    add(l->diff, sizeof(l->diff), "%s;%s%s", line, "", "");
}

static int note_variant(void *data, const mtnt_variant *variant, mtnt_error *err)
{
    looked *l = data;
    char line[100];

    (void)err;
    snprintf(line, sizeof(line), "%d of %d unlike %d%s", (int)variant->changed, (int)variant->tenants,
             (int)variant->siblings, variant->undecided ? "?" : "");
    add(l->variants, sizeof(l->variants), "%s %s;%s", variant->examples[0], line, "");
    assert_true(mtnt_variant_diff(variant, SIZE_MAX, note_diff, l) > 0);
    return 0;
}

static bool intervene(void *data)
{
    looked *l = data;

    /* First before the batch, then before each model. */
    if (l->in_between == NULL || l->asked++ == 0)
        return false;
    fleet_ask_controller(l->f, l->in_between);
    l->in_between = NULL;
    return false;
}

static looked look(fleet *f, bool repair, const char *in_between)
{
    mtnt_verification_options options = MTNT_VERIFICATION_OPTIONS_INIT;
    mtnt_tenant_source source = fleet_source(f);
    looked l = {.f = f, .in_between = in_between};

    options.workers = in_between == NULL ? 3 : 1;
    options.repair = options.accept_replaced = repair;
    options.who = "ann";
    options.tenant = note_tenant;
    options.variant = note_variant;
    options.stop = intervene;
    options.data = &l;
    assert_code(f, mtnt_verify_models(f->controller, f->chain, &source, &options, &l.counts, &f->err), 0);
    mtnt_tenant_source_close(&source);
    assert_int_equal(l.counts.tenants, (int64_t)f->count);
    assert_int_equal(l.counts.sound + l.counts.unsound + l.counts.repaired + l.counts.failed, l.counts.tenants);
    return l;
}

static void migrate_all(fleet *f, mtnt_fingerprint fingerprint)
{
    mtnt_migration_options options = MTNT_MIGRATION_OPTIONS_INIT;

    options.fingerprint = fingerprint;
    for (size_t i = 0; i < f->count; i++)
        assert_code(f, fleet_perform(f, i, &options), 0);
}

static void sound(fleet *f)
{
    char *model, *controller, *after;
    looked l = look(f, false, NULL);

    assert_text(l.text, "");
    fleet_add(f, "a", MTNT_WRITES_MODEL);
    fleet_add(f, "b", MTNT_WRITES_CONTROLLER);
    fleet_add(f, "c", WRITES_BOTH);
    fleet_add(f, "d", MTNT_WRITES_CONTROLLER);
    migrate_all(f, MTNT_FINGERPRINT_ALWAYS);
    /* One more, recorded in the controller alone. */
    fleet_add(f, "e", MTNT_WRITES_CONTROLLER);
    migrate_all(f, MTNT_FINGERPRINT_ALWAYS);
    model = fleet_dump_model(f, 0);
    controller = fleet_dump_controller(f);
    l = look(f, false, NULL);
    assert_text(l.text, "");
    assert_text(l.variants, "");
    assert_int_equal(l.counts.sound, (int64_t)f->count);
    assert_int_equal(l.counts.alone, 0);
    l = look(f, true, NULL);
    assert_text(l.text, "");
    assert_text(fleet_ask_controller(f, "SELECT count(*) FROM mtnt_audit"), "0");
    after = fleet_dump_model(f, 0);
    assert_string_equal(after, model);
    free(after);
    after = fleet_dump_controller(f);
    assert_string_equal(after, controller);
    free(after);
    free(model);
    free(controller);
    /* And after a rewind it is what it was. */
    for (size_t i = 0; i < f->count; i++)
        fleet_must_rewind(f, i);
    l = look(f, false, NULL);
    assert_text(l.text, "");
}

/* With records and without: what one model alone has is seen. */
static void changed(fleet *f)
{
    looked l;

    fleet_add(f, "a", MTNT_WRITES_MODEL);
    migrate_all(f, MTNT_FINGERPRINT_ALWAYS);
    fleet_ask_model(f, 1, "CREATE TABLE by_hand (x INTEGER)");
    l = look(f, false, NULL);
    assert_text(l.text, "t2 changed;");
    assert_text(l.variants, "t2 1 of 1 unlike 2;");
    assert_text(l.diff, "+ column by_hand.x\tinteger;+ table by_hand;");
    fleet_ask_model(f, 1, "DELETE FROM mtnt_meta WHERE key = 'fingerprint'");
    l = look(f, false, NULL);
    assert_text(l.text, "");
    assert_text(l.variants, "t2 0 of 1 unlike 2;");
    /* A migration leaves a new record, of what is there now. */
    fleet_add(f, "b", MTNT_WRITES_MODEL);
    migrate_all(f, MTNT_FINGERPRINT_ALWAYS);
    l = look(f, false, NULL);
    assert_text(l.text, "");
    assert_text(l.variants, "t2 0 of 1 unlike 2;");
    assert_int_equal(l.counts.unlike, 1);
    /* One that does not record it takes away what would be wrong. */
    fleet_add(f, "c", MTNT_WRITES_MODEL);
    migrate_all(f, MTNT_FINGERPRINT_NEVER);
    fleet_ask_model(f, 0, "DROP TABLE c");
    l = look(f, false, NULL);
    assert_text(l.text, "");
    assert_int_equal(l.counts.unlike, 2);
}

/* The controller has been restored from a backup: it is behind its models. */
static void forget(fleet *f)
{
    fleet_ask_controller(
        f,
        "UPDATE mtnt_tenant SET version = 1, digest = (SELECT digest FROM mtnt_tenant WHERE tenant = 't2') WHERE tenant = 't1'");
    fleet_ask_controller(f, "UPDATE mtnt_operation SET status = 'ROLLED_BACK' WHERE tenant = 't1' AND name = 'b'");
}

static void make_forgetful(fleet *f)
{
    mtnt_migration_options options = MTNT_MIGRATION_OPTIONS_INIT;

    fleet_add(f, "a", MTNT_WRITES_MODEL);
    fleet_add(f, "b", MTNT_WRITES_MODEL);
    fleet_must_perform(f, 0);
    options.to = "a";
    assert_code(f, fleet_perform(f, 1, &options), 0);
    forget(f);
}

static void repaired(fleet *f)
{
    char *model;
    looked l;

    make_forgetful(f);
    model = fleet_dump_model(f, 0);
    l = look(f, false, NULL);
    assert_text(l.text, "t1 ahead;");
    assert_text(fleet_known(f, 0), "idle|1|ok");
    l = look(f, true, NULL);
    assert_text(l.text, "t1 ahead repaired;");
    assert_text(fleet_known(f, 0), "idle|2|ok");
    assert_text(
        fleet_ask_controller(f, "SELECT name, status FROM mtnt_operation WHERE tenant = 't1' ORDER BY position"),
        "a|COMPLETED;b|COMPLETED");
    assert_text(fleet_ask_controller(f, "SELECT tenant, who FROM mtnt_audit"), "t1|ann");
    l = look(f, true, NULL);
    assert_text(l.text, "");
    /* The other way round: the model was restored. */
    fleet_ask_controller(
        f,
        "UPDATE mtnt_tenant SET version = 2, digest = (SELECT digest FROM mtnt_tenant WHERE tenant = 't1') WHERE tenant = 't2'");
    l = look(f, true, NULL);
    assert_text(l.text, "t2 behind repaired;");
    assert_text(fleet_known(f, 1), "idle|1|ok");
    fleet_must_perform(f, 1);
    assert_text(fleet_applied(f, 1), "a;b");
    l = look(f, false, NULL);
    assert_text(l.text, "");
    /* The model as it was, all the time. */
    {
        char *after = fleet_dump_model(f, 0);

        assert_string_equal(after, model);
        free(after);
    }
    free(model);
}

static void lose(fleet *f)
{
    fleet_ask_controller(
        f,
        "DELETE FROM mtnt_migration WHERE migration = (SELECT migration FROM mtnt_operation WHERE tenant = 't1' AND name = 'b')");
    fleet_ask_controller(f, "DELETE FROM mtnt_decision");
    fleet_ask_controller(f, "DELETE FROM mtnt_operation WHERE tenant = 't1' AND name = 'b'");
    forget(f);
}

/* What it wrote itself with a migration that it has lost is lost, too: its rows are not put right as if nothing were. */
static void half_lost(fleet *f)
{
    mtnt_migration_options options = MTNT_MIGRATION_OPTIONS_INIT;
    looked l;

    fleet_add(f, "a", MTNT_WRITES_MODEL);
    fleet_add(f, "b", WRITES_BOTH);
    options.atomicity = MTNT_ATOMICITY_OPERATION;
    assert_code(f, fleet_perform(f, 0, &options), 0);
    options.to = "a";
    assert_code(f, fleet_perform(f, 1, &options), 0);
    lose(f);
    l = look(f, true, NULL);
    assert_says(l.text, "t1 ahead;");
    assert_says(l.text, "t1 !MTNT_E_BLOCKED;");
    assert_text(fleet_known(f, 0), "diverged|1|error");
    assert_text(fleet_applied(f, 0), "a;b");
    assert_text(fleet_ask_controller(f, "SELECT count(*) FROM mtnt_audit"), "0");
    assert_code(f, fleet_perform(f, 0, NULL), MTNT_E_BLOCKED);
}

/* Where the model was all that it wrote, the migration is known again. */
static void known_again(fleet *f)
{
    mtnt_audit found;
    looked l;

    make_forgetful(f);
    lose(f);
    l = look(f, true, NULL);
    assert_text(l.text, "t1 ahead repaired;");
    assert_code(f, mtnt_audit_model(f->controller, f->chain, f->tenants[0].model, &found, &f->err), 0);
    assert_int_equal(found.verdict, MTNT_AUDIT_AGREES);
    assert_text(fleet_known(f, 0), "idle|2|ok");
}

/* Somebody takes the tenant while it is looked at: it is not repaired, and left to that one. */
static void overtaken(fleet *f)
{
    looked l;

    make_forgetful(f);
    l = look(f, true,
             "UPDATE mtnt_tenant SET epoch = epoch + 1, state = 'executing', owner = 'elsewhere', lease_until_ms = "
             "99999999999999 WHERE tenant = 't1'");
    assert_text(l.text, "t1 interrupted;");
    assert_text(fleet_known(f, 0), "executing|1|ok");
    assert_text(fleet_ask_controller(f, "SELECT count(*) FROM mtnt_audit"), "0");
    fleet_ask_controller(f, "UPDATE mtnt_tenant SET state = 'idle', owner = NULL WHERE tenant = 't1'");
    l = look(f, true, NULL);
    assert_text(l.text, "t1 ahead repaired;");
}

/* What somebody migrates while others are looked at is no finding. */
static void migrated_meanwhile(fleet *f)
{
    char digest[80], sql[300];
    looked l;

    fleet_add(f, "a", MTNT_WRITES_MODEL);
    fleet_must_perform(f, 0);
    snprintf(digest, sizeof(digest), "%s",
             fleet_ask_controller(f, "SELECT digest FROM mtnt_tenant WHERE tenant = 't1'"));
    fleet_ask_controller(f, "UPDATE mtnt_tenant SET version = 0, digest = '' WHERE tenant = 't1'");
    snprintf(sql, sizeof(sql),
             "UPDATE mtnt_tenant SET epoch = epoch + 1, version = 1, digest = '%s' WHERE tenant = 't1'", digest);
    l = look(f, true, sql);
    assert_text(l.text, "");
    assert_int_equal(l.counts.sound, 1);
}

/* A lane has rows of its own, and its own findings. */
static void lanes(fleet *f)
{
    const body slow = {.lane = "slow"};
    looked l;

    fleet_add(f, "a", MTNT_WRITES_MODEL);
    fleet_add_body(f, "b", MTNT_WRITES_MODEL, slow);
    for (size_t i = 0; i < f->count; i++) {
        mtnt_coordinator *coordinator = NULL;

        fleet_must_perform(f, i);
        assert_code(f,
                    mtnt_coordinator_new(&coordinator, f->controller, f->tenants[i].model,
                                         mtnt_chain_lane(f->chain, "slow"), NULL, &f->err),
                    0);
        assert_code(f, mtnt_coordinator_perform(coordinator, &f->err), 0);
        mtnt_coordinator_free(coordinator);
    }
    l = look(f, false, NULL);
    assert_text(l.text, "");
    assert_text(l.variants, "");
    fleet_ask_controller(f,
                         "UPDATE mtnt_tenant SET version = 0, digest = '' WHERE tenant = 't1' AND chain = 'shop/slow'");
    l = look(f, true, NULL);
    assert_text(l.text, "t1 ahead repaired;");
    assert_text(fleet_ask_controller(f, "SELECT chain, version FROM mtnt_tenant WHERE tenant = 't1' ORDER BY chain"),
                "shop|1;shop/slow|2");
    l = look(f, false, NULL);
    assert_text(l.text, "");
}

static void bad_calls(fleet *f)
{
    mtnt_verification_options options = MTNT_VERIFICATION_OPTIONS_INIT;
    mtnt_tenant_source source = fleet_source(f);
    mtnt_verification_counts counts;

    options.workers = -1;
    assert_code(f, mtnt_verify_models(f->controller, f->chain, &source, &options, &counts, &f->err), MTNT_E_INVALID);
    options.workers = 0;
    options.repair = true;
    assert_code(f, mtnt_verify_models(f->controller, f->chain, &source, &options, &counts, &f->err), MTNT_E_INVALID);
    options.version = 99;
    assert_code(f, mtnt_verify_models(f->controller, f->chain, &source, &options, &counts, &f->err), MTNT_E_INVALID);
    mtnt_tenant_source_close(&source);
}

#define MOST (ON(PAIR_SQLITE) | ON(PAIR_SCHEMA) | ON(PAIR_POSTGRES_SQLITE))

int main(void)
{
    static const pair_test tests[] = {{"sound", sound, ON_ALL, 3, false},
                                      {"changed", changed, ON_ALL, 3, false},
                                      {"repaired", repaired, MOST, 2, false},
                                      {"half_lost", half_lost, MOST, 2, false},
                                      {"known_again", known_again, MOST, 2, false},
                                      {"overtaken", overtaken, MOST, 2, false},
                                      {"migrated_meanwhile", migrated_meanwhile, MOST, 1, false},
                                      {"lanes", lanes, ON(PAIR_SQLITE) | ON(PAIR_POSTGRES), 2, false},
                                      {"bad_calls", bad_calls, ON(PAIR_SQLITE), 1, false}};

    return run_pair_tests("verify", tests, sizeof(tests) / sizeof(*tests));
}
