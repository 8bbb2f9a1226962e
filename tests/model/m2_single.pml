/* m2_single.pml -- mode single: operations, applied bookkeeping and register row in
 * one transaction of the written database (the model); the controller's state is
 * written later, in batches, without waiting for the disk.
 *
 * run     sh check.sh m2 [FLAG]
 * bounds  2 attempts: migration 0, and migration 1 that re-runs the same chain as
 *         soon as migration 0's lease can be taken; 2 recoverers/state writers with
 *         any number of crashes; POWER power losses of either host; collection.
 * build   -DLIVE       liveness (ltl truthful, weak fairness)
 *         -DNO_GC      no collection (smaller, for LIVE)
 *         -DNO_SETTLE  the next attempt claims while the old one is still `executing':
 *                      holds as long as `applied' is read under the model's write lock
 *         -DWITNESS    fails where attempt 0 aborted and 1 committed: not vacuous
 * mutations: what is done instead of what the protocol says (each must fail)
 *   NO_SETTLE PLAN_FROM_CONTROLLER  what is applied is read from the controller's state
 *   NO_SETTLE PLAN_BEFORE_LOCK      applied is read before the model's write lock is held
 *   SKIP_RECOVERY       the next attempt writes state = aborted for the old one and no abort row
 *   STALE_IS_ABORT      `executing' with an expired lease and no row is taken for aborted
 *   STATE_FIRST         state = committed is written before the model's COMMIT is confirmed
 *   READ_ONLY_RECOVERY  a visible `commit' row is copied to the controller unhardened
 *   BOOKKEEPING_APART   applied rows in a second transaction after the operations
 *   NO_UNIQUE           register without unique key
 *   GC_NO_FLOOR         register row collected without raising the floor
 *   GC_LAZY_STATE       register row collected while the ended state is not durable:
 *                       safe, but the state may stay `executing' for ever: run with LIVE
 */
#include "common.pml"
#ifndef POWER
#define POWER 1
#endif

typedef Migration {
  mtype state, state_d;      /* controller (C): lazy, so visible and durable differ   */
  mtype row, row_d;          /* register, on the model (M)                            */
  bit   floor;               /* register row collected                                */
  mtype tx;                  /* worker's transaction on M                             */
  bit   ops;                 /* this transaction ran the operations (were not applied)*/
  bit   gone, ack;
  mtype dec;                 /* ghost: first durable decision                         */
};
Migration g[2];
byte runs = 0, runs_d = 0;   /* how often the chain's effects are in the model        */
bit  applied = 0, applied_d = 0;  /* bookkeeping, in the model                        */
byte mboot = 0;
byte wlock = 2;              /* M's write lock: holder (2 = free)                     */

#define SYNC1(m) g[m].row_d = g[m].row; \
                 if :: g[m].dec == none -> g[m].dec = g[m].row_d :: else fi; \
                 assert(g[m].row_d == none || g[m].row_d == g[m].dec) /* decided once */
#define SYNC     SYNC1(0); SYNC1(1); runs_d = runs; applied_d = applied
#define CSYNC    g[0].state_d = g[0].state; g[1].state_d = g[1].state
#define UNLOCK(m) if :: wlock == m -> wlock = 2 :: else fi

proctype Session(byte m) {    /* the worker's session on M */
end: do
  :: d_step { g[m].tx == committing -> g[m].tx = visible; UNLOCK(m);
              if :: g[m].ops -> runs++ :: else fi;
#ifndef BOOKKEEPING_APART
              applied = 1;
#endif
              g[m].row = commit }
  :: d_step { g[m].tx == committing -> g[m].tx = failed; UNLOCK(m) }
  :: d_step { g[m].tx == visible -> g[m].tx = done; SYNC }
  :: d_step { g[m].gone && (g[m].tx == open || g[m].tx == inserted) -> g[m].tx = failed; UNLOCK(m) }
  od
}

