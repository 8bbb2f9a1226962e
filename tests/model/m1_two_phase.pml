/* m1_two_phase.pml -- prepare -> decide -> finish: prepared side P, decider D.
 *
 * run     sh check.sh m1                 safety of the protocol (liveness: sh check.sh m1 LIVE ONE)
 *         sh check.sh m1 GC_NO_FLOOR     one mutation (spin must find an error)
 *         sh check.sh --all              every configuration, with what is expected of it
 * bounds  2 attempts of one tenant (migrations 0, 1), 2 recoverers that are also
 *         the janitor, any number of recoverer crashes (LIVE: RCRASH), POWER
 *         power losses of D, any number of P, collection of every register row.
 * build   -DCTRL_ON_P  the controller is P (PG/SQLite); default: it is D
 *         -DONE -DNO_GC  one attempt only; no collection (smaller, for LIVE)
 *         -DSQLITE_D   D is SQLite (one write lock); -DP_LOCKS  attempts lock the same rows of P
 *         -DNREC3      a third recoverer
 *         -DEND_ABORT_WITHOUT_P  P unreachable: an abort (only) may end the state
 *         -DLIVE       liveness (ltl settles, weak fairness)
 *         -DHANG       a worker may stop for ever with its sessions open
 *         -DTERMINATE  recovery ends the decider session that blocks its insert
 *         -DREHEARSE   attempt 0 is a rehearsal: no COMMIT is ever sent to D, its transaction is over
 *                      before P's gid is rolled back, and no abort row is written by the worker
 *         -DWITNESS    fails where attempt 0 aborted and 1 committed: not vacuous
 *
 * mutations: what is done instead of what the protocol says (each must fail)
 *   READ_ONLY_RECOVERY     a visible `commit' is acted on without hardening it
 *   ABSENCE_IS_ABORT       no row is taken for abort, none is written
 *   ROLLBACK_BEFORE_ABORT  ROLLBACK PREPARED first, then the abort row
 *   LEASE_ONLY             worker checks its lease, recovery writes no abort row
 *   JANITOR_SHORTCUT       janitor rolls back a gid whose lease expired, no row
 *   NO_JANITOR             only migrations that have not ended are looked at
 *   NO_UNIQUE              the register has no unique key
 *   REUSE_ID               the retry runs under the old migration id
 *   GC_EARLY               rows are collected (with floor) while a gid may exist
 *   GC_NO_FLOOR            rows are collected once the state has ended and no gid exists; no floor
 *   FLOOR_UNLOCKED         floor read before the insert, without a lock on it
 *   GC_COMMIT_ONLY         abort rows kept for ever, commit rows collected, no floor: only
 *                          `decided once' fails (a stale recoverer writes abort for a
 *                          migration that ended committed); agreement holds
 *   STATE_BY_TENANT        state update: WHERE tenant = .. AND state IN ('executing', ..)
 *   END_WITHOUT_P          state is ended although P cannot be reached
 *   ACK_VISIBLE            `committed' reported from a visible, unhardened row
 *   DECIDE_BEFORE_PREPARED COMMIT on D without having read PREPARE's reply
 *   PREPARED_FINISH_FIRST  COMMIT PREPARED before D's COMMIT has been confirmed
 *   REHEARSE_COMMITS       a rehearsal that has sent COMMIT to D and takes it back all the same
 *   LIVE SQLITE_D P_LOCKS NO_LOCK_TIMEOUT   cross-database deadlock: worker holds D and
 *                          waits for P, a late gid holds P, the janitor waits for D
 *   LIVE HANG              hung worker holds the register key for ever
 */
#include "common.pml"

#ifndef POWER
#define POWER 1
#endif

