/* All or nothing: a chain of two operations that write what they are told to, and what has to hold of a tenant after any fault and one recovery.
 * "Nothing lost" means here: both databases hold all of the migration or none of it, and the controller says which; what was said to be done
 * is there; no gid, no provisional model, no lease and no unended migration is left; and the next migration brings the rest. */
#ifndef MTNT_TESTS_WHOLE_H
#define MTNT_TESTS_WHOLE_H

#include "fleet_fixture.h"

typedef struct whole {
    uint32_t writes;
    bool creates; /* the model too */
} whole;

/* `last` is the body of the operation that comes last, b. */
void whole_add_chain(fleet *f, const whole *w, body last);
bool whole_is_there(fleet *f, size_t tenant, const whole *w);
bool whole_is_not_there(fleet *f, size_t tenant, const whole *w);
/* Everything above but the next migration. `acknowledged`: it was said to be done. `when` is for the message. */
void whole_check(fleet *f, size_t tenant, const whole *w, bool acknowledged, const char *when);
/* The next migration, and everything above. */
void whole_finish(fleet *f, size_t tenant, const whole *w, const char *when);
/* A PREPARE or CREATE DATABASE can arrive after its migration was settled: what is left so is of an aborted migration, and the janitor takes it
 * away, or the test fails. */
void whole_sweep(fleet *f, const char *when);
/* What a process does that has not answered for longer than its lease: others may take what it has. */
void whole_end_leases(fleet *f);

#endif
