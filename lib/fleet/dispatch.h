/* A run at work: what the dispatcher's thread holds, and its loop. intake, exchange and leftovers are parts of it, and see all of it. */
#ifndef MTNT_FLEET_DISPATCH_H
#define MTNT_FLEET_DISPATCH_H

#include <stdatomic.h>

#include "fleet/groups.h"
#include "fleet/pace.h"
#include "fleet/parking.h"
#include "fleet/pool.h"
#include "fleet/servers.h"
#include "fleet/tally.h"
#include "fleet/turns.h"
#include "state/places.h"
#include "fleet/waves.h"

#define MTNT__BATCH 128        /* tenants that one question to the controller is about, */
#define MTNT__BATCH_AHEAD 1024 /* or this many while all of them turn out to be current */
/* Claimed tenants that wait, so that no worker waits for a claim: so many for each worker, doubled when one did, because a claim's commit may take
 * as long as many small tenants. */
#define MTNT__DEPTH_FIRST 8
#define MTNT__DEPTH_MAX 384
#define MTNT__PLACES_MAX 32
#define MTNT__RESTING_MAX \
    1024 /* tenants that rest before another try, beside the window; when more do, no new ones are taken in */

/* What an executor shares with those of other lanes that run at the same time. Borrowed; all NULL: it is alone. */
typedef struct mtnt__company {
    mtnt__gate *gate; /* their handles of a SQLite controller wait for each other here */
    mtnt__turns *turns;
    bool (*makes_models)(void *data); /* whether a lane that may make what this one needs is at work yet */
    void *data;
} mtnt__company;

struct mtnt_executor {
    mtnt_controller *controller;
    const mtnt_chain *chain, *whole; /* its first lane, and what was given */
    mtnt_executor_options options;
    int64_t said_deadline_ms, said_operation_timeout_ms; /* by the caller; 0 = left to the lane */
    size_t workers, window;
    atomic_int cancel;                   /* mtnt_cancel */
    pthread_mutex_t mutex;               /* over `pool` and `background` */
    mtnt__pool *pool;                    /* while a run is on */
    struct mtnt__background *background; /* once it was started */
    mtnt__company company;               /* set before it migrates */
    struct {
        char goal[256], command[32], only_run[24], waves[1312], max_failures[32];
        int64_t expected;
        char overruled[256]; /* options of our own that are not used; "" = none */
    } joined;                /* texts of the options, from the run that is joined */
};

/* A list of tasks, with room for all that there may be. */
typedef struct mtnt__tasks {
    mtnt__task **items;
    size_t count;
} mtnt__tasks;

/* Tenants that others hold: see elsewhere.h. */
typedef struct mtnt__elsewhere {
    struct mtnt__elsewhere_tenant *items;
    size_t count, size;
    size_t round; /* from the first one on: still to be looked at in this round */
    int64_t looked_ms, waiting_ms;
    char owner[MTNT__OWNER_SIZE]; /* of one of them */
    bool told;
} mtnt__elsewhere;

typedef struct mtnt__dispatch {
    mtnt_executor *executor;
    mtnt_tenant_source *source;
    mtnt__job job;
    mtnt__gate own_gate, *gate; /* the company's, if there is one */
    mtnt__slots slots;
    mtnt__jointly jointly;
    mtnt__templates templates;
    mtnt__heartbeat *heartbeat;
    mtnt__tally tally;
    mtnt__pool *pool;
    mtnt__pool_news news;
    struct {
        bool is, back, told;
        char timeline[12]; /* of the controller when the run began; "" = not known */
        int64_t since_ms, next_ms, tries;
    } away;              /* the controller: see away.h */
    mtnt__tasks queued;  /* may not begin yet */
    mtnt__tasks wanting; /* ask for a claim */
    mtnt__tasks ended;   /* ends to be written */
    mtnt__elsewhere elsewhere;
    mtnt__tasks resting; /* before another try */
    mtnt__tasks unsure;  /* they have failed, and whether another process has taken them over could not be asked */
    mtnt__waves waves;
    mtnt__groups groups;
    mtnt__pace pace;
    mtnt__servers servers;
    mtnt__parking parking; /* tenants of groups whose turn has not come */
    size_t *batch_groups;
    int64_t left;           /* what the pool was allowed last */
    mtnt_counts wave_began; /* what had been counted then */
    struct {
        int64_t beat_ms;
        mtnt__run_sums sums;  /* as seen last */
        int64_t noted_failed; /* of ours, tried: how many of them are in these */
        mtnt__pacing pacing;
        mtnt__run_note pacing_note;
        int64_t look_ms; /* at the wave, not before that */
        int64_t asking;  /* tasks that are begun, and for which the controller knows no place yet */
        bool
            left_behind; /* the last look has seen a place of a process that is gone, and whose tenant is not at hand */
    } share;
    mtnt__end *ends;
    mtnt__claim **claims;
    struct {
        mtnt_model **models; /* read from the source, and not current: at … count - 1 have not been pulled */
        bool *current;
        size_t at, count, batch;
        bool unasked; /* read, and the controller has not answered yet */
        bool ended;   /* the source has */
    } ahead;
    struct {
        mtnt_model **models; /* their groups are batch_groups */
        size_t count;
    } pulled; /* to be sorted in as soon as the controller has said what it knows of them */
    mtnt_model **batch;
    mtnt__known *known;
    mtnt_model **graves; /* of tenants whose model was put away, and may be removed for good when the run is over */
    size_t grave_count;
    size_t in_flight, depth;
    size_t asked; /* of the wanting ones, the first so many are in the exchange at hand */
    int64_t oldest_end_ms;
    bool source_ended, announced, interrupted, lost, judged;
    bool early; /* when the tenants at hand were looked up, a lane was at work that may make their models */
    bool moved; /* the last look at who may begin has let somebody go */
    mtnt_model *places[MTNT__PLACES_MAX]; /* one for each server on which this run may have left something */
    size_t place_count;
    mtnt_error error; /* the source's or the controller's */
} mtnt__dispatch;

int mtnt__dispatch_make_room(mtnt__dispatch *d, mtnt_error *err);
void mtnt__dispatch_free_room(mtnt__dispatch *d);
/* Until nothing is left to do, or to be waited for. */
void mtnt__dispatch_run(mtnt__dispatch *d);

int64_t mtnt__dispatch_now_ms(const mtnt__dispatch *d);
/* For another batch. */
bool mtnt__dispatch_has_room(const mtnt__dispatch *d);
/* How many tasks there may be. */
size_t mtnt__dispatch_room(const mtnt_executor *executor);
/* No tenant is begun any more. */
bool mtnt__dispatch_draining(const mtnt__dispatch *d);
bool mtnt__dispatch_interrupting(const mtnt__dispatch *d);
void mtnt__dispatch_note_error(mtnt__dispatch *d, const mtnt_error *error);
void mtnt__dispatch_lose_controller(mtnt__dispatch *d, const mtnt_error *error);
/* The task is over: its place, and it, are free. */
void mtnt__dispatch_free_task(mtnt__dispatch *d, mtnt__task *task);
/* Counts one that is not gone on with: as untouched, or as what its last try came to. */
void mtnt__dispatch_count_dropped(mtnt__dispatch *d, const mtnt__task *task);
/* A try of it is on its way. */
bool mtnt__dispatch_begun(const mtnt__task *task);

#endif
