/* What a run would have to do, asked of the controller alone. */
#include <stdlib.h>
#include <string.h>

#include "fleet/dispatch.h"

struct counting {
    mtnt_executor *executor;
    mtnt__job job;
    mtnt_model *models[MTNT__BATCH_AHEAD];
    bool current[MTNT__BATCH_AHEAD];
    mtnt__known known[MTNT__BATCH];
};

static int pull(struct counting *c, mtnt_tenant_source *source, size_t *ret_count, mtnt_error *err)
{
    int rc = 0;

    for (*ret_count = 0; *ret_count < MTNT__BATCH_AHEAD; ++*ret_count) {
        mtnt_model *model = NULL;

        rc = source->next(source->data, &model, err);
        if (rc != 0 || model == NULL)
            break;
        c->models[*ret_count] = model;
    }
    return rc;
}

/* As the run will: one short question for many, and a longer one for those that are not plainly current. */
static int look(struct counting *c, size_t count, mtnt_counts *counts, mtnt_error *err)
{
    const char *chain = mtnt_chain_name(c->executor->chain);
    mtnt_controller *controller = c->executor->controller;
    const mtnt_model *others[MTNT__BATCH];
    size_t other_count = 0;
    int rc = mtnt__store_current(controller, chain, mtnt__job_goal(&c->job), (const mtnt_model *const *)c->models,
                                 count, c->current, err);

    /* Whose a model is, the controller does not know. */
    if (c->job.options.adoption != NULL)
        memset(c->current, 0, sizeof(c->current));
    for (size_t i = 0; i < count && rc == 0; i++) {
        counts->total++;
        counts->current += c->current[i];
        if (!c->current[i])
            others[other_count++] = c->models[i];
        if (other_count < MTNT__BATCH && i + 1 < count)
            continue;
        rc = mtnt__store_select(controller, chain, others, other_count, c->known, err);
        for (size_t k = 0; k < other_count && rc == 0; k++)
            counts->current += mtnt__job_current(&c->job, others[k], c->known + k);
        other_count = 0;
    }
    return rc;
}

static int count_all(struct counting *c, mtnt_tenant_source *source, mtnt_counts *counts, mtnt_error *err)
{
    size_t count;
    int rc;

    do {
        rc = pull(c, source, &count, err);
        if (rc == 0 && count > 0)
            rc = look(c, count, counts, err);
        for (size_t i = 0; i < count; i++)
            mtnt_model_free(c->models[i]);
    } while (rc == 0 && count == MTNT__BATCH_AHEAD);
    counts->untouched = counts->total - counts->current;
    return rc;
}

int mtnt_executor_count(mtnt_executor *executor, mtnt_tenant_source *source, mtnt_counts *ret_counts, mtnt_error *err)
{
    struct counting *c = calloc(1, sizeof(*c));
    mtnt_counts counts = {.budget = -1};
    int rc;

    if (c == NULL)
        return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
    c->executor = executor;
    rc = mtnt__job_init(&c->job, executor->controller, executor->chain, executor->options.direction,
                        &executor->options.migration, err);
    if (rc == 0)
        rc = count_all(c, source, &counts, err);
    mtnt__job_release(&c->job);
    free(c);
    if (rc == 0)
        *ret_counts = counts;
    return rc;
}