inline m_power_loss(m) {
  g[m].row = g[m].row_d;
  if :: g[m].tx == none || g[m].tx == done :: else -> g[m].tx = failed fi
}
proctype Power() {
  byte nm = 0, nc = 0;
end: do
  :: d_step { nm < POWER -> nm++; mboot++; m_power_loss(0); m_power_loss(1);
              runs = runs_d; applied = applied_d; wlock = 2 }
  :: d_step { nc < POWER -> nc++; g[0].state = g[0].state_d; g[1].state = g[1].state_d }
  od
}

inline set_state(m, o) {
  if
  :: (o) == committed && MOVE(g[m].state, executing, commit, committed)
  :: (o) == committed && MOVE(g[m].state, in_doubt, commit, committed)
  :: (o) == aborted && MOVE(g[m].state, executing, abort, aborted)
  :: (o) == aborted && MOVE(g[m].state, in_doubt, abort, aborted)
  :: (o) == in_doubt && MOVE(g[m].state, executing, lose_the_answer, in_doubt)
  :: else
  fi
}
#define UNENDED(m) (g[m].state == executing || g[m].state == in_doubt)

proctype Worker(byte m) {
  bit todo = 1;
  /* claim: durable. The second process takes the lease at any time; it settles
   * the old migration in the register (Recoverer) before it claims a new one. */
#ifdef SKIP_RECOVERY
  STEP(d_step { (m == 0 || g[0].state != none) && MOVE(g[m].state, none, claim, executing);
                if :: m == 1 -> set_state(0, aborted) :: else fi; CSYNC });
#elif defined(STALE_IS_ABORT) || defined(NO_SETTLE)
  STEP(d_step { (m == 0 || g[0].state != none) && MOVE(g[m].state, none, claim, executing); CSYNC });
#else
  STEP(d_step { (m == 0 || g[0].state == aborted || g[0].state == committed) && MOVE(g[m].state, none, claim, executing); CSYNC });
#endif
#ifdef PLAN_BEFORE_LOCK
  STEP(todo = !applied);
#endif
  /* begin: the write lock first (BEGIN IMMEDIATE; PG: the tenant's lock row), then
   * read what is applied, under it */
  STEP(d_step { wlock == 2 -> wlock = m; g[m].tx = open });
#ifdef PLAN_FROM_CONTROLLER
  STEP(d_step { todo = (m == 0 || g[0].state != committed) });
#elif !defined(PLAN_BEFORE_LOCK)
  STEP(todo = !applied);
#endif
  STEP(d_step { g[m].tx == open -> g[m].ops = todo });
  /* register row last */
#ifdef NO_UNIQUE
  STEP(d_step { g[m].tx == open -> g[m].tx = inserted });
#else
  STEP(d_step { g[m].tx == open && g[m].row == none && !g[m].floor -> g[m].tx = inserted });
#endif
  STEP(d_step { g[m].tx == inserted -> g[m].tx = committing });
#ifdef STATE_FIRST
  STEP(d_step { set_state(m, committed) });
#endif
  ASK(d_step { g[m].tx == done -> g[m].ack = 1 });       /* the model's COMMIT returned: may be reported */
#ifdef BOOKKEEPING_APART
  STEP(d_step { wlock == 2 -> applied = 1; SYNC });
#endif
  STEP(d_step { set_state(m, committed) });              /* lazy: visible only */
  goto dead;
lost: STEP(d_step { set_state(m, in_doubt) });
dead: g[m].gone = 1
}

