#include "fleet/waves.h"

#define NO_TOTAL                                                                                                         \
    "%s: the source of the tenants cannot tell how many there are, so a percentage means nothing yet. Count those that " \
    "have something to do first (mtnt_executor_count), or write a number of tenants"

static int plan_budget(mtnt__waves *waves, const char *text, mtnt_error *err)
{
    mtnt__share budget = {0};

    if (text == NULL)
        return 0;
    if (!mtnt__share_parse(text, &budget))
        return mtnt_rollout_check_max_failures(text, err);
    if (budget.percent && budget.millis > 0 && budget.millis < MTNT__SHARE_WHOLE && waves->total < 0)
        return mtnt_error_set(err, MTNT_E_INVALID, NO_TOTAL, "max_failures");
    waves->budget = budget;
    waves->budgeted = true;
    return 0;
}

/* A wave that goes no further than the one before has nobody in it. */
static void add(mtnt__waves *waves, int64_t end)
{
    if (waves->count == 0 || end > waves->ends[waves->count - 1])
        waves->ends[waves->count++] = end;
}

int mtnt__waves_plan(mtnt__waves *ret_waves, const mtnt_rollout_options *options, int64_t total, mtnt_error *err)
{
    mtnt__waves waves = {.total = total, .soak_ms = options->soak_ms};
    mtnt__share shares[MTNT__SHARES_MAX];
    size_t count = 0;
    int rc = plan_budget(&waves, options->max_failures, err);

    if (rc == 0 && options->waves != NULL)
        rc = mtnt__shares_parse(options->waves, shares, &count, err);
    if (rc != 0)
        return rc;
    if (options->canary > 0)
        add(&waves, options->canary);
    for (size_t i = 0; i < count; i++) {
        if (shares[i].percent && shares[i].millis == MTNT__SHARE_WHOLE)
            break;
        if (shares[i].percent && total < 0)
            return mtnt_error_set(err, MTNT_E_INVALID, NO_TOTAL, "waves");
        add(&waves, mtnt__share_of(shares[i], total));
    }
    /* What is known to be the end is the last wave's: nothing comes after it. */
    while (waves.count > 0 && total >= 0 && waves.ends[waves.count - 1] >= total)
        waves.count--;
    add(&waves, INT64_MAX);
    waves.judges = waves.count > 1;
    *ret_waves = waves;
    return 0;
}

bool mtnt__waves_room(const mtnt__waves *waves)
{
    return waves->soak_until_ms == 0 && waves->begun < waves->ends[waves->at];
}

void mtnt__waves_begin(mtnt__waves *waves)
{
    waves->begun++;
    waves->open++;
}

void mtnt__waves_end(mtnt__waves *waves)
{
    waves->open--;
}

void mtnt__waves_forget(mtnt__waves *waves)
{
    waves->begun--;
    waves->open--;
}

void mtnt__waves_inherit(mtnt__waves *waves)
{
    waves->open++;
}

bool mtnt__waves_last(const mtnt__waves *waves)
{
    return waves->at == waves->count - 1;
}

bool mtnt__waves_complete(const mtnt__waves *waves)
{
    return !mtnt__waves_last(waves) && waves->open == 0 && waves->begun >= waves->ends[waves->at];
}

int64_t mtnt__waves_size(const mtnt__waves *waves)
{
    int64_t end = mtnt__waves_last(waves) ? waves->total : waves->ends[waves->at];

    /* More may have come than were counted. */
    return end < 0 ? -1 : (end > waves->begun ? end : waves->begun) - waves->begun_before;
}

/* More may have come than were counted. */
static int64_t whole(const mtnt__waves *waves)
{
    return waves->total > waves->begun ? waves->total : waves->begun;
}

int64_t mtnt__waves_budget(const mtnt__waves *waves)
{
    if (!waves->budgeted)
        return -1;
    return waves->budget.percent ? whole(waves) * waves->budget.millis / MTNT__SHARE_WHOLE : waves->budget.count;
}

bool mtnt__waves_spent(const mtnt__waves *waves, int64_t failed)
{
    int64_t here = failed - waves->failed_before;

    if (!waves->budgeted)
        return here > 0 && mtnt__waves_complete(waves);
    if (failed > mtnt__waves_budget(waves))
        return true;
    return waves->budget.percent && waves->judges && mtnt__share_exceeded(waves->budget, here, mtnt__waves_size(waves));
}

int64_t mtnt__waves_left(const mtnt__waves *waves, int64_t failed)
{
    int64_t left = mtnt__waves_budget(waves) - failed, here;

    if (!waves->budgeted)
        return INT64_MAX;
    if (!waves->budget.percent || !waves->judges)
        return left;
    here = mtnt__waves_size(waves) * waves->budget.millis / MTNT__SHARE_WHOLE - (failed - waves->failed_before);
    return here < left ? here : left;
}

void mtnt__waves_soak(mtnt__waves *waves, int64_t until_ms)
{
    /* 0 says that there is no soak. */
    waves->soak_until_ms = until_ms > 0 ? until_ms : 1;
}

void mtnt__waves_set(mtnt__waves *waves, int at, int64_t begun, int64_t begun_before, int64_t failed_before)
{
    if (at != waves->at)
        waves->soak_until_ms = 0;
    waves->at = at;
    waves->begun = begun;
    waves->begun_before = begun_before;
    waves->failed_before = failed_before;
}
