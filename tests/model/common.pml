/* common.pml -- words shared by m1..m4 (states and events are those of lib/state/transitions.c).
 *
 * Conventions of all four models
 *   - One atomic{}/d_step{} is one thing that a server does atomically. Between
 *     two of them anything may happen: crash, stop, power loss, other processes.
 *   - A ZOMBIE needs no process of its own: a lease may expire at any time (a
 *     recoverer never waits for the worker), so every worker that is scheduled
 *     late is a zombie. The lease is therefore NOT modelled, except where a
 *     mutation relies on it: safety must not depend on it.
 *   - x / x_d: what other sessions see / what a power loss leaves. A commit is
 *     first visible, then durable; a later durable commit on the same database
 *     hardens everything before it.
 *   - STEP(a): do a, or crash here. LIVE bounds the recoverers' crashes, so that
 *     liveness is asked of histories with finitely many crashes.
 *   - MOVE is the only way that a migration's state changes. The test model.edges
 *     holds every one of them against the table that the code goes by.
 *   - The Monitor asserts the invariants in every state, and `settled' in every
 *     state from which nothing can move any more (timeout).
 */
mtype = { none, executing, committed, aborted, blocked,        /* a migration's states */
          in_doubt, compensating, rollback_failed,
          commit, abort,                                       /* outcomes   */
          open, inserted, committing, visible, done, failed,   /* decider tx */
          prepared };                                          /* gid exists */

/* In an option: one edge, taken where the state is FROM. Recovery and worker both
 * write by migration, WHERE state IN (..): what has no edge changes nothing. */
#define MOVE(state, from, event, to)  state == from -> state = to
#define WRONG_MOVE(state, from, to)   state == from -> state = to  /* a mutation's */

#define IMPLIES(a, b)   (!(a) || (b))
#define STEP(a)         if :: a :: goto dead fi
#define ASK(a)          if :: a :: goto dead :: goto lost fi   /* ... or its answer is lost, and the worker lives to say so */

#ifdef LIVE
# ifndef RCRASH
#  define RCRASH 1
# endif
byte rcrash = 0;
active proctype Clock() { do :: true; true od }     /* time goes on: no finite runs */
# define RSTEP(a)       if :: a :: d_step { rcrash < RCRASH -> rcrash++ }; goto again fi
#else
# define RSTEP(a)       if :: a :: goto again fi
#endif
