/* How fast tenants are begun, and how long one that failed rests. Pure. */
#ifndef MTNT_FLEET_PACE_H
#define MTNT_FLEET_PACE_H

#include <stdbool.h>
#include <stdint.h>

/* count in every `ms`, evenly: after a pause no more than a tenth of a second's worth, and at least one, comes at once. Zero = no limit. */
typedef struct mtnt__pace {
    int64_t count, ms;
    int64_t next_us; /* when the next one may begin */
} mtnt__pace;
/* One may begin now. */
bool mtnt__pace_room(const mtnt__pace *pace, int64_t now_ms);
void mtnt__pace_take(mtnt__pace *pace, int64_t now_ms);
/* Until one may; 0 = now. */
int64_t mtnt__pace_wait_ms(const mtnt__pace *pace, int64_t now_ms);

/* The pause before try number `tries` + 1 (tries: from 1). chance: any number, of which the jitter is made. */
int64_t mtnt__pause_ms(int64_t first_ms, int64_t tries, uint32_t chance);

#endif
