#include "base/later.h"

int mtnt__later_init(pthread_cond_t *condition, mtnt_error *err)
{
    pthread_condattr_t attributes;
    int rc = pthread_condattr_init(&attributes);

    if (rc == 0) {
        rc = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
        if (rc == 0)
            rc = pthread_cond_init(condition, &attributes);
        pthread_condattr_destroy(&attributes);
    }
    return rc == 0 ? 0 : mtnt_error_set(err, MTNT_E_NOMEM, "no condition variable to be had");
}

struct timespec mtnt__later(int64_t ms)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    time.tv_sec += ms / 1000;
    time.tv_nsec += (ms % 1000) * 1000000;
    if (time.tv_nsec >= 1000000000) {
        time.tv_sec++;
        time.tv_nsec -= 1000000000;
    }
    return time;
}
