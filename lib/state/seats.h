/* Seats on database servers, shared by all processes that use the controller: see mtnt_seat. Each call is one transaction on the controller's own
 * connection; the owner is that of the call at hand. Errors: those of a statement and a commit. */
#ifndef MTNT_STATE_SEATS_H
#define MTNT_STATE_SEATS_H

#include "state/store.h"

/* Up to `wanted` of the seats 1 to `most` that nobody has: ret_seats has room for `wanted`. */
int mtnt__seats_take(mtnt_controller *controller, const char *server, int64_t most, int64_t wanted, int64_t lease_ms,
                     int64_t *ret_seats, int64_t *ret_count, mtnt_error *err);
/* Gives one back; one that is another's by now stays there. */
int mtnt__seats_give(mtnt_controller *controller, const char *server, int64_t seat, mtnt_error *err);
int mtnt__seats_give_all(mtnt_controller *controller, mtnt_error *err);
/* All that the owner has. */
int mtnt__seats_renew(mtnt_controller *controller, int64_t lease_ms, mtnt_error *err);

#endif
