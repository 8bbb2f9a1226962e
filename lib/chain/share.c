#include "chain/share.h"

#include <string.h>

#include "base/text.h"
#include "mtnt/rollout.h"

#define COUNT_MAX INT64_C(1000000000000)

/* "2.5": thousandths, without rounding. */
static bool parse_millis(const char *text, size_t length, int64_t *ret_millis)
{
    const char *point = memchr(text, '.', length);
    size_t whole = point == NULL ? length : (size_t)(point - text), decimals = point == NULL ? 0 : length - whole - 1;
    int64_t millis = 0;

    if (whole == 0 || whole > 3 || decimals > 3 || (point != NULL && decimals == 0))
        return false;
    for (size_t i = 0; i < whole + 3; i++) {
        size_t at = i < whole ? i : i + 1;
        int digit = at < length ? text[at] - '0' : 0;

        if (digit < 0 || digit > 9)
            return false;
        millis = millis * 10 + digit;
    }
    *ret_millis = millis;
    return millis <= MTNT__SHARE_WHOLE;
}

bool mtnt__share_parse(const char *text, mtnt__share *ret_share)
{
    size_t length = strlen(text);
    mtnt__share share = {0};

    share.percent = length > 0 && text[length - 1] == '%';
    if (share.percent ? !parse_millis(text, length - 1, &share.millis)
                      : !mtnt__parse_int(text, 0, COUNT_MAX, &share.count))
        return false;
    *ret_share = share;
    return true;
}

/* Fleets are small beside what an int64_t holds: no product overflows below 9e13 tenants. */
int64_t mtnt__share_of(mtnt__share share, int64_t total)
{
    return share.percent ? (total * share.millis + MTNT__SHARE_WHOLE - 1) / MTNT__SHARE_WHOLE : share.count;
}

bool mtnt__share_exceeded(mtnt__share share, int64_t part, int64_t total)
{
    return share.percent ? part * MTNT__SHARE_WHOLE > total * share.millis : part > share.count;
}

/* ---- lists ---- */

static bool next_part(const char **text, char ret_part[32])
{
    size_t length = strcspn(*text, ",");

    if (length == 0 || length >= 32)
        return false;
    memcpy(ret_part, *text, length);
    ret_part[length] = '\0';
    *text += length;
    return true;
}

/* Counts and percentages can be compared only when it is known how many there are. */
static bool rises(mtnt__share before, mtnt__share share)
{
    if (before.percent != share.percent)
        return share.percent;
    return share.percent ? share.millis > before.millis : share.count > before.count;
}

int mtnt__shares_parse(const char *text, mtnt__share ret_shares[MTNT__SHARES_MAX], size_t *ret_count, mtnt_error *err)
{
    mtnt__share shares[MTNT__SHARES_MAX];
    size_t count = 0;

    for (const char *rest = text;; rest++) {
        mtnt__share share = {0};
        char part[32];

        if (!next_part(&rest, part) || !mtnt__share_parse(part, &share) || mtnt__share_of(share, 1000) == 0)
            return mtnt_error_set(err, MTNT_E_INVALID, "`%s` are no waves; write how far each goes: 1,10%%,100%%",
                                  text);
        if (count > 0 && !rises(shares[count - 1], share))
            return mtnt_error_set(err, MTNT_E_INVALID,
                                  "`%s`: each wave goes further than the one before, numbers of tenants before "
                                  "percentages: 1,50,10%%,100%%",
                                  text);
        if (count == MTNT__SHARES_MAX)
            return mtnt_error_set(err, MTNT_E_INVALID, "more than %d waves", MTNT__SHARES_MAX);
        shares[count++] = share;
        if (*rest == '\0')
            break;
    }
    if (ret_shares != NULL) {
        memcpy(ret_shares, shares, count * sizeof(*shares));
        *ret_count = count;
    }
    return 0;
}

bool mtnt__rate_parse(const char *text, int64_t *ret_count, int64_t *ret_ms)
{
    const char *slash = strchr(text, '/');
    char number[32];
    int64_t ms;

    if (slash == NULL || slash == text || (size_t)(slash - text) >= sizeof(number))
        return false;
    memcpy(number, text, (size_t)(slash - text));
    number[slash - text] = '\0';
    ms = strcmp(slash, "/s") == 0 ? 1000 : strcmp(slash, "/m") == 0 ? 60000 : strcmp(slash, "/h") == 0 ? 3600000 : 0;
    if (ms == 0 || !mtnt__parse_int(number, 1, 1000000, ret_count))
        return false;
    *ret_ms = ms;
    return true;
}

/* ---- for whoever takes these texts ---- */

int mtnt_rollout_check_waves(const char *waves, mtnt_error *err)
{
    return mtnt__shares_parse(waves, NULL, NULL, err);
}

int mtnt_rollout_check_max_failures(const char *max_failures, mtnt_error *err)
{
    mtnt__share share;

    if (mtnt__share_parse(max_failures, &share))
        return 0;
    return mtnt_error_set(err, MTNT_E_INVALID, "`%s` is no number of tenants, like 5, and no percentage, like 2%%",
                          max_failures);
}

int mtnt_rollout_check_rate(const char *rate, mtnt_error *err)
{
    int64_t count, ms;

    if (mtnt__rate_parse(rate, &count, &ms))
        return 0;
    return mtnt_error_set(err, MTNT_E_INVALID, "`%s` is no rate; write 10/s, 90/m or 500/h", rate);
}

bool mtnt_rollout_needs_count(const mtnt_rollout_options *options)
{
    mtnt__share shares[MTNT__SHARES_MAX], budget = {0};
    size_t count = 0;
    bool needs;

    needs = options->max_failures != NULL && mtnt__share_parse(options->max_failures, &budget) && budget.percent &&
            budget.millis > 0 && budget.millis < MTNT__SHARE_WHOLE;
    if (options->waves != NULL && mtnt__shares_parse(options->waves, shares, &count, NULL) == 0)
        for (size_t i = 0; i < count; i++)
            needs = needs || (shares[i].percent && shares[i].millis < MTNT__SHARE_WHOLE);
    return needs;
}