typedef Migration {
  mtype state, state_d;   /* run state, in the controller                        */
  mtype row,   row_d;     /* decision register, on D                             */
  bit   eff,   eff_d;     /* effects on D: same transaction as the `commit' row  */
  bit   floor;            /* row collected: floor >= migration (durable, on D)   */
  mtype dtx;              /* the worker's transaction on D                       */
  mtype ptx;              /* the worker's transaction on P                       */
  bit   preq, pok;        /* PREPARE in flight; its reply                        */
  bit   gone;             /* the worker's process is dead                        */
  bit   ack;              /* somebody was told `committed'                       */
  mtype dec;              /* ghost: first durable decision                       */
};
Migration g[2];
byte dboot = 0;           /* boots of D: sessions of an older boot are dead      */
#ifdef LEASE_ONLY
bit  taken[2];            /* lease taken from the worker                         */
#endif

/* D's key lock: the uncommitted row of the worker (PG); SQLite: its one write lock. */
#define WRITES(m)      (g[m].dtx == open || g[m].dtx == inserted || g[m].dtx == committing)
#ifdef SQLITE_D
# define KEY_LOCKED(m) (WRITES(0) || WRITES(1))
# define CAN_WRITE(m)  (!WRITES(1 - m))
#else
# define KEY_LOCKED(m) (g[m].dtx == inserted || g[m].dtx == committing)
# define CAN_WRITE(m)  true
#endif
#ifdef P_LOCKS                        /* both attempts want the same rows of P */
# define P_FREE(m)     (g[1 - m].ptx != open && g[1 - m].ptx != prepared)
#else
# define P_FREE(m)     true
#endif
#define ENDED(m)       (g[m].state == committed || g[m].state == aborted)

#define SYNC1(m)  g[m].row_d = g[m].row; g[m].eff_d = g[m].eff; \
                  if :: g[m].dec == none -> g[m].dec = g[m].row_d :: else fi; \
                  assert(g[m].row_d == none || g[m].row_d == g[m].dec) /* decided once */
#ifdef CTRL_ON_P
# define SYNCSTATE g[0].state_d = g[0].state; g[1].state_d = g[1].state
# define SYNC      SYNC1(0); SYNC1(1)            /* P is PG: visible => durable */
#else
# define SYNCSTATE skip
# define SYNC      SYNC1(0); SYNC1(1); g[0].state_d = g[0].state; g[1].state_d = g[1].state
#endif

/* ------------------------------------------------------------------ servers */
/* The server side of worker m's two sessions: replies get lost because the
 * worker may be gone (crash, time-out) before it reads them. */
proctype Session(byte m) {
end: do
  /* P: PREPARE TRANSACTION, possibly long after the worker died */
  :: d_step { g[m].preq && g[m].ptx == open ->
              g[m].preq = 0; g[m].ptx = prepared; g[m].pok = 1 }
  /* P: open transactions die with their session, their worker, or P's power */
  :: d_step { g[m].ptx == open && (g[m].preq || g[m].gone) -> g[m].preq = 0; g[m].ptx = none }
  /* D: COMMIT: visible, later durable; or an error */
  :: d_step { g[m].dtx == committing -> g[m].dtx = visible; g[m].row = commit; g[m].eff = 1 }
  :: d_step { g[m].dtx == committing -> g[m].dtx = failed }
  :: d_step { g[m].dtx == visible -> g[m].dtx = done; SYNC }
  :: d_step { g[m].gone && (g[m].dtx == open || g[m].dtx == inserted) -> g[m].dtx = failed }
  od
}

/* Power loss of D's host. Power loss of P's host needs no step of its own: it ends
 * open transactions (Session does) and keeps prepared ones. P or D being out of
 * reach for a while is a process that is not scheduled. */
inline power_loss(m) {
  g[m].row = g[m].row_d; g[m].eff = g[m].eff_d;
#ifndef CTRL_ON_P
  g[m].state = g[m].state_d;
#endif
  if :: g[m].dtx == none || g[m].dtx == done :: else -> g[m].dtx = failed fi
}
proctype Power() {
  byte n = 0;
end: do
  :: d_step { n < POWER -> n++; dboot++; power_loss(0); power_loss(1) }
  od
}

