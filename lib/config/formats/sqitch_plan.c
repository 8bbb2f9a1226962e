#include "config/formats/sqitch.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

void mtnt__sqitch_plan_release(mtnt__sqitch_plan *plan)
{
    for (size_t i = 0; i < plan->line_count; i++) {
        free(plan->lines[i].name);
        free(plan->lines[i].needs);
        free(plan->lines[i].planner);
        free(plan->lines[i].email);
        free(plan->lines[i].note);
    }
    free(plan->lines);
    free(plan->project);
    free(plan->uri);
    *plan = (mtnt__sqitch_plan){0};
}

mtnt__sqitch_line *mtnt__sqitch_earlier(const mtnt__sqitch_plan *plan, size_t end, bool is_tag, const char *name,
                                        size_t length)
{
    for (size_t i = end; i > 0; i--) {
        mtnt__sqitch_line *l = &plan->lines[i - 1];

        if (l->is_tag == is_tag && strlen(l->name) == length && strncmp(l->name, name, length) == 0)
            return l;
    }
    return NULL;
}

static mtnt__sqitch_line *change_before(const mtnt__sqitch_plan *plan, size_t end)
{
    while (end > 0 && plan->lines[end - 1].is_tag)
        end--;
    return end > 0 ? &plan->lines[end - 1] : NULL;
}

/* ---- dependencies ---- */

/* The next of "[!][project:][change][@tag] …"; its length, 0 = no more. */
static size_t next_need(const char **at, bool *ret_conflict, const char **ret_need)
{
    size_t length;

    if (!*at)
        return 0;
    *at += strspn(*at, " \t");
    length = strcspn(*at, " \t");
    *ret_conflict = length > 0 && **at == '!';
    *ret_need = *at + *ret_conflict;
    *at += length;
    return length - *ret_conflict;
}

static const mtnt__sqitch_line *first_of(const mtnt__sqitch_plan *plan, size_t end, const char *name, size_t length)
{
    const mtnt__sqitch_line *at, *first = NULL;

    while ((at = mtnt__sqitch_earlier(plan, end, false, name, length))) {
        first = at;
        end = (size_t)(at - plan->lines);
    }
    return first;
}

/* The change that is meant, as the tool takes it: the last of that name before the tag, or without one the first of all. NULL = it is of another
 * project. */
static const mtnt__sqitch_line *needed(const mtnt__sqitch_plan *plan, size_t index, const char *need, size_t length)
{
    const char *tag = memchr(need, '@', length);
    size_t name_length = tag ? (size_t)(tag - need) : length, end;
    const mtnt__sqitch_line *at;

    if (memchr(need, ':', length))
        return NULL;
    if (!tag)
        return first_of(plan, index, need, length);
    at = mtnt__sqitch_earlier(plan, index, true, tag + 1, length - name_length - 1);
    if (!at)
        return NULL;
    end = (size_t)(at - plan->lines);
    return name_length == 0 ? change_before(plan, end) : mtnt__sqitch_earlier(plan, end, false, need, name_length);
}

static void add_needs(mtnt__buffer *info, const mtnt__sqitch_line *l, bool conflicts)
{
    const char *at = l->needs, *need, *before = conflicts ? "\nconflicts" : "\nrequires";
    bool conflict;
    size_t length;

    while ((length = next_need(&at, &conflict, &need)) > 0)
        if (conflict == conflicts) {
            mtnt__buffer_add_format(info, "%s\n  %c %.*s", before, conflicts ? '-' : '+', (int)length, need);
            before = "";
        }
}

/* ---- ids ---- */

/* Hashed as git hashes its objects. */
static int hash(const char *kind, mtnt__buffer *info, char ret_id[MTNT__SHA1_SIZE], mtnt_error *err)
{
    mtnt__buffer object = {0};
    int rc;

    mtnt__buffer_add_format(&object, "%s %zu", kind, info->length);
    mtnt__buffer_add(&object, "", 1);
    mtnt__buffer_add(&object, info->bytes, info->length);
    rc = info->failed || object.failed ? mtnt_error_set(err, MTNT_E_NOMEM, "out of memory")
                                       : mtnt__sha1(ret_id, object.bytes, object.length, err);
    mtnt__buffer_release(&object);
    return rc;
}

