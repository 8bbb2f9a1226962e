/* Whole messages over a socket, between the command and its isolated processes. */
#ifndef MTNT_COMMAND_CHANNEL_H
#define MTNT_COMMAND_CHANNEL_H

#include <mtnt.h>

/* One message on its way in: its length, then its bytes. */
typedef struct mtnt__socket {
    int fd;
    int process; /* a pidfd: that one is gone when it says so, whoever has a copy of the socket; -1 = only the socket tells */
    bool gone;
    uint64_t length;
    size_t got; /* of the length and the bytes together */
    char *bytes;
} mtnt__socket;

/* data: an mtnt__socket; calls of an mtnt_channel. */
int mtnt__channel_send(void *data, const void *message, size_t size, mtnt_error *err);
int mtnt__channel_receive(void *data, int64_t wait_ms, void **ret_message, size_t *ret_size, mtnt_error *err);
/* Closes what is open. */
void mtnt__channel_release(mtnt__socket *socket);

#endif