/* ------------------------------------------------------------------- worker */
inline move_to(m, o) {
  if
  :: o == committed && MOVE(g[m].state, executing, commit, committed)
  :: o == committed && MOVE(g[m].state, in_doubt, commit, committed)
  :: o == aborted && MOVE(g[m].state, executing, abort, aborted)
  :: o == aborted && MOVE(g[m].state, in_doubt, abort, aborted)
  :: o == in_doubt && MOVE(g[m].state, executing, lose_the_answer, in_doubt)
  :: else
  fi
}
inline set_state(m, o) {
#ifdef STATE_BY_TENANT
  move_to(0, o); move_to(1, o);
#else
  move_to(m, o);
#endif
  SYNCSTATE
}

#ifdef HANG
# define HANGS  if :: true :: goto stopped fi              /* for ever, its sessions open */
#else
# define HANGS  skip
#endif

proctype Worker(byte m) {
  /* claim (mode, decider), durable before any work; a new attempt needs the old one ended */
#ifdef REUSE_ID
  byte life = 0;
birth:
  STEP(d_step { g[0].state == (life -> aborted : none) && g[0].ptx != prepared ->
       g[0].state = none; MOVE(g[0].state, none, claim, executing); g[0].row = none; g[0].eff = 0; g[0].dec = none; g[0].dtx = none;
       g[0].ptx = none; g[0].preq = 0; g[0].pok = 0; g[0].gone = 0; g[0].ack = 0; SYNCSTATE; SYNC });
#else
  STEP(d_step { (m == 0 || g[0].state == aborted) && MOVE(g[m].state, none, claim, executing); SYNCSTATE; SYNC });
#endif
  /* begin, operations, bookkeeping: both sides. No lease check before PREPARE. */
  STEP(d_step { CAN_WRITE(m) -> g[m].dtx = open });
#ifdef NO_LOCK_TIMEOUT
  d_step { P_FREE(m) -> g[m].ptx = open };
#else
  STEP(d_step { P_FREE(m) -> g[m].ptx = open });          /* waits for P's locks, not for ever: lock_timeout */
#endif
  HANGS;
  STEP(g[m].preq = 1);                                    /* PREPARE TRANSACTION sent */
#ifndef DECIDE_BEFORE_PREPARED
  ASK(d_step { !g[m].preq && g[m].pok });                 /* read its reply, or give up */
#endif
#ifdef LEASE_ONLY
  STEP(!taken[m]);                                        /* check, then act */
#endif
  /* register row, last statement before COMMIT: key violation or floor => all dies */
#if defined(NO_UNIQUE)
  STEP(d_step { g[m].dtx == open -> g[m].dtx = inserted });
#elif defined(FLOOR_UNLOCKED)
  STEP(!g[m].floor);
  STEP(d_step { g[m].dtx == open && g[m].row == none -> g[m].dtx = inserted });
#else
  STEP(d_step { g[m].dtx == open && g[m].row == none && !g[m].floor -> g[m].dtx = inserted });
#endif
  HANGS;
#ifdef REHEARSE
  if
  :: m == 0 ->
     STEP(d_step { g[m].dtx == inserted -> g[m].dtx = failed });                        /* ROLLBACK */
     ASK(d_step { if :: g[m].ptx == prepared -> g[m].ptx = none :: else fi });          /* ROLLBACK PREPARED */
     STEP(d_step { set_state(m, aborted) });
     goto dead
  :: else
  fi;
#endif
  STEP(d_step { g[m].dtx == inserted -> g[m].dtx = committing });
#ifdef REHEARSE_COMMITS
  ASK(d_step { if :: g[m].ptx == prepared -> g[m].ptx = none :: else fi });
  STEP(d_step { set_state(m, aborted) });
  goto dead;
#endif
#ifdef PREPARED_FINISH_FIRST
  STEP(d_step { if :: g[m].ptx == prepared -> g[m].ptx = committed :: else fi });
#endif
  ASK(d_step { g[m].dtx == done -> g[m].ack = 1 });       /* COMMIT's reply: durable. Earliest honest report */
  HANGS;
  ASK(d_step { if :: g[m].ptx == prepared -> g[m].ptx = committed :: else fi }); /* COMMIT PREPARED; 42704 = done by another */
  STEP(d_step { set_state(m, committed) });
  goto dead;
#ifdef HANG
stopped:
end_stopped: false;
#endif
lost: STEP(d_step { set_state(m, in_doubt) });
dead: g[m].gone = 1                   /* error, time-out and crash all end here: recovery */
#ifdef REUSE_ID
  ; if :: d_step { life == 0 && g[0].dtx != open && g[0].dtx != inserted && g[0].dtx != committing && !g[0].preq -> life = 1 }; goto birth
       :: life == 1 fi
#endif
}

