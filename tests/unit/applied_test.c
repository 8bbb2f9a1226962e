/* What has been applied against what the chain holds: differences, plans, positions. No database. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "state/applied.h"

static int nothing(mtnt_operation *operation, mtnt_context *context, const mtnt_model *model, mtnt_error *err)
{
    (void)operation;
    (void)context;
    (void)model;
    (void)err;
    return 0;
}

static const mtnt_operation_class step = {MTNT_OPERATION_CLASS_INIT, .name = "step", .execute = nothing};

/* "a", "b!" (disabled), "c@9" (order 9), "d=text" (that checksum), "^e" (by its place), "~f" (repeatable): separated by blanks. */
static mtnt_chain *chain_of(const char *text)
{
    char *copy = strdup(text), *rest = copy, *word;
    mtnt_chain *chain;

    assert_int_equal(mtnt_chain_new(&chain, "shop", NULL), 0);
    while ((word = strtok_r(rest, " ", &rest)) != NULL) {
        mtnt_entry entry = MTNT_ENTRY_INIT;
        char *mark;

        entry.writes_set = true;
        entry.writes = MTNT_WRITES_MODEL;
        if (word[0] == '^' || word[0] == '~') {
            entry.flags = MTNT_OPERATION_BY_PLACE | (word[0] == '~' ? MTNT_OPERATION_REPEATABLE : 0);
            word++;
        }
        if ((mark = strchr(word, '!')) != NULL) {
            *mark = '\0';
            entry.disabled = true;
        }
        if ((mark = strchr(word, '@')) != NULL) {
            *mark = '\0';
            entry.order = strtol(mark + 1, NULL, 10);
        }
        if ((mark = strchr(word, '=')) != NULL) {
            *mark = '\0';
            entry.checksum = mark + 1;
            entry.writes = MTNT_WRITES_CONTROLLER;
        }
        entry.name = word;
        entry.file = "chain.yaml";
        entry.line = 7;
        assert_int_equal(mtnt_chain_add_entry(chain, &step, &entry, NULL), 0);
    }
    free(copy);
    return chain;
}

static void apply(mtnt__applied *applied, const mtnt_chain *chain, size_t index, int64_t run)
{
    const mtnt__chain_entry *entry = chain->entries + index;
    mtnt__record record = {.name = entry->name, .position = entry->order, .run = run};

    memcpy(record.checksum, entry->checksum, sizeof(record.checksum));
    assert_int_equal(mtnt__applied_add(applied, &record, NULL), 0);
}

/* Applies those of `chain` that `names` lists. */
static mtnt__applied applied_of(const mtnt_chain *chain, const char *names)
{
    char *copy = strdup(names), *rest = copy, *word;
    mtnt__applied applied = {0};

    while ((word = strtok_r(rest, " ", &rest)) != NULL) {
        ptrdiff_t index = mtnt_chain_find(chain, word);

        assert_true(index >= 0);
        apply(&applied, chain, (size_t)index, 1);
    }
    free(copy);
    return applied;
}

/* The chain `was` had `names` applied; the chain is now `is`. Returns the code, the text is in err. */
static int compare(const char *was, const char *names, const char *is, bool out_of_order, mtnt_error *err)
{
    mtnt_chain *before = chain_of(was), *now = chain_of(is);
    mtnt__applied applied = applied_of(before, names);
    int rc;

    mtnt_error_clear(err);
    rc = mtnt__applied_check(&applied, now, "acme", out_of_order, err);
    assert_int_equal(rc, err->code);
    mtnt__applied_release(&applied);
    mtnt_chain_free(before);
    mtnt_chain_free(now);
    return rc;
}

