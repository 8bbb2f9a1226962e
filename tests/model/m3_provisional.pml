/* m3_provisional.pml -- mode provisional: a model that this migration creates.
 *
 * run     sh check.sh m3 [FLAG]
 * bounds  2 attempts at the same target name (own provisional names), 2 recoverers
 *         that are also the sweeper, any number of crashes, 1 foreign object that may
 *         appear at the target at any time (and may go away again), POWER power losses
 *         of the file system's host (controller: register rows durable when visible,
 *         m1 shows why; here each insert commits durably in one step).
 * objects prov: none, open (half built), done (complete); target: none, 0, 1 or FOREIGN.
 *         x_d is what a power loss leaves: content and names are durable after fsync.
 * build   -DONE        one attempt only (smaller, for LIVE)
 *         -DLIVE       liveness (ltl settles, weak fairness)
 *         -DWITNESS    fails where attempt 0 aborted and 1 committed: not vacuous
 * mutations: what is done instead of what the protocol says (each must fail)
 *   RENAME_BEFORE_DECISION  as it says
 *   PLAIN_RENAME            rename() that overwrites
 *   TARGET_BY_PRESENCE      recovery takes any object at the target for ours
 *   ABORT_REMOVES_TARGET    abort also removes the target name
 *   NO_ABORT_ROW            recovery removes the provisional without writing abort
 *   DECIDE_BEFORE_SYNC      commit decided before file and directory are synced
 *   STATE_BEFORE_DIRSYNC    state = committed before the directory fsync after rename
 *   FSYNC_BEFORE_IDENTITY   directory fsync before the target's identity has been read
 *   NO_SWEEPER              recovery only looks at what has not ended (late CREATE stays)
 *   BLOCKED_IS_FINAL        the state update's WHERE leaves `blocked' out: run with LIVE
 *   NO_INTENT               built before the claim (intent row) exists
 */
#include "common.pml"
#ifndef POWER
#define POWER 1
#endif
#define FOREIGN 2
#define EMPTY   3

typedef Migration {
  mtype state;               /* run state and intent row, in the controller       */
  mtype row;                 /* register, in the controller, durable              */
  mtype prov, prov_d;        /* the object under the provisional name             */
  bit   gone;
};
Migration g[2];
byte target = EMPTY, target_d = EMPTY;  /* whose object bears the target name     */
bit  foreign_born = 0, foreign_left = 0, foreign_killed = 0;
byte boot = 0;

#define DIRSYNC  g[0].prov_d = g[0].prov; g[1].prov_d = g[1].prov; target_d = target

inline power_loss(m) { g[m].prov = g[m].prov_d }
proctype World() {           /* foreign objects; power */
  byte n = 0;
end: do
  :: d_step { !foreign_born && target == EMPTY -> foreign_born = 1; target = FOREIGN; target_d = FOREIGN }
  :: d_step { target == FOREIGN && !foreign_left -> foreign_left = 1; target = EMPTY; target_d = EMPTY } /* its owner removes it */
  :: d_step { n < POWER -> n++; boot++; power_loss(0); power_loss(1); target = target_d }
  od
}

/* rename without overwrite: one atomic step of the file system / of PG's catalogue */
inline rename_noreplace(m) {
#ifdef PLAIN_RENAME
  if :: g[m].prov == done -> if :: target == FOREIGN -> foreign_killed = 1 :: else fi;
                             target = m; g[m].prov = none :: else fi
#else
  if :: g[m].prov == done && target == EMPTY -> target = m; g[m].prov = none
     :: else fi               /* EEXIST or ENOENT: look at the target's identity next */
#endif
}
inline set_state(m, o) {
  if
  :: o == committed && MOVE(g[m].state, executing, commit, committed)
  :: o == committed && MOVE(g[m].state, in_doubt, commit, committed)
  :: o == aborted && MOVE(g[m].state, executing, abort, aborted)
  :: o == aborted && MOVE(g[m].state, in_doubt, abort, aborted)
  :: o == blocked && MOVE(g[m].state, executing, meet_a_foreign_object, blocked)
  :: o == blocked && MOVE(g[m].state, in_doubt, meet_a_foreign_object, blocked)
  :: o == in_doubt && MOVE(g[m].state, executing, lose_the_answer, in_doubt)
#ifndef BLOCKED_IS_FINAL
  :: o == committed && MOVE(g[m].state, blocked, commit, committed)
  :: o == in_doubt && MOVE(g[m].state, blocked, lose_the_answer, in_doubt)
#endif
  :: o == aborted && g[m].state == blocked -> assert(false)   /* blocked: decided, and decided once */
  :: else
  fi
}
#define UNENDED(m) (g[m].state == executing || g[m].state == in_doubt)