/* ------------------------------------------- recovery; the janitor is the same */
#ifdef NO_JANITOR
# define NEEDS(m) (!ENDED(m) && g[m].state != none)
#else
# define NEEDS(m) ((!ENDED(m) && g[m].state != none) || g[m].ptx == prepared)
#endif

#ifdef TERMINATE                      /* pg_terminate_backend; kill by pid + start time + boot id */
# define ON_BLOCK  :: d_step { g[m].dtx == inserted -> g[m].dtx = failed }; goto step2
#else
# define ON_BLOCK
#endif

proctype Recoverer() {
  byte m = 0, boot = 0; mtype out = none; 
again:
  skip; d_step { m = 0; boot = 0; out = none };
end: /* step 1: the lease. May expire at any time: no wait for the worker here */
  if
  :: NEEDS(0) -> m = 0
  :: NEEDS(1) -> m = 1
  fi;
#ifdef LEASE_ONLY
  taken[m] = 1;
#endif
#ifdef JANITOR_SHORTCUT
  if :: d_step { g[m].ptx == prepared && g[m].row == none && !KEY_LOCKED(m) -> g[m].ptx = none }; goto again
     :: true fi;
#endif
#ifdef ROLLBACK_BEFORE_ABORT
  if :: d_step { g[m].row == none && !KEY_LOCKED(m) } ->
        RSTEP(d_step { if :: g[m].ptx == prepared -> g[m].ptx = none :: else fi })
     :: else fi;
#endif
  /* step 2: INSERT abort ON CONFLICT DO UPDATE seen + 1; blocks on the worker's key lock */
#if defined(ABSENCE_IS_ABORT) || defined(LEASE_ONLY)
  RSTEP(d_step { !KEY_LOCKED(m) -> boot = dboot; out = g[m].row;
                 if :: out == none -> out = abort :: else fi });
#else
step2:
  RSTEP(d_step { !KEY_LOCKED(m) -> boot = dboot;
                 if :: g[m].floor                    -> out = none       /* collected: ended before */
                    :: !g[m].floor && g[m].row == none -> g[m].row = abort; out = abort
                    :: else                          -> out = g[m].row fi } ON_BLOCK);
#endif
#ifdef ACK_VISIBLE
  if :: out == commit -> g[m].ack = 1 :: else fi;
#endif
  /* ... and commit durably before acting on it */
#ifdef READ_ONLY_RECOVERY
  if :: out == commit :: else -> RSTEP(d_step { boot == dboot -> boot = 0; SYNC }) fi;
#else
  if :: d_step { boot == dboot -> boot = 0; SYNC; if :: out == commit -> g[m].ack = 1 :: else fi }
     :: boot != dboot -> goto again fi;
#endif
#if defined(END_WITHOUT_P)
  if :: goto state_update :: true fi;
#elif defined(END_ABORT_WITHOUT_P)
  if :: out == abort -> goto state_update :: true fi;
#endif
  /* P unreachable: wait, or give up: the state does not end */
  if :: g[m].state == executing -> RSTEP(d_step { set_state(m, in_doubt) }); goto again :: true fi;
  /* step 3: finish the gid */
  RSTEP(d_step {
    if :: g[m].ptx == prepared && out == commit -> g[m].ptx = committed
       :: g[m].ptx == prepared && out != commit -> g[m].ptx = none   /* below the floor a gid is a late PREPARE: abort */
       :: else /* 42704: somebody else did */ fi });
#if defined(END_WITHOUT_P) || defined(END_ABORT_WITHOUT_P)
state_update:
#endif
  /* step 4 */
  if
  :: out == commit -> RSTEP(d_step { set_state(m, committed) })
  :: out == abort  -> RSTEP(d_step { set_state(m, aborted) })
  :: out == none                      /* collected: its state had ended */
  fi;
  goto again
}

