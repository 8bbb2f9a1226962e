/* m4_saga.pml -- saga: units committed one by one, journal, compensation in reverse.
 *
 * units   0 transactional, 1 external step (not atomic: none, half, whole), 2 transactional.
 *         A transactional unit commits by m1/m2: here one atomic step, fenced by the
 *         register row (migration, unit, forward); its compensation is a transaction
 *         too, with the row (migration, unit, backward). The external step can be
 *         fenced by nobody but the external system.
 * run     sh check.sh m4 [FLAG]
 * bounds  1 migration, 3 units, 1 worker, 2 compensating recoverers, any number of
 *         crashes (LIVE: RCRASH), 1 failing step at any place.
 * build   -DTOMBSTONE    Rollback of an external step leaves its idempotency key refused
 *         -DCOMP_FAILS   compensation of the external step may fail for good
 *         -DLIVE         liveness (ltl settles, weak fairness)
 * results without TOMBSTONE the assertion EXT_CLEAN fails: the zombie's external call
 *         lands after its compensation (what the protocol does not guarantee). With
 *         -DNO_EXT_CLAIM that one assertion (and the order of external effects) is left
 *         out, everything else holds.
 *         -DWITNESS      fails where all three units were done and undone: not vacuous
 * mutations: what is done instead of what the protocol says (each must fail, with TOMBSTONE)
 *   ROW_PER_MIGRATION  one register row per migration, not per (migration, unit, direction)
 *   NO_FORWARD_FENCE   recovery compensates without writing abort for an open unit
 *   NO_BACKWARD_ROW    compensation without a register row of its own
 *   INTENT_UNGUARDED   intent written without WHERE state = 'executing' in its transaction
 *   SKIP_FAILING       the failing step is not compensated
 *   FORWARD_ORDER      compensation in forward order
 *   ROLLBACK_UNKEYED   Rollback undoes what it finds, not what bears its own key
 *   NO_TRANSITION_CHECK compensates without having seen its executing -> compensating
 *   NO_INTENT          external step executed without a durable intent
 *   COMMIT_OVER_COMPENSATION  the worker's `committed' is written WHERE state IN (.., 'compensating')
 *   ABORTED_ON_FAIL    state = aborted although a compensation failed (with COMP_FAILS)
 */
#include "common.pml"
#define UNITS 3
#define EXT   1

mtype = { intent, finished, compensated, half, whole };

mtype state = none;           /* controller                                           */
mtype journal[UNITS];         /* controller: none, intent, finished, compensated      */
mtype fwd[UNITS];             /* register: (unit, forward)                            */
mtype bwd[UNITS];             /* register: (unit, backward): commit = compensated once */
byte  effect[UNITS];          /* transactional: how often applied, minus compensations */
byte  undone[UNITS];          /* how often compensated                                */
mtype ext = none;             /* the external system                                  */
bit   cancelled = 0;          /* ... has a tombstone for our idempotency key          */
byte  ext_runs = 0;           /* complete executions                                  */
bit   next_done = 0, next_ext = 0; /* the next migration's external step, under its own key */
bit   early = 0;              /* ghost: a unit compensated before a later one         */

#ifdef ROW_PER_MIGRATION
# define ROW(u) fwd[0]
#else
# define ROW(u) fwd[u]
#endif

proctype Worker() {
  byte u = 0;
  STEP(d_step { MOVE(state, none, claim, executing) });                /* claim */
  do
  :: u < UNITS ->
     /* intent: one transaction of the controller that also checks the state */
#ifdef NO_INTENT
     if :: u == EXT -> skip :: else ->
#endif
#ifdef INTENT_UNGUARDED
     STEP(d_step { journal[u] == none -> journal[u] = intent });
#else
     STEP(d_step { state == executing && journal[u] == none -> journal[u] = intent });
#endif
#ifdef NO_INTENT
     fi;
#endif
     if :: true :: goto dead :: goto lost fi;                          /* the step fails: recovery compensates */
     if
     :: u == EXT ->           /* external call, two halves; late ones are a zombie's */
        STEP(d_step { !cancelled && ext == none -> ext = half });
        STEP(d_step { !cancelled && ext != whole -> ext = whole; ext_runs++ })
     :: else ->               /* operations + register row, one transaction */
#ifdef NO_FORWARD_FENCE
        STEP(d_step { ROW(u) = commit; effect[u]++ })
#else
        STEP(d_step { ROW(u) == none -> ROW(u) = commit; effect[u]++ })
#endif
     fi;
     STEP(d_step { if :: journal[u] == intent && state == executing -> journal[u] = finished; u++
                      :: else -> u = UNITS + 1 fi })
#ifdef COMMIT_OVER_COMPENSATION
  :: u == UNITS -> STEP(d_step { if :: MOVE(state, executing, commit, committed) :: WRONG_MOVE(state, compensating, committed) :: else fi }); break
#else
  :: u == UNITS -> STEP(d_step { if :: MOVE(state, executing, commit, committed) :: else fi }); break
#endif
  :: u > UNITS -> break
  od;
  goto dead;
lost: STEP(d_step { if :: MOVE(state, executing, lose_the_answer, in_doubt) :: else fi });
dead: skip
}