proctype Worker(byte m) {
  byte b = 0; mtype see = none;
#ifdef NO_INTENT
  STEP(d_step { (m == 0 || g[0].state == aborted || g[0].gone) -> g[m].prov = open });
#endif
  /* claim = intent row: durable before anything is created */
  STEP(d_step { (m == 0 || g[0].state == aborted) && MOVE(g[m].state, none, claim, executing); b = boot });
  /* target taken before the decision: stop, the migration aborts */
  STEP(target == EMPTY);
  /* build; each step may come late (zombie) and re-create what an abort has removed */
  STEP(d_step { b == boot -> g[m].prov = open });
  STEP(d_step { b == boot && g[m].prov == open -> g[m].prov = done });
#ifndef DECIDE_BEFORE_SYNC
  STEP(d_step { b == boot && g[m].prov == done -> DIRSYNC });          /* content and name */
#endif
#ifdef RENAME_BEFORE_DECISION
  STEP(d_step { b == boot -> rename_noreplace(m) });
#endif
  ASK(d_step { b == boot && g[m].row == none -> g[m].row = commit });  /* decided */
#ifdef DECIDE_BEFORE_SYNC
  STEP(d_step { b == boot -> DIRSYNC });
#endif
  STEP(d_step { b == boot -> rename_noreplace(m) });
#ifdef FSYNC_BEFORE_IDENTITY
  STEP(d_step { b == boot -> DIRSYNC });
#endif
  /* identity (model_uuid), never mere presence, tells ours from foreign */
  STEP(d_step { b == boot -> if :: target == m -> see = committed
                                :: target != m && target != EMPTY -> see = blocked
                                :: else fi });
#if !defined(STATE_BEFORE_DIRSYNC) && !defined(FSYNC_BEFORE_IDENTITY)
  STEP(d_step { b == boot -> DIRSYNC });
#endif
  STEP(d_step { if :: see != none -> set_state(m, see) :: else fi });
  goto dead;
lost: STEP(d_step { set_state(m, in_doubt) });
dead: g[m].gone = 1
}

#ifdef NO_SWEEPER
# define NEEDS(m) UNENDED(m)
#else
/* sweeper: a provisional object whose migration has ended; `blocked' is tried again
 * when the object at the target is not, or no longer, foreign */
# define NEEDS(m) (UNENDED(m) || (g[m].state == aborted && g[m].prov != none) || \
                   (g[m].state == blocked && target != FOREIGN))
#endif

