#include "failures.h"

#include <inttypes.h>
#include <string.h>

#include "encode.h"
#include "excerpt.h"

void mtnt__failures_put_examples(FILE *out, const mtnt__tally_group *group)
{
    for (size_t i = 0; i < MTNT__TALLY_EXAMPLES && group->examples[i] != NULL; i++) {
        fputs(i > 0 ? ", " : "", out);
        mtnt__words_put(out, group->examples[i]);
    }
    if (group->tenants > MTNT__TALLY_EXAMPLES)
        fprintf(out, " and %" PRId64 " more", group->tenants - MTNT__TALLY_EXAMPLES);
}

static void put_one(const mtnt__work *work, const mtnt__tally_group *failure)
{
    const mtnt__screen *screen = &work->screen;
    FILE *out = screen->out;
    const char *text = mtnt__excerpt_without_operation(failure->text, failure->operation);
    ptrdiff_t index = failure->operation == NULL ? -1 : mtnt_chain_find(work->chain, failure->operation);
    mtnt_entry_info info;

    fprintf(out, "  %" PRId64 " %s  ", failure->tenants, mtnt__screen_sign(screen, "×", "x"));
    mtnt__words_put_bytes(out, text, strcspn(text, "\n"));
    if (failure->operation != NULL) {
        fputs("   at ", out);
        if (index >= 0 && mtnt_chain_get(work->chain, (size_t)index, &info))
            fprintf(out, "%" PRId64 " ", info.order);
        mtnt__words_put(out, failure->operation);
    }
    fputs("     ", out);
    mtnt__failures_put_examples(out, failure);
    fputc('\n', out);
}

void mtnt__failures_put(const mtnt__work *work, const mtnt__tally_groups *groups)
{
    for (size_t i = 0; i < groups->count; i++)
        put_one(work, &groups->items[i]);
    if (groups->unlisted > 0)
        fprintf(work->screen.out, "  %" PRId64 " more with failures of their own\n", groups->unlisted);
}

static json_t *describe_examples(const mtnt__tally_group *group)
{
    json_t *examples = json_array();

    for (size_t j = 0; j < MTNT__TALLY_EXAMPLES && group->examples[j] != NULL; j++)
        json_array_append_new(examples, mtnt__encode_text(group->examples[j]));
    return examples;
}

json_t *mtnt__failures_describe(const mtnt__tally_groups *groups)
{
    json_t *list = json_array();

    for (size_t i = 0; list != NULL && i < groups->count; i++) {
        const mtnt__tally_group *failure = &groups->items[i];

        json_array_append_new(list, json_pack("{so so so sI so}", "error", mtnt__encode_text(failure->text),
                                              "operation", mtnt__encode_text(failure->operation), "state",
                                              mtnt__encode_text(failure->state), "tenants",
                                              (json_int_t)failure->tenants, "examples", describe_examples(failure)));
    }
    return list;
}

json_t *mtnt__failures_describe_notes(const mtnt__tally_groups *groups)
{
    json_t *list = json_array();

    for (size_t i = 0; list != NULL && i < groups->count; i++)
        json_array_append_new(list, json_pack("{so sI so}", "note", mtnt__encode_text(groups->items[i].text), "tenants",
                                              (json_int_t)groups->items[i].tenants, "examples",
                                              describe_examples(&groups->items[i])));
    return list;
}
