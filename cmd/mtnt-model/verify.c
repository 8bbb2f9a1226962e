#include "commands.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "encode.h"
#include "excerpt.h"
#include "who.h"

enum { DIFF_LINES = 40, EXAMPLES = 3 };

typedef struct verification {
    mtnt__work *work;
    mtnt__encode_list json;
    json_t *variants;
    bool repairable; /* something could be repaired, and was not */
} verification;

/* ---- one tenant ---- */

static void put_finding(verification *all, const char *tenant, const mtnt_finding *finding)
{
    const mtnt__screen *screen = &all->work->screen;
    FILE *out = screen->out;

    mtnt__screen_put(screen, out, finding->repaired ? MTNT__STYLE_GOOD : MTNT__STYLE_BAD,
                     finding->repaired ? mtnt__screen_sign(screen, "✓", "ok") : mtnt__screen_sign(screen, "✗", "!!"));
    fputc(' ', out);
    mtnt__words_put(out, tenant);
    fprintf(out, "   %s%s: ", mtnt_finding_name(finding->kind), finding->repaired ? ", repaired" : "");
    mtnt__excerpt_put_lines(out, 4, finding->text);
    fputc('\n', out);
    if (finding->repaired || finding->next[0] == '\0')
        return;
    fputs("    next: ", out);
    mtnt__words_put(out, finding->next);
    fputc('\n', out);
}

static json_t *encode_findings(const mtnt_verified *verified)
{
    json_t *findings = json_array();

    for (size_t i = 0; i < verified->finding_count; i++) {
        const mtnt_finding *finding = &verified->findings[i];

        json_array_append_new(findings,
                              json_pack("{ss so so sb sb}", "kind", mtnt_finding_name(finding->kind), "text",
                                        mtnt__encode_text(finding->text), "next", mtnt__encode_text(finding->next),
                                        "repairable", finding->repairable, "repaired", finding->repaired));
    }
    return findings;
}

static int show_tenant(void *data, const mtnt_verified *verified, mtnt_error *err)
{
    verification *all = data;
    FILE *out = all->work->screen.out;

    (void)err;
    for (size_t i = 0; i < verified->finding_count; i++)
        all->repairable = all->repairable || (verified->findings[i].repairable && !verified->findings[i].repaired);
    if (all->work->settings.format != MTNT__FORMAT_TEXT) {
        mtnt__encode_list_item(
            &all->json, json_pack("{so sb sb sb sI sI so sb so so}", "id", mtnt__encode_text(verified->tenant), "sound",
                                  verified->finding_count == 0 && verified->error == NULL, "exists", verified->exists,
                                  "put_away", verified->put_away, "version", (json_int_t)verified->version,
                                  "known_version", (json_int_t)verified->known_version, "schema",
                                  mtnt__encode_text(verified->schema), "recorded", verified->recorded, "findings",
                                  encode_findings(verified), "error", mtnt__encode_error(verified->error)));
        return 0;
    }
    for (size_t i = 0; i < verified->finding_count; i++)
        put_finding(all, verified->tenant, &verified->findings[i]);
    if (verified->error != NULL &&
        (verified->finding_count == 0 || verified->findings[0].kind != MTNT_FINDING_UNREACHABLE)) {
        mtnt__words_put(out, verified->tenant);
        fputs(": not repaired: ", out);
        mtnt__excerpt_put_lines(out, 4, verified->error->message);
        fputc('\n', out);
    } else if (verified->finding_count == 0 && all->work->settings.verbose) {
        mtnt__words_put(out, verified->tenant);
        fprintf(out, ": %s, version %" PRId64 "\n",
                verified->put_away ? "put away"
                : verified->exists ? "sound"
                                   : "not there yet",
                verified->version);
    }
    return 0;
}

/* ---- siblings ---- */