proctype Recoverer() {
  byte m = 0, b = 0; mtype out = none, see = none;
again:
  skip; d_step { m = 0; b = 0; out = none; see = none };
end:
  if
  :: d_step { NEEDS(0) -> m = 0; b = boot }
  :: d_step { NEEDS(1) -> m = 1; b = boot }
  fi;
#ifdef NO_ABORT_ROW
  RSTEP(d_step { out = g[m].row; if :: out == none -> out = abort :: else fi });
#else
  RSTEP(d_step { if :: g[m].row == none -> g[m].row = abort :: else fi; out = g[m].row });
#endif
  if
  :: out == abort ->          /* remove the provisional name only, then its directory entry for good */
#ifdef ABORT_REMOVES_TARGET
     RSTEP(d_step { if :: target == FOREIGN -> foreign_killed = 1 :: else fi; target = EMPTY });
#endif
     RSTEP(g[m].prov = none);
     if :: d_step { b == boot -> DIRSYNC } :: b != boot -> goto again fi;
     RSTEP(d_step { set_state(m, aborted) })
  :: out == commit ->
     /* the model's host is out of reach: decided, not finished, and the state says so */
     if :: g[m].state == executing || g[m].state == blocked -> RSTEP(d_step { set_state(m, in_doubt) }); goto again
        :: true fi;
     RSTEP(d_step { rename_noreplace(m) });
#ifdef FSYNC_BEFORE_IDENTITY
     if :: d_step { b == boot -> DIRSYNC } :: b != boot -> goto again fi;
#endif
     /* identity first, the directory fsync after it: the rename that one sees may be
      * another recoverer's, and not on disk yet */
     RSTEP(d_step {
#ifdef TARGET_BY_PRESENCE
       if :: target != EMPTY -> see = committed; g[m].prov = none
          :: else fi });
#else
       if :: target == m -> see = committed
          :: target != m && target != EMPTY -> see = blocked
          :: else fi });      /* target free again: once more */
#endif
#if !defined(STATE_BEFORE_DIRSYNC) && !defined(FSYNC_BEFORE_IDENTITY)
     if :: d_step { b == boot -> DIRSYNC } :: b != boot -> goto again fi;
#endif
     RSTEP(d_step { if :: see != none -> set_state(m, see) :: else fi })
  fi;
  goto again
}

/* --------------------------------------------------------------- properties */
#define DECIDED(m)      IMPLIES(target == m, g[m].row == commit)
#define TRUE_COMMIT(m)  IMPLIES(g[m].state == committed, target == m && target_d == m)
#define TRUE_ABORT(m)   IMPLIES(g[m].state == aborted, g[m].row == abort && target != m)
#define KEPT(m)         IMPLIES(g[m].row == commit, target == m || (g[m].prov == done && (g[m].prov_d == done || target_d == m)))
#define NO_FOREIGN_LOST (!foreign_killed)
#define NO_DOUBLE       !(g[0].row == commit && g[1].row == commit)
/* settled: ended, or blocked by a foreign object with both kept; nothing provisional left over */
#define SETTLED(m)      ((g[m].state == none && g[m].prov == none) || \
                         (g[m].state == committed && target == m && g[m].prov == none) || \
                         (g[m].state == aborted && target != m && g[m].prov == none) || \
                         (g[m].state == blocked && target == FOREIGN && g[m].prov == done))

#ifndef LIVE
proctype Monitor() {
end: if
  :: atomic { !DECIDED(0)     || !DECIDED(1)     -> assert(DECIDED(0)     && DECIDED(1)) }
  :: atomic { !TRUE_COMMIT(0) || !TRUE_COMMIT(1) -> assert(TRUE_COMMIT(0) && TRUE_COMMIT(1)) }
  :: atomic { !TRUE_ABORT(0)  || !TRUE_ABORT(1)  -> assert(TRUE_ABORT(0)  && TRUE_ABORT(1)) }
  :: atomic { !KEPT(0)        || !KEPT(1)        -> assert(KEPT(0)        && KEPT(1)) }
  :: atomic { !NO_FOREIGN_LOST -> assert(NO_FOREIGN_LOST) }
  :: atomic { !(NO_DOUBLE) -> assert(NO_DOUBLE) }
#ifdef WITNESS
  :: atomic { timeout -> assert(!(g[0].state == aborted && g[1].state == committed && foreign_left)) }
#endif
  :: atomic { timeout -> assert(SETTLED(0) && SETTLED(1)) }
  fi
}
#else
ltl settles { <>[] (SETTLED(0) && SETTLED(1)) }
#endif

init {
  d_step {
    g[0].state = none; g[0].row = none; g[0].prov = none; g[0].prov_d = none;
    g[1].state = none; g[1].row = none; g[1].prov = none; g[1].prov_d = none
  }
  atomic {
#ifndef ONE
    run Worker(1);
#endif
    run Worker(0); run Recoverer(); run Recoverer(); run World();
#ifndef LIVE
    run Monitor()
#endif
  }
}
