#include "plan_saved.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "commands.h"
#include "encode.h"
#include "plan.h"
#include "survey.h"

enum { FORMAT = 1, DIGITS = 16, NAMED = 3 };

/* ---- fingerprints ---- */

static uint64_t mix(uint64_t hash, const char *text)
{
    /* FNV-1a, the ending NUL included so that no two lists of texts read alike. */
    do
        hash = (hash ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
    while (*text++ != '\0');
    return hash;
}

static uint64_t fingerprint(const char *tenant, const mtnt_model *model, const char *digest)
{
    uint64_t hash = mix(UINT64_C(0xcbf29ce484222325), tenant);

    hash = mix(hash, model == NULL ? "" : mtnt_model_shown(model));
    hash = mix(hash, digest);
    hash = (hash ^ (hash >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    hash = (hash ^ (hash >> 27)) * UINT64_C(0x94d049bb133111eb);
    return hash ^ (hash >> 31);
}

static int add(mtnt__work *work, mtnt__saved_states *states, uint64_t item)
{
    if (states->count == states->size) {
        size_t size = states->size * 2 + 64;
        uint64_t *bigger = reallocarray(states->items, size, sizeof *bigger);

        if (bigger == NULL)
            return mtnt__work_fail(work, MTNT__EXIT_FATAL, "out of memory");
        states->items = bigger;
        states->size = size;
    }
    states->items[states->count++] = item;
    return 0;
}

int mtnt__saved_states_add(mtnt__work *work, mtnt__saved_states *states, const char *tenant, const mtnt_model *model,
                           const char *digest)
{
    return add(work, states, fingerprint(tenant, model, digest));
}

static int compare(const void *a, const void *b)
{
    const uint64_t *one = a, *other = b;

    return *one < *other ? -1 : *one > *other;
}

void mtnt__saved_states_sort(mtnt__saved_states *states)
{
    if (states->count > 0)
        qsort(states->items, states->count, sizeof states->items[0], compare);
    states->sorted = true;
}

bool mtnt__saved_states_has(const mtnt__saved_states *states, const char *tenant, const mtnt_model *model,
                            const char *digest)
{
    uint64_t item = fingerprint(tenant, model, digest);

    return states->count > 0 && bsearch(&item, states->items, states->count, sizeof states->items[0], compare) != NULL;
}

void mtnt__saved_states_release(mtnt__saved_states *states)
{
    free(states->items);
    *states = (mtnt__saved_states){NULL, 0, 0, false};
}

/* ---- writing ---- */

int mtnt__saved_check(mtnt__work *work)
{
    const char *what = work->settings.save != NULL ? "--save" : "--plan";

    if (work->lane != NULL && work->settings.lanes.count != 1)
        return mtnt__work_fail(work, MTNT__EXIT_USAGE, "%s: a plan is of one lane; say with --lane which one", what);
    if (!mtnt__work_has_tenants(work))
        return mtnt__work_fail(work, MTNT__EXIT_USAGE, "%s needs --tenants, as migrate does", what);
    return 0;
}

static json_t *describe_chain(const mtnt_chain *chain)
{
    json_t *list = json_array();
    mtnt_entry_info info;

    for (size_t i = 0; list != NULL && mtnt_chain_get(chain, i, &info); i++)
        json_array_append_new(list, json_pack("{sI so ss sb}", "order", (json_int_t)info.order, "name",
                                              mtnt__encode_text(info.name), "checksum", info.checksum, "disabled",
                                              info.disabled));
    return list;
}

static json_t *describe_groups(const mtnt__plan *plan)
{
    json_t *list = json_array();

    for (size_t i = 0; list != NULL && i < plan->group_count; i++) {
        const mtnt__plan_group *group = &plan->groups[i];
        json_t *names = json_array();
        mtnt_entry_info info;

        for (size_t j = 0; names != NULL && j < group->needs->count; j++)
            if (mtnt_chain_get(plan->work->chain, group->needs->indices[j], &info))
                json_array_append_new(names, mtnt__encode_text(info.name));
        json_array_append_new(list, json_pack("{sI sI so so so}", "version", (json_int_t)group->version, "tenants",
                                              (json_int_t)group->tenants, "guarantee",
                                              mtnt__encode_text(mtnt__plan_guarantee(group)), "refused",
                                              mtnt__encode_text(group->needs->refusal), "operations", names));
    }
    return list;
}

static char *states_text(const mtnt__saved_states *states)
{
    char *text = malloc(states->count * DIGITS + 1);

    for (size_t i = 0; text != NULL && i < states->count; i++)
        snprintf(text + i * DIGITS, DIGITS + 1, "%016" PRIx64, states->items[i]);
    if (text != NULL)
        text[states->count * DIGITS] = '\0';
    return text;
}

static json_t *describe(const mtnt__plan *plan)
{
    const mtnt__settings *settings = &plan->work->settings;
    char *states = states_text(&plan->states);
    json_t *object = json_pack(
        "{si so sI sb ss so sI so so so}", "mtnt_plan", FORMAT, "to", mtnt__encode_text(settings->to), "steps",
        (json_int_t)settings->steps, "allow_out_of_order", settings->allow_out_of_order, "mode",
        settings->mode == NULL ? "auto" : settings->mode, "chain",
        mtnt__encode_text(mtnt_chain_name(plan->work->chain)), "tenants", (json_int_t)plan->states.count, "operations",
        describe_chain(plan->work->chain), "groups", describe_groups(plan), "states", mtnt__encode_text(states));

    free(states);
    return object;
}

/* Beside the file and renamed, so that a plan that was there stays until this one is whole. */
static int replace(mtnt__work *work, const char *path, json_t *object)
{
    char *temporary = NULL;
    int fd = -1, exit_code = 0;
    FILE *file = NULL;
    bool written;

    if (asprintf(&temporary, "%s.tmp-%ld", path, (long)getpid()) < 0)
        return mtnt__work_fail(work, MTNT__EXIT_FATAL, "out of memory");
    fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    file = fd < 0 ? NULL : fdopen(fd, "w");
    if (file == NULL) {
        exit_code = mtnt__work_fail(work, MTNT__EXIT_FATAL, "cannot write the plan %s: %m", path);
        if (fd >= 0)
            close(fd);
        goto out;
    }
    written = json_dumpf(object, file, JSON_INDENT(2)) == 0 && fputc('\n', file) != EOF && fflush(file) == 0 &&
              fsync(fd) == 0;
    written = fclose(file) == 0 && written;
    if (!written || rename(temporary, path) != 0)
        exit_code = mtnt__work_fail(work, MTNT__EXIT_FATAL, "cannot write the plan %s: %m", path);
out:
    if (exit_code != 0 && fd >= 0)
        unlink(temporary);
    free(temporary);
    return exit_code;
}

int mtnt__saved_write(mtnt__plan *plan)
{
    mtnt__work *work = plan->work;
    json_t *object;
    int exit_code;

    mtnt__saved_states_sort(&plan->states);
    object = describe(plan);
    exit_code = object == NULL ? mtnt__work_fail(work, MTNT__EXIT_FATAL, "out of memory")
                               : replace(work, work->settings.save, object);
    json_decref(object);
    if (exit_code == 0)
        mtnt__work_note(work, "saved to %s: run it with   mtnt-model migrate --plan %s", work->settings.save,
                        work->settings.save);
    return exit_code;
}

/* ---- reading ---- */

static int refuse(mtnt__work *work, const char *why)
{
    return mtnt__work_fail(work, MTNT__EXIT_CONFIG, "%s is no plan that `plan --save` has written: %s",
                           work->settings.plan, why);
}

static bool read_hex(const char *text, uint64_t *ret_value)
{
    uint64_t value = 0;

    for (int i = 0; i < DIGITS; i++) {
        const char *digit = strchr("0123456789abcdef", text[i]);

        if (text[i] == '\0' || digit == NULL)
            return false;
        value = value << 4u | (uint64_t)(digit - "0123456789abcdef");
    }
    *ret_value = value;
    return true;
}

static int read_states(mtnt__work *work, const json_t *root, mtnt__saved_states *states)
{
    const char *text = json_string_value(json_object_get(root, "states"));
    json_int_t tenants = json_integer_value(json_object_get(root, "tenants"));
    uint64_t item;

    if (text == NULL || tenants < 0 || strlen(text) != (size_t)tenants * DIGITS)
        return refuse(work, "its tenants are not all there");
    for (; *text != '\0'; text += DIGITS) {
        if (!read_hex(text, &item))
            return refuse(work, "its tenants cannot be read");
        if (add(work, states, item) != 0)
            return MTNT__EXIT_FATAL;
    }
    mtnt__saved_states_sort(states);
    return 0;
}

static int moved_on(mtnt__work *work, const char *name, const char *how)
{
    return mtnt__work_fail(
        work, MTNT__EXIT_FATAL,
        "the chain has moved on since the plan %s was made: operation `%s` %s. Nothing was done. Make "
        "a new plan:   mtnt-model plan --save %s",
        work->settings.plan, name, how, work->settings.plan);
}

static int check_chain(mtnt__work *work, const json_t *root)
{
    const json_t *operations = json_object_get(root, "operations");
    const char *chain = json_string_value(json_object_get(root, "chain"));
    mtnt_entry_info info;
    size_t count = json_array_size(operations), i;

    if (chain == NULL || !json_is_array(operations))
        return refuse(work, "it names no chain");
    if (strcmp(chain, mtnt_chain_name(work->chain)) != 0)
        return mtnt__work_fail(work, MTNT__EXIT_FATAL, "the plan %s is one for chain %s, and this is %s",
                               work->settings.plan, chain, mtnt_chain_name(work->chain));
    for (i = 0; i < count; i++) {
        const json_t *at = json_array_get(operations, i);
        const char *name = json_string_value(json_object_get(at, "name"));
        const char *checksum = json_string_value(json_object_get(at, "checksum"));

        if (name == NULL || checksum == NULL)
            return refuse(work, "an operation has no name or no checksum");
        if (!mtnt_chain_get(work->chain, i, &info))
            return moved_on(work, name, "is no longer there");
        if (strcmp(info.name, name) != 0 || info.order != json_integer_value(json_object_get(at, "order")))
            return moved_on(work, name, "is no longer in its place");
        if (strcmp(info.checksum, checksum) != 0)
            return moved_on(work, name, "does something else");
        if (info.disabled != json_is_true(json_object_get(at, "disabled")))
            return moved_on(work, name, info.disabled ? "is switched off" : "is switched on");
    }
    return mtnt_chain_get(work->chain, i, &info) ? moved_on(work, info.name, "is new") : 0;
}

static int differs(mtnt__work *work, const char *option)
{
    return mtnt__work_fail(work, MTNT__EXIT_USAGE, "%s: the plan %s was made with another one; leave it out here",
                           option, work->settings.plan);
}

/* What decides what is done is the plan's. */
static int take_settings(mtnt__work *work, const json_t *root)
{
    mtnt__settings *settings = &work->settings;
    const char *to = json_string_value(json_object_get(root, "to"));
    const char *mode = json_string_value(json_object_get(root, "mode"));
    int64_t steps = json_integer_value(json_object_get(root, "steps"));
    bool any_order = json_is_true(json_object_get(root, "allow_out_of_order"));
    ptrdiff_t index = to == NULL ? -1 : mtnt_chain_find(work->chain, to);
    mtnt_entry_info info;

    if (to != NULL && (index < 0 || !mtnt_chain_get(work->chain, (size_t)index, &info)))
        return moved_on(work, to, "is no longer there");
    if (settings->to != NULL && (to == NULL || strcmp(settings->to, to) != 0))
        return differs(work, "--to");
    if (settings->steps != 0 && settings->steps != steps)
        return differs(work, "--steps");
    if (settings->allow_out_of_order && !any_order)
        return differs(work, "--allow-out-of-order");
    if (mtnt__options_is_flagged(settings, "mode") && (mode == NULL || strcmp(settings->mode, mode) != 0))
        return differs(work, "--mode");
    /* The chain lives as long as the command, which the plan's own text does not. */
    settings->to = to == NULL ? NULL : info.name;
    settings->steps = steps;
    settings->allow_out_of_order = any_order;
    settings->mode = mode != NULL && strcmp(mode, "saga") == 0 ? "saga" : "auto";
    return 0;
}

int mtnt__saved_load(mtnt__work *work, mtnt__saved_states *ret_states)
{
    json_error_t why;
    json_t *root = json_load_file(work->settings.plan, 0, &why);
    int exit_code = mtnt__saved_check(work);

    if (exit_code == 0 && root == NULL && access(work->settings.plan, R_OK) != 0)
        exit_code = mtnt__work_fail(work, MTNT__EXIT_CONFIG, "cannot read the plan %s: %m", work->settings.plan);
    else if (exit_code == 0 && root == NULL)
        exit_code = mtnt__work_fail(work, MTNT__EXIT_CONFIG, "%s:%d: %s", work->settings.plan, why.line, why.text);
    else if (exit_code == 0 && json_integer_value(json_object_get(root, "mtnt_plan")) != FORMAT)
        exit_code = refuse(work, "it is of another version, or something else");
    if (exit_code == 0)
        exit_code = check_chain(work, root);
    if (exit_code == 0)
        exit_code = take_settings(work, root);
    if (exit_code == 0)
        exit_code = read_states(work, root, ret_states);
    json_decref(root);
    return exit_code;
}

/* ---- the fleet as it is now ---- */

typedef struct comparing {
    const mtnt__saved_states *states;
    int64_t tenants, moved;
    char names[NAMED][200];
} comparing;

static int compare_tenant(void *data, const mtnt_tenant_info *info, const mtnt_model *model)
{
    comparing *at = data;

    at->tenants++;
    if (mtnt__saved_states_has(at->states, info->tenant, model, info->digest))
        return 0;
    if (at->moved < NAMED)
        snprintf(at->names[at->moved], sizeof at->names[0], "%.190s", info->tenant);
    at->moved++;
    return 0;
}

static bool is_selected(const mtnt__settings *settings)
{
    return settings->only.count > 0 || settings->where.count > 0 || settings->exclude.count > 0;
}

int mtnt__saved_compare(mtnt__work *work, const mtnt__saved_states *states)
{
    comparing at = {.states = states};
    const char *file = work->settings.plan;
    int exit_code = mtnt__survey_tenants(work, compare_tenant, &at);
    int64_t missing = (int64_t)states->count - at.tenants;

    if (exit_code != 0)
        return exit_code;
    if (at.moved > 0)
        return mtnt__work_fail(
            work, MTNT__EXIT_FATAL,
            "the fleet has moved on since the plan %s was made: %" PRId64 " tenant%s (%s%s%s%s%s%s) %s "
            "not where it has them, or %s not in it. Nothing was done. Make a new plan:   mtnt-model "
            "plan --save %s",
            file, at.moved, at.moved == 1 ? "" : "s", at.names[0], at.moved > 1 ? ", " : "", at.names[1],
            at.moved > 2 ? ", " : "", at.names[2], at.moved > NAMED ? " …" : "", at.moved == 1 ? "is" : "are",
            at.moved == 1 ? "is" : "are", file);
    if (missing > 0 && !is_selected(&work->settings))
        return mtnt__work_fail(work, MTNT__EXIT_FATAL,
                               "the fleet has moved on since the plan %s was made: %" PRId64
                               " of its %zu tenants %s no "
                               "longer there. Nothing was done. Make a new plan:   mtnt-model plan --save %s",
                               file, missing, states->count, missing == 1 ? "is" : "are", file);
    return 0;
}

int mtnt__saved_expect(void *data, const mtnt_model *model, int64_t version, const char *digest, mtnt_error *err)
{
    if (mtnt__saved_states_has(data, mtnt_model_id(model), model, digest))
        return 0;
    return mtnt_error_set(
        err, MTNT_E_HISTORY,
        "its model stands at version %" PRId64
        ", and not where the plan takes it from: somebody has migrated or restored it since. Nothing was "
        "changed",
        version);
}
