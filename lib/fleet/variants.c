#include "fleet/variants.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

static int no_memory(mtnt_error *err)
{
    return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
}

void mtnt__variants_release(mtnt__variants *variants)
{
    for (size_t i = 0; i < variants->count; i++) {
        mtnt__siblings *siblings = variants->groups + i;

        for (size_t k = 0; k < siblings->count; k++) {
            mtnt__catalogue_release(&siblings->seen[k].catalogue);
            for (size_t n = 0; n < siblings->seen[k].example_count; n++)
                free(siblings->seen[k].examples[n]);
        }
        free(siblings->seen);
    }
    free(variants->groups);
    *variants = (mtnt__variants){0};
}

/* The same operations by the same checksums, written down in the same way. */
static int key_of(const mtnt__inspection *i, char ret_key[MTNT__CHECKSUM_SIZE], mtnt_error *err)
{
    char kind[64];
    const char *parts[] = {ret_key, kind, NULL};
    int rc = 0;

    snprintf(kind, sizeof(kind), "%d %lld %d", (int)i->model->backend, (long long)i->dialect, i->model->schema != NULL);
    ret_key[0] = '\0';
    for (size_t n = 0; n < i->lane_count && rc == 0; n++) {
        const char *more[] = {ret_key, i->lanes[n].position.digest, NULL};

        rc = mtnt__checksum(ret_key, more, err);
    }
    return rc == 0 ? mtnt__checksum(ret_key, parts, err) : rc;
}

static mtnt__siblings *group_of(mtnt__variants *variants, const char *key)
{
    mtnt__siblings *groups;

    for (size_t i = 0; i < variants->count; i++)
        if (strcmp(variants->groups[i].key, key) == 0)
            return variants->groups + i;
    groups = reallocarray(variants->groups, variants->count + 1, sizeof(*groups));
    if (groups == NULL)
        return NULL;
    variants->groups = groups;
    groups[variants->count] = (mtnt__siblings){.version = 0};
    mtnt__text_copy(groups[variants->count].key, sizeof(groups->key), key);
    return groups + variants->count++;
}

static mtnt__schema_seen *seen_of(mtnt__siblings *siblings, const char *schema)
{
    mtnt__schema_seen *seen;

    for (size_t i = 0; i < siblings->count; i++)
        if (strcmp(siblings->seen[i].schema, schema) == 0)
            return siblings->seen + i;
    seen = reallocarray(siblings->seen, siblings->count + 1, sizeof(*seen));
    if (seen == NULL)
        return NULL;
    siblings->seen = seen;
    memset(seen + siblings->count, 0, sizeof(*seen));
    mtnt__text_copy(seen[siblings->count].schema, sizeof(seen->schema), schema);
    return seen + siblings->count++;
}

int mtnt__variants_add(mtnt__variants *variants, mtnt__inspection *i, mtnt_error *err)
{
    char key[MTNT__CHECKSUM_SIZE];
    mtnt__siblings *siblings;
    mtnt__schema_seen *seen;

    /* Where nothing is applied yet, nothing says that they ought to be alike. */
    if (i->schema[0] == '\0' || !i->lanes[0].positioned || i->lanes[0].position.digest[0] == '\0')
        return 0;
    if (key_of(i, key, err) != 0)
        return MTNT_E_NOMEM;
    siblings = group_of(variants, key);
    seen = siblings == NULL ? NULL : seen_of(siblings, i->schema);
    if (seen == NULL)
        return no_memory(err);
    siblings->version = i->lanes[0].position.version;
    siblings->backend = i->model->backend;
    seen->tenants++;
    seen->changed += i->changed;
    seen->unrecorded += !i->recorded;
    if (!seen->kept && variants->kept < MTNT__CATALOGUES_KEPT) {
        seen->catalogue = i->catalogue;
        i->catalogue = (mtnt__catalogue){0};
        seen->kept = true;
        variants->kept++;
    }
    if (seen->example_count == MTNT__VARIANT_EXAMPLES)
        return 0;
    seen->examples[seen->example_count] = strdup(mtnt_model_id(i->model));
    if (seen->examples[seen->example_count] == NULL)
        return no_memory(err);
    seen->example_count++;
    return 0;
}

static int64_t weight(const mtnt__schema_seen *seen)
{
    return seen->tenants - seen->changed;
}

const mtnt__schema_seen *mtnt__siblings_measure(const mtnt__siblings *siblings, bool *ret_undecided)
{
    const mtnt__schema_seen *best = siblings->seen;

    *ret_undecided = false;
    for (size_t i = 1; i < siblings->count; i++) {
        const mtnt__schema_seen *seen = siblings->seen + i;

        if (weight(seen) > weight(best) || (weight(seen) == weight(best) && strcmp(seen->schema, best->schema) < 0))
            best = seen;
    }
    for (size_t i = 0; i < siblings->count; i++)
        *ret_undecided = *ret_undecided || (siblings->seen + i != best && weight(siblings->seen + i) == weight(best));
    return best;
}