proctype Next() {            /* the next attempt, after an abort, up to its external step */
end: d_step { state == aborted -> next_done = 1; next_ext = 1 }
}

#ifdef FORWARD_ORDER
# define U(k) (k)
#else
# define U(k) (UNITS - 1 - (k))
#endif

#define GOING_ON  (state == executing || state == in_doubt || state == compensating)
inline compensate() {
  if
  :: MOVE(state, executing, compensate, compensating)
  :: MOVE(state, in_doubt, compensate, compensating)
  :: else
  fi
}

/* recovery of a saga, also Rollback after a failure: two may run at once, each may be a zombie */
proctype Recoverer() {
  byte k = 0, u = 0; mtype told = none; bit bad = 0;
again:
  skip; d_step { k = 0; u = 0; told = none; bad = 0 };
end:
  GOING_ON;
  /* the guarded transition decides forward or back; who does not find `compensating' stops */
#ifdef NO_TRANSITION_CHECK
  RSTEP(d_step { compensate() });
#else
  if
  :: d_step { GOING_ON -> compensate() }
  :: !GOING_ON -> goto again
  fi;
#endif
  do
  :: k < UNITS ->
     d_step { u = U(k); told = journal[u] };
     if
     :: told == none || told == compensated -> skip
#ifdef SKIP_FAILING
     :: told == intent -> skip
#else
     :: told == intent && u == EXT -> goto undo                        /* in doubt: not started, half or done */
     :: told == intent && u != EXT ->
# ifndef NO_FORWARD_FENCE
        RSTEP(d_step { if :: ROW(u) == none -> ROW(u) = abort :: else fi });  /* fence, then it is known */
# endif
        goto undo
#endif
     :: told == finished ->
undo:   if
        :: u == EXT ->        /* Rollback: right for none, half and whole; may run twice */
#ifdef COMP_FAILS
           if :: true :: bad = 1; goto failing fi;
#endif
           RSTEP(d_step {
#ifdef TOMBSTONE
             cancelled = 1;
             if :: ext != none && journal[0] == compensated -> early = 1 :: else fi;
#endif
#ifdef ROLLBACK_UNKEYED
             next_ext = 0;
#endif
             ext = none })
        :: u != EXT ->
           RSTEP(d_step {
#ifdef NO_BACKWARD_ROW
             if :: ROW(u) == commit ->
#else
             if :: ROW(u) == commit && bwd[u] == none ->
#endif
                   bwd[u] = commit; undone[u]++; effect[u]--;
                   if :: u == 2 && (journal[EXT] == compensated || journal[0] == compensated) -> early = 1 :: else fi
                :: else fi })
        fi;
        RSTEP(journal[u] = compensated)
     fi;
     k++
  :: else -> break
  od;
failing:
#ifdef ABORTED_ON_FAIL
  bad = 0;
#endif
  if
  :: bad  -> RSTEP(d_step { if :: MOVE(state, compensating, fail_to_undo, rollback_failed) :: else fi })
  :: !bad -> RSTEP(d_step { if :: MOVE(state, compensating, abort, aborted) :: else fi })
  fi;
  goto again
}

/* --------------------------------------------------------------- properties */
#define TX_CLEAN    IMPLIES(state == aborted, effect[0] == 0 && effect[2] == 0)
#define EXT_CLEAN   IMPLIES(state == aborted, ext == none)
#define ALL_DONE    IMPLIES(state == committed, effect[0] == 1 && effect[2] == 1 && ext == whole && ext_runs == 1)
#define ONCE        (effect[0] <= 1 && effect[2] <= 1 && ext_runs <= 1 && undone[0] <= 1 && undone[2] <= 1)
#define REVERSE     (!early)
#define NEXT_KEPT   IMPLIES(next_done, next_ext)
#define ENDED       (state == committed || state == aborted || state == rollback_failed || state == none)

#ifndef LIVE
proctype Monitor() {
end: if
  :: atomic { !(TX_CLEAN) -> assert(TX_CLEAN) }
# ifndef NO_EXT_CLAIM
  :: atomic { !(EXT_CLEAN) -> assert(EXT_CLEAN) }
# endif
  :: atomic { !(ALL_DONE) -> assert(ALL_DONE) }
  :: atomic { !(ONCE) -> assert(ONCE) }
  :: atomic { !(REVERSE) -> assert(REVERSE) }
  :: atomic { !(NEXT_KEPT) -> assert(NEXT_KEPT) }
#ifdef WITNESS
  :: atomic { timeout -> assert(!(state == aborted && undone[0] == 1 && undone[2] == 1)) }
#endif
  :: atomic { timeout -> assert(ENDED) }
  fi
}
#else
ltl settles { <>[] ENDED }
#endif

init {
  d_step {
    journal[0] = none; journal[1] = none; journal[2] = none;
    fwd[0] = none; fwd[1] = none; fwd[2] = none; bwd[0] = none; bwd[1] = none; bwd[2] = none
  }
  atomic {
    run Worker(); run Recoverer(); run Recoverer(); run Next();
#ifndef LIVE
    run Monitor()
#endif
  }
}