static void put_diff_line(void *data, char sign, const char *text, size_t length)
{
    verification *all = data;
    FILE *out = all->work->screen.out;
    char mark[2] = {sign, '\0'};

    fputs("    ", out);
    mtnt__screen_put(&all->work->screen, out,
                     sign == '+'   ? MTNT__STYLE_GOOD
                     : sign == '-' ? MTNT__STYLE_BAD
                                   : MTNT__STYLE_PLAIN,
                     mark);
    fputc(' ', out);
    for (size_t at = 0, end; at < length; at = end + 1) {
        for (end = at; end < length && text[end] != '\t'; end++)
            ;
        mtnt__words_put_bytes(out, text + at, end - at);
        if (end < length)
            fputc(' ', out);
    }
    fputc('\n', out);
}

static void add_diff_line(void *data, char sign, const char *text, size_t length)
{
    char *line = malloc(length + 3);

    if (line == NULL)
        return;
    line[0] = sign;
    line[1] = ' ';
    memcpy(line + 2, text, length);
    line[length + 2] = '\0';
    for (char *c = line; *c != '\0'; c++)
        if (*c == '\t')
            *c = ' ';
    json_array_append_new(data, mtnt__encode_text(line));
    free(line);
}

static json_t *encode_variant(const mtnt_variant *variant)
{
    json_t *examples = json_array(), *diff = json_array();

    for (size_t i = 0; i < variant->example_count; i++)
        json_array_append_new(examples, mtnt__encode_text(variant->examples[i]));
    mtnt_variant_diff(variant, SIZE_MAX, add_diff_line, diff);
    return json_pack("{sI ss sI sI sI sb ss so so}", "version", (json_int_t)variant->version, "backend",
                     variant->backend == MTNT_SQLITE ? "sqlite" : "postgresql", "tenants", (json_int_t)variant->tenants,
                     "siblings", (json_int_t)variant->siblings, "changed", (json_int_t)variant->changed, "undecided",
                     variant->undecided, "schema", variant->schema, "examples", examples, "diff", diff);
}

static void put_examples(const verification *all, const mtnt_variant *variant)
{
    FILE *out = all->work->screen.out;
    size_t most = all->work->settings.verbose ? variant->example_count : EXAMPLES;
    size_t shown = variant->example_count < most ? variant->example_count : most;

    fputs("    ", out);
    for (size_t i = 0; i < shown; i++) {
        fputs(i == 0 ? "" : ", ", out);
        mtnt__words_put(out, variant->examples[i]);
    }
    if ((int64_t)shown < variant->tenants)
        fprintf(out, " and %" PRId64 " more", variant->tenants - (int64_t)shown);
    fputc('\n', out);
}

static void put_variant(verification *all, const mtnt_variant *variant)
{
    FILE *out = all->work->screen.out;
    bool one = variant->tenants == 1;
    size_t most = all->work->settings.verbose ? SIZE_MAX : DIFF_LINES;
    size_t lines;

    fprintf(out, "\nschema: %" PRId64 " tenant%s at version %" PRId64 " (%s) %s unlike %s%" PRId64 " other%s%s\n",
            variant->tenants, one ? "" : "s", variant->version,
            variant->backend == MTNT_SQLITE ? "SQLite" : "PostgreSQL", one ? "is" : "are",
            variant->siblings == 1 ? "" : "the ", variant->siblings, variant->siblings == 1 ? "" : "s",
            variant->undecided ? ", and nothing says which is right" : "");
    put_examples(all, variant);
    lines = mtnt_variant_diff(variant, most, put_diff_line, all);
    if (lines == 0)
        fputs("    (too many different ones to keep: look at these with --tenant, beside one of the others)\n", out);
    else if (lines > most)
        fprintf(out, "    … %zu lines more: -v shows them\n", lines - most);
    fprintf(out, "    next: take it back by hand, or make it an operation of the chain for all%s\n",
            variant->undecided ? ""
            : one              ? "; then   mtnt-model verify"
                               : "");
}

static int show_variant(void *data, const mtnt_variant *variant, mtnt_error *err)
{
    verification *all = data;

    (void)err;
    if (all->work->settings.format == MTNT__FORMAT_TEXT)
        put_variant(all, variant);
    else
        json_array_append_new(all->variants, encode_variant(variant));
    return 0;
}

/* ---- all ---- */