/* recovery = step 2 on the model, then the (lazy) state update in the controller */
proctype Recoverer() {
  byte m = 0, boot = 0; mtype out = none;
again:
  skip; d_step { m = 0; boot = 0; out = none };
end:
  if
  :: UNENDED(0) -> m = 0
  :: UNENDED(1) -> m = 1
  fi;
#ifdef STALE_IS_ABORT
  if :: d_step { wlock == 2 -> boot = mboot; out = g[m].row; if :: out == none -> out = abort :: else fi } :: goto again fi;
#else
  /* INSERT abort ON CONFLICT ..: waits for the worker's uncommitted row (or write lock) */
  RSTEP(d_step { wlock == 2 -> boot = mboot;
                 if :: g[m].floor                      -> out = none
                    :: !g[m].floor && g[m].row == none -> g[m].row = abort; out = abort
                    :: else                            -> out = g[m].row fi });
#endif
#ifdef READ_ONLY_RECOVERY
  if :: out == commit :: out != commit && boot == mboot -> d_step { boot = 0; SYNC } :: out != commit && boot != mboot -> goto again fi;
#else
  if :: d_step { boot == mboot -> boot = 0; SYNC } :: boot != mboot -> goto again fi;
#endif
  if
  :: out != none -> RSTEP(d_step { set_state(m, (out == commit -> committed : aborted)) })
  :: else
  fi;
  goto again
}

/* The controller's own sync: some later commit, some time. */
proctype Checkpoint() {
end: do
  :: d_step { g[0].state != g[0].state_d || g[1].state != g[1].state_d -> CSYNC }
  od
}

proctype Collector(byte m) {
end:
  d_step { (g[m].state == committed || g[m].state == aborted) && wlock == 2 &&
#ifndef GC_LAZY_STATE
           g[m].state == g[m].state_d &&            /* harden the controller first */
#endif
           g[m].row != none -> g[m].row = none; g[m].row_d = none;
#ifndef GC_NO_FLOOR
           g[m].floor = 1;
#endif
           SYNC }
}

/* --------------------------------------------------------------- properties */
#define EFF(m)         (g[m].dec == commit)         /* durable commit decision */
#define TRUE_ABORT(m)  IMPLIES(g[m].state == aborted, g[m].dec == abort && g[m].row != commit)
#define TRUE_COMMIT(m) IMPLIES(g[m].state == committed, g[m].dec == commit)
#define ACK_KEPT(m)    IMPLIES(g[m].ack, g[m].dec == commit && applied_d)
#define ONCE           (runs <= 1)
#define WHOLE          (runs_d == applied_d)        /* effects iff bookkeeping, on disk */
#define SETTLED(m)     (!UNENDED(m))

#ifndef LIVE
proctype Monitor() {
end: if
  :: atomic { !TRUE_ABORT(0)  || !TRUE_ABORT(1)  -> assert(TRUE_ABORT(0)  && TRUE_ABORT(1)) }
  :: atomic { !TRUE_COMMIT(0) || !TRUE_COMMIT(1) -> assert(TRUE_COMMIT(0) && TRUE_COMMIT(1)) }
  :: atomic { !ACK_KEPT(0)    || !ACK_KEPT(1)    -> assert(ACK_KEPT(0)    && ACK_KEPT(1)) }
  :: atomic { !ONCE  -> assert(ONCE) }
  :: atomic { !WHOLE -> assert(WHOLE) }
#ifdef WITNESS
  :: atomic { timeout -> assert(!(g[0].state == aborted && g[1].state == committed && runs == 1)) }
#endif
  :: atomic { timeout -> assert(SETTLED(0) && SETTLED(1)) }
  fi
}
#else
ltl truthful { <>[] (SETTLED(0) && SETTLED(1)) }
#endif

init {
  d_step {
    g[0].state = none; g[0].state_d = none; g[0].row = none; g[0].row_d = none; g[0].tx = none; g[0].dec = none;
    g[1].state = none; g[1].state_d = none; g[1].row = none; g[1].row_d = none; g[1].tx = none; g[1].dec = none
  }
  atomic {
    run Session(0); run Session(1); run Worker(0); run Worker(1);
#ifndef NO_GC
    run Collector(0); run Collector(1);
#endif
    run Recoverer(); run Recoverer(); run Power(); run Checkpoint();
#ifndef LIVE
    run Monitor()
#endif
  }
}
