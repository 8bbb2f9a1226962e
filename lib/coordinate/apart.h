/* Attempts and recoveries that another process performs for this thread: see mtnt/isolate.h. This side has the claim, the lease, the gate of a SQLite
 * controller and the slots for prepared transactions; the other one has the databases, and runs the bodies.
 *
 * What a process leaves that is gone at some point of an order, and what is done about it here, before the attempt has a verdict:
 *
 *   before it says that it has read the order     nothing: it was gone before. Another process gets the same order, once.
 *   in it, before PREPARE or the decider's COMMIT its transactions went with its connections     the register says abort, by mtnt__settle
 *   PREPARE, or the decider's COMMIT, was sent    as the register says; a gid is finished accordingly     mtnt__settle
 *   after the decision                            commit: what is left of it is finished, and the attempt has succeeded     mtnt__settle
 *   a new model under its provisional name        removed, or renamed                            mtnt__settle
 *   in a saga                                     what is journalled is taken back; rollbacks run in another process    mtnt__saga_recover
 *   while a recovery is at work                   any of these: the next recovery
 *   while another process settles it              the same again; when a rollback of a saga has ended that one too, it is in doubt, and left to the next run
 *
 * mtnt__settle is what a lost answer to COMMIT leads to, and is safe beside a worker that is alive: PostgreSQL may not have noticed yet that its client has gone.
 * The register is the fence; that the process is dead is known as well (its end was waited for), so that nothing of it comes later but what a server
 * was already told. The claim stays this process's all the time, with its lease renewed; the end of the migration is written as after any other
 * attempt. If this process goes first, the other one must (mtnt_isolated_serve); until it has, it is a zombie of the protocol like any other. */
#ifndef MTNT_COORDINATE_APART_H
#define MTNT_COORDINATE_APART_H

#include "coordinate/task.h"

typedef struct mtnt__apart mtnt__apart;

/* As mtnt__attempt_run, for an attempt whose link has an isolation; the error of a process that has gone is OPERATION, and is not retryable. */
int mtnt__apart_run(mtnt__attempt *attempt, mtnt_error *err);
/* As mtnt__task_recover. */
void mtnt__apart_recover(mtnt__task *task, mtnt__link *link);
/* The process is told that there is nothing more to do, and waited for. NULL is fine. */
void mtnt__apart_free(mtnt__apart *apart);

/* A body that has not returned so long after its time was over, or after it was cancelled, is ended with its process. */
#define MTNT__APART_GRACE_MS 10000

#endif
