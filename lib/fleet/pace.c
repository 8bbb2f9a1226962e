#include "fleet/pace.h"

#define BURST_US 100000
#define FIRST_MS 1000
#define LONGEST_MS 60000

/* In thousandths of a millisecond: 1,000 in a second are one in each. */
static int64_t step_us(const mtnt__pace *pace)
{
    return pace->ms * 1000 / pace->count;
}

bool mtnt__pace_room(const mtnt__pace *pace, int64_t now_ms)
{
    return pace->count == 0 || now_ms * 1000 >= pace->next_us;
}

void mtnt__pace_take(mtnt__pace *pace, int64_t now_ms)
{
    int64_t earliest_us = now_ms * 1000 - BURST_US;

    if (pace->count == 0)
        return;
    /* Slower than ten in a second: nothing is saved up. */
    if (step_us(pace) >= BURST_US)
        earliest_us = now_ms * 1000;
    if (pace->next_us < earliest_us)
        pace->next_us = earliest_us;
    pace->next_us += step_us(pace);
}

int64_t mtnt__pace_wait_ms(const mtnt__pace *pace, int64_t now_ms)
{
    return mtnt__pace_room(pace, now_ms) ? 0 : (pace->next_us - now_ms * 1000 + 999) / 1000;
}

int64_t mtnt__pause_ms(int64_t first_ms, int64_t tries, uint32_t chance)
{
    int64_t ms = first_ms > 0 ? first_ms : FIRST_MS;

    for (int64_t i = 1; i < tries && ms < LONGEST_MS; i++)
        ms *= 2;
    if (ms > LONGEST_MS && first_ms < LONGEST_MS)
        ms = LONGEST_MS;
    return ms - (int64_t)((uint64_t)chance * (uint64_t)(ms / 2 + 1) >> 32);
}
