/* Waiting for locks and running long statements, both bounded by the deadline and ended by a cancel. */
#include "db/sqlite.h"

#define PROGRESS_STEPS 1000
#define LONGEST_NAP_MS 20

static bool has_to_end(const mtnt__sqlite *s)
{
    return s->call.system && mtnt__call_check(&s->call, NULL) != 0;
}

static int on_progress(void *data)
{
    return has_to_end(data);
}

/* Called again and again while a lock is not to be had; 0 = give up. */
static int on_busy(void *data, int count)
{
    mtnt__sqlite *s = data;
    const mtnt__system *system = s->call.system;
    int64_t nap, left, now;

    if (!system || has_to_end(s))
        return 0;
    now = system->boot_ms(system->data);
    if (count == 0)
        s->waiting_since_ms = now;
    left = s->call.lock_timeout_ms - (now - s->waiting_since_ms);
    if (left <= 0)
        return 0;
    nap = count < LONGEST_NAP_MS ? count + 1 : LONGEST_NAP_MS;
    system->sleep_ms(system->data, nap < left ? nap : left);
    return 1;
}

void mtnt__sqlite_install_waits(mtnt__sqlite *s)
{
    if (!s->raw)
        return;
    sqlite3_busy_handler(s->raw, on_busy, s);
    sqlite3_progress_handler(s->raw, PROGRESS_STEPS, on_progress, s);
}