static int reckon(mtnt__sqitch_plan *plan, size_t index, mtnt_error *err)
{
    mtnt__sqitch_line *l = &plan->lines[index];
    const mtnt__sqitch_line *before = change_before(plan, index);
    mtnt__buffer info = {0};
    int rc;

    mtnt__buffer_add_format(&info, "project %s", plan->project);
    if (plan->uri)
        mtnt__buffer_add_format(&info, "\nuri %s", plan->uri);
    if (l->is_tag)
        mtnt__buffer_add_format(&info, "\ntag @%s\nchange %s", l->name, before ? before->id : "");
    else
        mtnt__buffer_add_format(&info, "\nchange %s", l->name);
    if (!l->is_tag && before)
        mtnt__buffer_add_format(&info, "\nparent %s", before->id);
    mtnt__buffer_add_format(&info, "\nplanner %s <%s>\ndate %s", l->planner, l->email, l->when);
    add_needs(&info, l, false);
    add_needs(&info, l, true);
    if (l->note)
        mtnt__buffer_add_format(&info, "\n\n%s", l->note);
    rc = hash(l->is_tag ? "tag" : "change", &info, l->id, err);
    mtnt__buffer_release(&info);
    return rc;
}

int mtnt__sqitch_reckon(mtnt__sqitch_plan *plan, mtnt_error *err)
{
    int rc = 0;

    for (size_t i = 0; plan->project && rc == 0 && i < plan->line_count; i++)
        rc = reckon(plan, i, err);
    return rc;
}

/* ---- for the registry ---- */

static json_t *describe_line(const mtnt__sqitch_line *l)
{
    return json_pack("{ss ss ss ss ss ss}", "id", l->id, "name", l->name, "note", l->note ? l->note : "", "planned_at",
                     l->when, "planner_name", l->planner, "planner_email", l->email);
}

static json_t *describe_tags(const mtnt__sqitch_plan *plan, size_t index)
{
    json_t *tags = json_array();

    for (size_t i = index + 1; tags && i < plan->line_count && plan->lines[i].is_tag; i++)
        json_array_append_new(tags, describe_line(&plan->lines[i]));
    return tags;
}

static json_t *describe_needs(const mtnt__sqitch_plan *plan, size_t index)
{
    const char *at = plan->lines[index].needs, *need;
    json_t *needs = json_array();
    bool conflict;
    size_t length;

    while (needs && (length = next_need(&at, &conflict, &need)) > 0) {
        const mtnt__sqitch_line *meant = conflict ? NULL : needed(plan, index, need, length);

        json_array_append_new(needs, json_pack("{ss so ss*}", "type", conflict ? "conflict" : "require", "dependency",
                                               json_stringn(need, length), "dependency_id", meant ? meant->id : NULL));
    }
    return needs;
}

char *mtnt__sqitch_detail(const mtnt__sqitch_plan *plan, size_t index)
{
    const mtnt__sqitch_line *l = &plan->lines[index];
    json_t *all = describe_line(l);
    char *text = NULL;

    if (all && json_object_set_new(all, "project", json_string(plan->project)) == 0 &&
        json_object_set_new(all, "uri", plan->uri ? json_string(plan->uri) : json_null()) == 0 &&
        json_object_set_new(all, "script_hash", json_string(l->script_hash)) == 0 &&
        json_object_set_new(all, "tags", describe_tags(plan, index)) == 0 &&
        json_object_set_new(all, "needs", describe_needs(plan, index)) == 0)
        text = json_dumps(all, JSON_COMPACT | JSON_SORT_KEYS);
    json_decref(all);
    return text;
}
