/* One run, shared by any number of processes: each tells in the controller what it has done, sees what all have, and takes nothing up that another
 * has tried. */
#ifndef MTNT_FLEET_SHARE_H
#define MTNT_FLEET_SHARE_H

#include "fleet/dispatch.h"

const char *mtnt__share_command(const mtnt_executor *executor);
/* What the executor's own options say. */
void mtnt__share_terms(const mtnt_executor *executor, const mtnt__job *job, mtnt__run_terms *ret_terms);
/* options.join_run: the executor takes the run's terms over. NOT_FOUND: no such run. REFUSED: it has ended, is another chain's, or cannot be joined. */
int mtnt__share_join(mtnt_executor *executor, mtnt_error *err);
/* Before the loop of a joined run. */
int mtnt__share_enter(mtnt__dispatch *d, mtnt_error *err);
/* Before a question that needs the run's rows, when the controller was away: what it has lost of them is told it anew, under the same number, which
 * stands in the models. Safe to repeat. */
int mtnt__share_restore(mtnt__dispatch *d, mtnt_error *err);
/* This process's part as it stands. */
void mtnt__share_note(const mtnt__dispatch *d, mtnt__run_note *ret_note);
/* A sign of life, and a look at the others, when it is time. The loop goes on when it fails. */
void mtnt__share_beat(mtnt__dispatch *d);
/* So many tenants of the run have failed, as far as its processes have told. */
int64_t mtnt__share_failed(const mtnt__dispatch *d);
/* Says which options of a joined run's process are not used. */
void mtnt__share_say_terms(mtnt__dispatch *d);
/* Before an exchange, and after its answer: waves and a budget limit its claims. */
void mtnt__share_pace(mtnt__dispatch *d, mtnt__run_note *note);
void mtnt__share_paced(mtnt__dispatch *d);
/* Looks how far all processes are with the wave. false: it could not be told (yet). ret_look may be NULL. */
bool mtnt__share_look(mtnt__dispatch *d, mtnt__wave_look *ret_look);
/* The wave is complete here: when it is everywhere it is judged, soaks by the controller's clock, and the next one begins. */
void mtnt__share_wave(mtnt__dispatch *d);
/* Others are at work on this run, as far as we have seen. */
bool mtnt__share_others(const mtnt__dispatch *d);
/* What other processes of the run have done with a tenant. */
typedef struct mtnt__share_facts {
    bool tried;  /* in vain */
    bool rests;  /* in vain, and will again */
    bool placed; /* it has a place in the wave at hand */
} mtnt__share_facts;
/* Of the first `count` of d->batch. */
int mtnt__share_find(mtnt__dispatch *d, size_t count, mtnt__share_facts *ret_facts, mtnt_error *err);
/* The last word of this process. */
int mtnt__share_leave(mtnt__dispatch *d, mtnt_error *err);

#endif