static void says(const mtnt_error *err, const char *words)
{
    if (strstr(err->message, words) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", err->message, words);
}

static void check_equal(void **state)
{
    mtnt_error err;

    (void)state;
    assert_int_equal(compare("a b c", "", "a b c", false, &err), 0);
    assert_int_equal(compare("a b c", "a", "a b c", false, &err), 0);
    assert_int_equal(compare("a b c", "a b c", "a b c", false, &err), 0);
    assert_int_equal(compare("a b c", "a b c", "a b c d", false, &err), 0);
    assert_int_equal(compare("", "", "", false, &err), 0);
}

static void c4_unknown(void **state)
{
    mtnt_error err;

    (void)state;
    assert_int_equal(compare("a b c", "a b c", "a b", false, &err), MTNT_E_HISTORY);
    says(&err, "tenant acme");
    says(&err, "3 `c`");
    says(&err, "newer release");
    says(&err, "rewind --tenant acme --to b");
    says(&err, "Nothing was changed");
    /* Nothing known below it: no --to. */
    assert_int_equal(compare("z", "z", "", false, &err), MTNT_E_HISTORY);
    says(&err, "rewind --tenant acme   from there");
    /* Unknown is worse than out of order: allowing the one does not allow the other. */
    assert_int_equal(compare("a b c", "a b c", "a b", true, &err), MTNT_E_HISTORY);
}

static void c4_renamed(void **state)
{
    mtnt_error err;

    (void)state;
    assert_int_equal(compare("a b", "a b", "a x", false, &err), MTNT_E_HISTORY);
    says(&err, "expected \"b\", found \"x\"");
    says(&err, "renamed");
    says(&err, "Nothing was changed");
    /* The operation at that order is applied under its own name: then `b` is not renamed, but unknown. */
    assert_int_equal(compare("a b@2 x@3", "b x", "a@1 x@2", false, &err), MTNT_E_HISTORY);
    says(&err, "which this chain lacks");
}

static void check_moved(void **state)
{
    mtnt_error err;

    (void)state;
    assert_int_equal(compare("a b", "a b", "a b@5", false, &err), MTNT_E_HISTORY);
    says(&err, "`b` was applied as number 2");
    says(&err, "number 5");
    says(&err, "order: 2");
    assert_string_equal(err.file, "chain.yaml");
    assert_int_equal(err.line, 7);
}

static void check_changed(void **state)
{
    mtnt_error err;

    (void)state;
    assert_int_equal(compare("a b=one", "a b", "a b=two", false, &err), MTNT_E_HISTORY);
    says(&err, "2 `b` has been changed since it was applied");
    assert_string_equal(err.file, "chain.yaml");
    assert_int_equal(err.line, 7);
    /* One that is not applied may be changed. */
    assert_int_equal(compare("a b=one", "a", "a b=two", false, &err), 0);
}

static void b7_out_of_order(void **state)
{
    mtnt_error err;

    (void)state;
    assert_int_equal(compare("a b", "b", "a b", false, &err), MTNT_E_HISTORY);
    says(&err, "out of order");
    says(&err, "1 `a`");
    says(&err, "2 `b`");
    says(&err, "--allow-out-of-order");
    assert_int_equal(compare("a b", "b", "a b", true, &err), 0);
    /* All of the first few are named, and it is said that there are more. */
    assert_int_equal(compare("a b c d e f g h", "h", "a b c d e f g h", false, &err), MTNT_E_HISTORY);
    says(&err, "1 `a`, 2 `b`, 3 `c`, 4 `d`, 5 `e` and more");
    assert_null(strstr(err.message, "`f`"));
}

static void b11_disabled(void **state)
{
    mtnt_error err;

    (void)state;
    /* Recorded, and disabled since: it is known. */
    assert_int_equal(compare("a b", "a b", "a b!", false, &err), 0);
    /* Disabled and never run: it is not late. */
    assert_int_equal(compare("a b c", "a c", "a b! c", false, &err), 0);
    /* A disabled one that was changed is still compared. */
    assert_int_equal(compare("a b=one", "a b", "a b=two!", false, &err), MTNT_E_HISTORY);
}

/* ---- plans ---- */

static void plan_is(const char *chain_text, const char *names, bool forward, ptrdiff_t last, int64_t steps, int64_t run,
                    const char *expected)
{
    mtnt_chain *chain = chain_of(chain_text);
    mtnt__applied applied = applied_of(chain, names);
    char found[200] = "";
    size_t *plan = NULL, count = 0;

    if (forward)
        assert_int_equal(mtnt__plan_forward(&applied, chain, last, steps, &plan, &count, NULL), 0);
    else
        assert_int_equal(mtnt__plan_backward(&applied, chain, last, steps, run, &plan, &count, NULL), 0);
    for (size_t i = 0; i < count; i++) {
        strcat(found, i == 0 ? "" : " ");
        strcat(found, chain->entries[plan[i]].name);
    }
    assert_string_equal(found, expected);
    free(plan);
    mtnt__applied_release(&applied);
    mtnt_chain_free(chain);
}

static void plans_forward(void **state)
{
    (void)state;
    plan_is("a b c", "", true, -1, 0, 0, "a b c");
    plan_is("a b c", "a", true, -1, 0, 0, "b c");
    plan_is("a b c", "a b c", true, -1, 0, 0, "");
    plan_is("a b c", "", true, 1, 0, 0, "a b");
    plan_is("a b c", "a b c", true, 0, 0, 0, "");
    plan_is("a b c", "", true, -1, 2, 0, "a b");
    plan_is("a b c", "a", true, -1, 1, 0, "b");
    plan_is("a b! c", "", true, -1, 0, 0, "a c");
    plan_is("a b c", "b", true, -1, 0, 0, "a c");
    plan_is("", "", true, -1, 0, 0, "");
    /* By order, not by the order of adding. */
    plan_is("b@20 a@10 c@30", "", true, -1, 0, 0, "a b c");
}

static void plans_backward(void **state)
{
    (void)state;
    plan_is("a b c", "a b c", false, -1, 0, 0, "c b a");
    plan_is("a b c", "a b c", false, 0, 0, 0, "c b");
    plan_is("a b c", "a b c", false, 2, 0, 0, "");
    plan_is("a b c", "a b c", false, -1, 1, 0, "c");
    plan_is("a b c", "a c", false, -1, 0, 0, "c a");
    plan_is("a b c", "", false, -1, 0, 0, "");
    /* Disabled since: what is applied can be taken back. */
    plan_is("a b! c", "a b c", false, -1, 0, 0, "c b a");
    plan_is("a b c", "a b c", false, -1, 0, 1, "c b a");
    plan_is("a b c", "a b c", false, -1, 0, 2, "");
}

/* What one chain has applied, seen by another: the places of a folder's files change when one comes in before them. */
static int check_grown(const char *before, const char *names, const char *now, bool out_of_order, mtnt_error *err)
{
    mtnt_chain *old = chain_of(before), *grown = chain_of(now);
    mtnt__applied applied = applied_of(old, names);
    int rc = mtnt__applied_check(&applied, grown, "acme", out_of_order, err);

    mtnt__applied_release(&applied);
    mtnt_chain_free(old);
    mtnt_chain_free(grown);
    return rc;
}

static void places_may_change(void **state)
{
    mtnt_error err = MTNT_ERROR_INIT;

    (void)state;
    assert_int_equal(check_grown("^a ^c", "a c", "^a ^c ^d", false, &err), 0);
    assert_int_equal(check_grown("^a ^c", "a c", "^a ^b ^c", true, &err), 0);
    assert_int_equal(check_grown("^a ^c", "a c", "^a ^b ^c", false, &err), MTNT_E_HISTORY);
    assert_non_null(strstr(err.message, "out of order: 2 `b` would run after 3 `c`"));
    /* Numbers that somebody has given may not. */
    assert_int_equal(check_grown("a c", "a c", "a b c", true, &err), MTNT_E_HISTORY);
    assert_non_null(strstr(err.message, "`c` was applied as number 2"));
}

static void position_of(const char *before, const char *names, const char *now, mtnt__position *ret_position)
{
    mtnt_chain *old = chain_of(before), *grown = chain_of(now);
    mtnt__applied applied = applied_of(old, names);

    assert_int_equal(mtnt__position_of(&applied, grown, ret_position, NULL), 0);
    mtnt__applied_release(&applied);
    mtnt_chain_free(old);
    mtnt_chain_free(grown);
}

static void a_file_that_comes_late_changes_no_position(void **state)
{
    mtnt__position before, after;

    (void)state;
    position_of("^a ^c", "a c", "^a ^c", &before);
    position_of("^a ^c", "a c", "^a ^b ^c", &after);
    assert_string_equal(before.digest, after.digest);
    position_of("^a ^b ^c", "a b c", "^a ^b ^c", &after);
    assert_string_not_equal(before.digest, after.digest);
}

static void what_is_repeated_is_no_part_of_the_order(void **state)
{
    mtnt_error err = MTNT_ERROR_INIT;

    (void)state;
    assert_int_equal(check_grown("^a ~v=1", "a v", "^a ^b ~u ~v=2", false, &err), 0);
    assert_int_equal(check_grown("^a ~v=1", "v", "^a ~v=1", false, &err), 0);
    assert_int_equal(check_grown("^a ~v=1", "a v", "^a", false, &err), MTNT_E_HISTORY);
}

static void plan_of_changed(const char *before, const char *names, const char *now, const char *expected)
{
    mtnt_chain *old = chain_of(before), *grown = chain_of(now);
    mtnt__applied applied = applied_of(old, names);
    size_t *plan = NULL, count = 0;
    char text[100] = "";

    assert_int_equal(mtnt__plan_forward(&applied, grown, -1, 0, &plan, &count, NULL), 0);
    for (size_t i = 0; i < count; i++)
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s", i ? " " : "", grown->entries[plan[i]].name);
    assert_string_equal(text, expected);
    free(plan);
    mtnt__applied_release(&applied);
    mtnt_chain_free(old);
    mtnt_chain_free(grown);
}

static void what_is_repeated_runs_when_it_has_changed(void **state)
{
    (void)state;
    plan_of_changed("^a ~u=1 ~v=1", "a u v", "^a ~u=1 ~v=1", "");
    plan_of_changed("^a ~u=1 ~v=1", "a u v", "^a ~u=2 ~v=1", "u");
    plan_of_changed("^a ~u=1 ~v=1", "a u", "^a ^b ~u=1 ~v=1", "b v");
    /* The others do not. */
    plan_of_changed("^a=1", "a", "^a=2", "");
}

static void what_is_repeated_goes_back_first_and_is_no_step(void **state)
{
    (void)state;
    plan_is("^a ^b ~u ~v", "a b u v", false, -1, 0, 0, "v u b a");
    plan_is("^a ^b ~u ~v", "a b u v", false, -1, 1, 0, "v u b");
    plan_is("^a ^b ~u ~v", "a b v", false, 0, 0, 0, "v b");
    plan_is("^a ^b ~u ~v", "u v", false, -1, 0, 0, "");
    plan_is("^a ^b ~u ~v", "a b u v", false, 1, 0, 0, "");
}

/* A tenant whose view is not what the chain has stands where it would without it. */
static void what_is_repeated_counts_as_it_is_now(void **state)
{
    mtnt__position current, old, without;

    (void)state;
    position_of("^a ~v=1", "a v", "^a ~v=1", &current);
    position_of("^a ~v=1", "a v", "^a ~v=2", &old);
    position_of("^a ~v=1", "a", "^a ~v=1", &without);
    assert_string_not_equal(current.digest, old.digest);
    assert_string_equal(old.digest, without.digest);
    position_of("^a ~v=1", "a v", "^a ^b ~v=1", &old);
    assert_string_equal(old.digest, without.digest);
}

static void plan_of_one_run(void **state)
{
    mtnt_chain *chain = chain_of("a b c");
    mtnt__applied applied = {0};
    size_t *plan, count;

    (void)state;
    apply(&applied, chain, 0, 1);
    apply(&applied, chain, 1, 2);
    apply(&applied, chain, 2, 1);
    assert_int_equal(mtnt__plan_backward(&applied, chain, -1, 0, 1, &plan, &count, NULL), 0);
    assert_int_equal(count, 2);
    assert_int_equal(plan[0], 2);
    assert_int_equal(plan[1], 0);
    free(plan);
    mtnt__applied_release(&applied);
    mtnt_chain_free(chain);
}

/* ---- positions ---- */

static mtnt__position position(const char *chain_text, const char *names)
{
    mtnt_chain *chain = chain_of(chain_text);
    mtnt__applied applied = applied_of(chain, names);
    mtnt__position found;

    assert_int_equal(mtnt__position_of(&applied, chain, &found, NULL), 0);
    mtnt__applied_release(&applied);
    mtnt_chain_free(chain);
    return found;
}

static void positions(void **state)
{
    mtnt__position none = position("a b c", ""), ab = position("a b c", "a b"), again = position("a b c d", "b a"),
                   ac = position("a b c", "a c"), changed = position("a b=x c", "a b"),
                   moved = position("a b@4 c", "a b"), off = position("a b! c", "a b"), a = position("a b c", "a");

    (void)state;
    assert_int_equal(none.version, 0);
    assert_string_equal(none.digest, "");
    assert_int_equal(ab.version, 2);
    assert_string_equal(ab.digest, again.digest);
    assert_int_equal(ac.version, 3);
    assert_string_not_equal(ab.digest, ac.digest);
    assert_string_not_equal(ab.digest, changed.digest);
    assert_string_not_equal(ab.digest, moved.digest);
    /* Disabled does not count. */
    assert_int_equal(off.version, 1);
    assert_string_equal(off.digest, a.digest);
}

static void records_stay_in_order(void **state)
{
    mtnt_chain *chain = chain_of("a b c d e");
    mtnt__applied applied = applied_of(chain, "d a e c b");

    (void)state;
    for (size_t i = 0; i < 5; i++)
        assert_string_equal(applied.records[i].name, chain->entries[i].name);
    assert_ptr_equal(mtnt__applied_find(&applied, "c"), applied.records + 2);
    assert_null(mtnt__applied_find(&applied, "x"));
    mtnt__applied_release(&applied);
    mtnt_chain_free(chain);
}

static void many_records(void **state)
{
    mtnt__applied applied = {0};
    char name[20];

    (void)state;
    for (int i = 999; i >= 0; i--) {
        mtnt__record record = {.name = name, .position = i};

        snprintf(name, sizeof(name), "operation %d", i);
        assert_int_equal(mtnt__applied_add(&applied, &record, NULL), 0);
    }
    for (size_t i = 0; i < 1000; i++)
        assert_int_equal(applied.records[i].position, i);
    mtnt__applied_release(&applied);
}

/* ---- ladders ---- */

static void ladder(void **state)
{
    mtnt_chain *chain = chain_of("a b=on_the_controller c! d");
    const char *const sets[] = {"", "a", "a b", "a b d"};
    mtnt__ladder steps;

    (void)state;
    assert_int_equal(mtnt__ladder_new(&steps, chain, NULL), 0);
    assert_int_equal(steps.count, 4);
    assert_int_equal(steps.entries[0], -1);
    assert_int_equal(steps.entries[1], 0);
    assert_int_equal(steps.entries[2], 1);
    assert_int_equal(steps.entries[3], 3);
    assert_int_equal(steps.writes_after[0], MTNT_WRITES_MODEL | MTNT_WRITES_CONTROLLER);
    assert_int_equal(steps.writes_after[1], MTNT_WRITES_MODEL | MTNT_WRITES_CONTROLLER);
    assert_int_equal(steps.writes_after[2], MTNT_WRITES_MODEL);
    assert_int_equal(steps.writes_after[3], MTNT_WRITES_NOTHING);
    for (size_t i = 0; i < 4; i++) {
        mtnt__applied applied = applied_of(chain, sets[i]);
        mtnt__position at;

        assert_int_equal(mtnt__position_of(&applied, chain, &at, NULL), 0);
        assert_string_equal(at.digest, steps.rungs[i].digest);
        assert_int_equal(at.version, steps.rungs[i].version);
        assert_int_equal(mtnt__ladder_find(&steps, at.digest), i);
        mtnt__applied_release(&applied);
    }
    assert_int_equal(mtnt__ladder_find(&steps, "something else"), -1);
    mtnt__ladder_release(&steps);
    mtnt_chain_free(chain);
}

static void ladder_of_nothing(void **state)
{
    mtnt_chain *chain = chain_of("");
    mtnt__ladder steps;

    (void)state;
    assert_int_equal(mtnt__ladder_new(&steps, chain, NULL), 0);
    assert_int_equal(steps.count, 1);
    assert_int_equal(mtnt__ladder_find(&steps, ""), 0);
    assert_int_equal(steps.writes_after[0], 0);
    mtnt__ladder_release(&steps);
    mtnt_chain_free(chain);
}

/* In lane fast: `a`; in slow: `b`. */
static void what_is_applied_stays_in_its_lane(void **state)
{
    mtnt_entry entry = MTNT_ENTRY_INIT;
    mtnt__record record = {.name = (char *)(uintptr_t) "b", .position = 2};
    mtnt_error err = MTNT_ERROR_INIT;
    mtnt__applied applied = {0};
    mtnt_chain *chain = chain_of("a");
    const mtnt_chain *fast, *slow;

    (void)state;
    entry.name = "b";
    entry.lane = "slow";
    assert_int_equal(mtnt_chain_add_entry(chain, &step, &entry, NULL), 0);
    fast = mtnt_chain_lane(chain, "fast");
    slow = mtnt_chain_lane(chain, "slow");
    /* `b` among what fast has applied: it was moved to slow since. */
    apply(&applied, slow, 0, 1);
    assert_int_equal(mtnt__applied_check(&applied, fast, "acme", false, &err), MTNT_E_HISTORY);
    says(&err, "operation 2 `b` of chain shop was applied in lane `fast`, and the chain now has it in lane `slow`");
    mtnt__applied_release(&applied);
    /* Lane slow has not applied it, and finds it among another lane's. */
    assert_int_equal(mtnt__applied_note_elsewhere(&applied, &record, "shop/later", NULL), 0);
    assert_int_equal(mtnt__applied_note_elsewhere(&applied, &record, "shop", NULL), 0);
    mtnt_error_clear(&err);
    assert_int_equal(mtnt__applied_check(&applied, slow, "acme", true, &err), MTNT_E_HISTORY);
    says(&err, "was applied in lane `later`, and the chain now has it in lane `slow`");
    mtnt__applied_release(&applied);
    assert_null(applied.elsewhere);
    mtnt_chain_free(chain);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(check_equal),
        cmocka_unit_test(c4_unknown),
        cmocka_unit_test(c4_renamed),
        cmocka_unit_test(check_moved),
        cmocka_unit_test(check_changed),
        cmocka_unit_test(b7_out_of_order),
        cmocka_unit_test(b11_disabled),
        cmocka_unit_test(plans_forward),
        cmocka_unit_test(plans_backward),
        cmocka_unit_test(places_may_change),
        cmocka_unit_test(a_file_that_comes_late_changes_no_position),
        cmocka_unit_test(what_is_repeated_is_no_part_of_the_order),
        cmocka_unit_test(what_is_repeated_runs_when_it_has_changed),
        cmocka_unit_test(what_is_repeated_goes_back_first_and_is_no_step),
        cmocka_unit_test(what_is_repeated_counts_as_it_is_now),
        cmocka_unit_test(plan_of_one_run),
        cmocka_unit_test(positions),
        cmocka_unit_test(records_stay_in_order),
        cmocka_unit_test(many_records),
        cmocka_unit_test(ladder),
        cmocka_unit_test(ladder_of_nothing),
        cmocka_unit_test(what_is_applied_stays_in_its_lane),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