/* ---------------------------------------- collection of register rows, by floor */
proctype Collector(byte m) {
end:
  d_step {
#if defined(GC_EARLY)
    g[m].row_d != none
#elif defined(GC_COMMIT_ONLY)
    g[m].state == committed && g[m].row == commit && g[m].ptx != prepared
#else
    ENDED(m) && g[m].ptx != prepared
#endif
    -> g[m].row = none; g[m].row_d = none;
#if !defined(GC_NO_FLOOR) && !defined(GC_COMMIT_ONLY)
    g[m].floor = 1;
#endif
    SYNC }
}

/* --------------------------------------------------------------- properties */
#define NEVER_AHEAD(m)  IMPLIES(g[m].ptx == committed, g[m].eff_d)
#define TRUE_ABORT(m)   IMPLIES(g[m].state == aborted, !g[m].eff && g[m].ptx != committed)
#define TRUE_COMMIT(m)  IMPLIES(g[m].state == committed, g[m].eff_d && g[m].ptx == committed)
#define ACK_KEPT(m)     IMPLIES(g[m].ack, g[m].eff_d)
#define NO_DOUBLE       (!(g[0].eff && g[1].eff) && !(g[0].ptx == committed && g[1].ptx == committed))
#define SETTLED(m)      ((ENDED(m) || g[m].state == none) && g[m].ptx != prepared && \
                         (g[m].ptx == committed) == g[m].eff)

#ifndef LIVE
proctype Monitor() {
end: if
  :: atomic { !NEVER_AHEAD(0) || !NEVER_AHEAD(1) -> assert(NEVER_AHEAD(0) && NEVER_AHEAD(1)) }
  :: atomic { !TRUE_ABORT(0)  || !TRUE_ABORT(1)  -> assert(TRUE_ABORT(0)  && TRUE_ABORT(1)) }
  :: atomic { !TRUE_COMMIT(0) || !TRUE_COMMIT(1) -> assert(TRUE_COMMIT(0) && TRUE_COMMIT(1)) }
  :: atomic { !ACK_KEPT(0)    || !ACK_KEPT(1)    -> assert(ACK_KEPT(0)    && ACK_KEPT(1)) }
  :: atomic { !NO_DOUBLE -> assert(NO_DOUBLE) }
#ifdef WITNESS
  :: atomic { timeout -> assert(!(g[0].state == aborted && g[1].state == committed && g[1].floor)) }
#endif
  :: atomic { timeout -> assert(SETTLED(0) && SETTLED(1)) }
  fi
}
#else
ltl settles { <>[] (SETTLED(0) && SETTLED(1)) }
#endif

init {
  d_step {
    g[0].state = none; g[0].state_d = none; g[0].row = none; g[0].row_d = none;
    g[0].dtx = none; g[0].ptx = none; g[0].dec = none;
    g[1].state = none; g[1].state_d = none; g[1].row = none; g[1].row_d = none;
    g[1].dtx = none; g[1].ptx = none; g[1].dec = none
  }
  atomic {
    run Session(0); run Worker(0);
#if !defined(REUSE_ID) && !defined(ONE)
    run Session(1); run Worker(1);
#endif
#if !defined(REUSE_ID) && !defined(NO_GC)
    run Collector(0); run Collector(1);
#endif
    run Recoverer(); run Recoverer(); run Power();
#ifdef NREC3
    run Recoverer();
#endif
#ifndef LIVE
    run Monitor()
#endif
  }
}