static void put_summary(const verification *all, const mtnt_verification_counts *counts)
{
    FILE *out = all->work->screen.out;

    fprintf(out,
            "%" PRId64 " tenant%s: %" PRId64 " sound, %" PRId64 " not as %s should be, %" PRId64
            " could not be looked at; %" PRId64 " unlike %s siblings\n",
            counts->tenants, counts->tenants == 1 ? "" : "s", counts->sound, counts->unsound,
            counts->unsound == 1 ? "it" : "they", counts->failed, counts->unlike,
            counts->unlike == 1 ? "its" : "their");
    if (counts->repaired > 0)
        fprintf(out, "%" PRId64 " repaired in the controller\n", counts->repaired);
    if (counts->alone > 0)
        fprintf(out,
                "%" PRId64
                " schema%s compared with nothing: no sibling at the version, and no record (--fingerprint always)\n",
                counts->alone, counts->alone == 1 ? " was" : "s were");
}

static int finish(verification *all, const mtnt_verification_counts *counts)
{
    const mtnt__settings *settings = &all->work->settings;
    bool found = counts->unsound > 0 || counts->unlike > 0;

    if (settings->format == MTNT__FORMAT_TEXT)
        put_summary(all, counts);
    else
        mtnt__encode_list_end(&all->json,
                              json_pack("{sI sI sI sI sI sI sI sI sO}", "tenants", (json_int_t)counts->tenants, "sound",
                                        (json_int_t)counts->sound, "unsound", (json_int_t)counts->unsound, "failed",
                                        (json_int_t)counts->failed, "unlike", (json_int_t)counts->unlike, "repaired",
                                        (json_int_t)counts->repaired, "put_away", (json_int_t)counts->put_away, "alone",
                                        (json_int_t)counts->alone, "variants", all->variants));
    if (counts->failed > 0)
        return MTNT__EXIT_FAILED;
    if (settings->repair && !settings->yes && all->repairable)
        return mtnt__work_fail(
            all->work, MTNT__EXIT_USAGE,
            "nothing was changed; with --yes the controller's rows are brought in step with the models");
    return found && settings->exit_code ? MTNT__EXIT_PENDING : MTNT__EXIT_OK;
}

static int open_all(mtnt__work *work, mtnt_tenant_source *ret_source)
{
    int exit_code = mtnt__work_load_chain(work);

    if (exit_code != 0)
        return exit_code;
    if (work->settings.repair && work->settings.yes)
        return mtnt__work_open_fleet(work, ret_source);
    exit_code = mtnt__work_open_controller(work, true);
    if (exit_code == 0 && work->controller == NULL)
        return mtnt__work_fail(work, MTNT__EXIT_FATAL,
                               "verify compares models with what their controller says, and there is none");
    return exit_code != 0 ? exit_code : mtnt__work_open_tenants(work, ret_source);
}

int mtnt__command_verify(mtnt__work *work)
{
    mtnt_verification_options options = MTNT_VERIFICATION_OPTIONS_INIT;
    mtnt_tenant_source source = {NULL, NULL, NULL, NULL};
    verification all = {.work = work, .variants = json_array()};
    mtnt_verification_counts counts;
    mtnt_error err = MTNT_ERROR_INIT;
    char who[MTNT__WHO_SIZE];
    int exit_code = open_all(work, &source);

    if (exit_code != 0)
        goto out;
    mtnt__who(who);
    options.workers = (int)work->settings.workers;
    options.allow_out_of_order = work->settings.allow_out_of_order;
    options.repair = options.accept_replaced = work->settings.repair && work->settings.yes;
    options.who = who;
    options.reason = work->settings.reason;
    options.tenant = show_tenant;
    options.variant = show_variant;
    options.data = &all;
    if (work->settings.format != MTNT__FORMAT_TEXT)
        mtnt__encode_list_begin(&all.json, work->screen.out, work->settings.format == MTNT__FORMAT_JSONL);
    exit_code = mtnt_verify_models(work->controller, work->chain, &source, &options, &counts, &err) == 0
                    ? finish(&all, &counts)
                    : mtnt__work_fail_error(work, &err);
out:
    mtnt_tenant_source_close(&source);
    json_decref(all.variants);
    return exit_code;
}
