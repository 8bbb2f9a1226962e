#include "listing.h"

#include <inttypes.h>
#include <string.h>

#include "encode.h"
#include "survey.h"

typedef struct listing {
    mtnt__work *work;
    const mtnt__listing_spec *spec;
    mtnt__encode_list json;
    json_t *operations; /* of the tenant at hand */
    const char *tenant;
    int64_t here; /* operations of the tenant at hand */
    int64_t tenants, with_some, total;
} listing;

static void put_operation(const listing *list, const mtnt_operation_info *info)
{
    FILE *out = list->work->screen.out;
    char time[MTNT__WORDS_TIME_SIZE], duration[MTNT__WORDS_DURATION_SIZE];
    int width = mtnt__words_width(info->name, strlen(info->name));

    fprintf(out, "  %4" PRId64 "  ", info->order);
    mtnt__words_put(out, info->name);
    if (list->spec->times && info->finished_ms != 0) {
        mtnt__words_time(time, info->finished_ms);
        mtnt__words_duration(duration, info->finished_ms - info->started_ms);
        fprintf(out, "%*s%s   in %s", width < 24 ? 26 - width : 2, "", time, duration);
    }
    if (!info->in_chain)
        fputs("   (this chain lacks it)", out);
    if (!list->spec->times && info->status == MTNT_STATUS_FAILED)
        fputs("   (failed before)", out);
    fputc('\n', out);
}

static json_t *describe(const mtnt_operation_info *info)
{
    return json_pack("{sI so so sb so so so}", "order", (json_int_t)info->order, "name", mtnt__encode_text(info->name),
                     "status",
                     mtnt__encode_text(info->status == MTNT_STATUS_NONE ? NULL : mtnt_status_name(info->status)),
                     "in_chain", info->in_chain, "started", mtnt__encode_time(info->started_ms), "finished",
                     mtnt__encode_time(info->finished_ms), "error", mtnt__encode_text(info->error));
}

static int show_operation(void *data, const mtnt_operation_info *info, mtnt_error *err)
{
    listing *list = data;

    (void)err;
    if (!list->spec->wanted(info))
        return 0;
    list->here++;
    if (list->work->settings.format != MTNT__FORMAT_TEXT) {
        json_array_append_new(list->operations, describe(info));
        return 0;
    }
    if (list->here == 1) {
        mtnt__screen_put(&list->work->screen, list->work->screen.out, MTNT__STYLE_STRONG, list->tenant);
        fputc('\n', list->work->screen.out);
    }
    put_operation(list, info);
    return 0;
}

static int show_tenant(void *data, const mtnt_tenant_info *info, const mtnt_model *model)
{
    listing *list = data;
    int exit_code = 0;

    (void)model;
    list->here = 0;
    list->tenant = info->tenant;
    list->operations = json_array();
    if (!list->spec->skip_current || !info->current)
        exit_code = mtnt__survey_operations(list->work, info->tenant, show_operation, list);
    list->tenants++;
    list->with_some += list->here > 0;
    list->total += list->here;
    if (list->work->settings.format == MTNT__FORMAT_TEXT)
        json_decref(list->operations);
    else
        mtnt__encode_list_item(&list->json, json_pack("{so so sI so}", "id", mtnt__encode_text(info->tenant), "state",
                                                      mtnt__encode_text(info->state), "version",
                                                      (json_int_t)info->version, "operations", list->operations));
    return exit_code;
}

int mtnt__listing(mtnt__work *work, const mtnt__listing_spec *spec, int64_t *ret_tenants)
{
    listing list = {.work = work, .spec = spec};
    int exit_code = mtnt__survey_prepare(work);
    FILE *out = work->screen.out;

    if (exit_code != 0)
        return exit_code;
    if (work->settings.format != MTNT__FORMAT_TEXT)
        mtnt__encode_list_begin(&list.json, out, work->settings.format == MTNT__FORMAT_JSONL);
    exit_code = mtnt__survey_tenants(work, show_tenant, &list);
    if (work->settings.format != MTNT__FORMAT_TEXT && (exit_code == 0 || list.json.count > 0))
        mtnt__encode_list_end(&list.json,
                              json_pack("{sI sI sI}", "tenants", (json_int_t)list.tenants, "tenants_with_any",
                                        (json_int_t)list.with_some, "operations", (json_int_t)list.total));
    if (work->settings.format != MTNT__FORMAT_TEXT || exit_code != 0)
        goto out;
    if (list.total == 0)
        fprintf(out, "%s\n", spec->none);
    else
        fprintf(out, "\n%" PRId64 " of %" PRId64 " tenant%s: %" PRId64 " %s\n", list.with_some, list.tenants,
                list.tenants == 1 ? "" : "s", list.total, spec->word);
out:
    *ret_tenants = list.with_some;
    return exit_code;
}
