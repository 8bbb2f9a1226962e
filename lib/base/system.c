#include "base/system.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/text.h"

static int64_t clock_ms(clockid_t clock)
{
    struct timespec now;

    if (clock_gettime(clock, &now) != 0)
        return 0;
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int64_t real_boot_ms(void *data)
{
    (void)data;
    return clock_ms(CLOCK_BOOTTIME);
}

static int64_t real_wall_ms(void *data)
{
    (void)data;
    return clock_ms(CLOCK_REALTIME);
}

static void real_sleep_ms(void *data, int64_t ms)
{
    struct timespec left = {(time_t)(ms / 1000), (long)(ms % 1000) * 1000000};

    (void)data;
    if (ms <= 0)
        return;
    while (nanosleep(&left, &left) != 0 && errno == EINTR)
        ;
}

static int real_random(void *data, void *ret_bytes, size_t size)
{
    unsigned char *bytes = ret_bytes;

    (void)data;
    while (size > 0) {
        ssize_t got = getrandom(bytes, size, 0);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return MTNT_E_IO;
        bytes += got;
        size -= (size_t)got;
    }
    return MTNT_OK;
}

const mtnt__system *mtnt__system_default(void)
{
    static const mtnt__system real = {real_boot_ms, real_wall_ms, real_sleep_ms, real_random, NULL};

    return &real;
}

mtnt__deadline_ms mtnt__deadline_in(const mtnt__system *system, int64_t timeout_ms)
{
    mtnt__deadline_ms deadline;

    if (timeout_ms <= 0)
        return 0;
    if (__builtin_add_overflow(system->boot_ms(system->data), timeout_ms, &deadline))
        return INT64_MAX;
    return deadline;
}

int mtnt__deadline_left(const mtnt__system *system, mtnt__deadline_ms deadline)
{
    int64_t left;

    if (deadline == 0)
        return -1;
    left = deadline - system->boot_ms(system->data);
    if (left < 0)
        return 0;
    return left > INT_MAX ? INT_MAX : (int)left;
}

mtnt__deadline_ms mtnt__deadline_earlier(mtnt__deadline_ms a, mtnt__deadline_ms b)
{
    if (a == 0)
        return b;
    return b == 0 || a < b ? a : b;
}

int mtnt__random_id(const mtnt__system *system, char ret_id[MTNT__ID_SIZE], mtnt_error *err)
{
    static const char digits[] = "0123456789abcdef";
    unsigned char bytes[(MTNT__ID_SIZE - 1) / 2];

    if (system->random(system->data, bytes, sizeof(bytes)) != 0)
        return mtnt_error_set(err, MTNT_E_IO, "the system gave no random bytes");
    for (size_t i = 0; i < sizeof(bytes); i++) {
        ret_id[2 * i] = digits[bytes[i] >> 4];
        ret_id[2 * i + 1] = digits[bytes[i] & 15];
    }
    ret_id[MTNT__ID_SIZE - 1] = '\0';
    return MTNT_OK;
}

void mtnt__time_text(int64_t wall_ms, char ret_text[MTNT__TIME_SIZE])
{
    int64_t seconds = wall_ms / 1000, ms = wall_ms % 1000;
    struct tm broken;
    time_t time;

    if (ms < 0) {
        ms += 1000;
        seconds--;
    }
    time = (time_t)seconds;
    /* A year of more than four digits has no RFC 3339 form. */
    if (!gmtime_r(&time, &broken) || broken.tm_year < -1900 || broken.tm_year > 9999 - 1900) {
        mtnt__text_copy(ret_text, MTNT__TIME_SIZE, "1970-01-01T00:00:00.000Z");
        return;
    }
    snprintf(ret_text, MTNT__TIME_SIZE, "%04u-%02u-%02uT%02u:%02u:%02u.%03uZ",
             (unsigned)(broken.tm_year + 1900) % 10000u, (unsigned)(broken.tm_mon + 1) % 100u,
             (unsigned)broken.tm_mday % 100u, (unsigned)broken.tm_hour % 100u, (unsigned)broken.tm_min % 100u,
             (unsigned)broken.tm_sec % 100u, (unsigned)ms % 1000u);
}
