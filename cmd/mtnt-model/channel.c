#include "channel.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define SEND_MS 30000 /* a process that does not even take an order for so long is none */
#define LENGTH_MAX (UINT64_C(256) << 20)

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_BOOTTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Waits until the socket is ready, or the process is gone. false: the time is over. */
static bool wait_for(mtnt__socket *socket, short events, int64_t until_ms)
{
    struct pollfd files[] = {{.fd = socket->fd, .events = events}, {.fd = socket->process, .events = POLLIN}};
    int64_t left = until_ms < 0 ? -1 : until_ms - now_ms();
    int ready;

    if (until_ms >= 0 && left <= 0)
        left = 0;
    ready = poll(files, 2, left > 1000000 ? 1000000 : (int)left);
    if (ready > 0 && files[1].revents != 0)
        socket->gone = true;
    return ready > 0 || left != 0;
}

static int gone(mtnt_error *err)
{
    return mtnt_error_set(err, MTNT_E_CONNECT, "the process at the other end is gone");
}

/* One after another; a part of a message may be taken before the rest has room. */
static int send_bytes(mtnt__socket *socket, const char *bytes, size_t size, int64_t until_ms, mtnt_error *err)
{
    while (size > 0) {
        ssize_t sent = send(socket->fd, bytes, size, MSG_NOSIGNAL | MSG_DONTWAIT);

        if (sent > 0) {
            bytes += sent;
            size -= (size_t)sent;
            continue;
        }
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent >= 0 || errno != EAGAIN || socket->gone)
            return gone(err);
        if (!wait_for(socket, POLLOUT, until_ms))
            return mtnt_error_set(err, MTNT_E_DEADLINE,
                                  "the process at the other end does not take what is sent to it");
    }
    return 0;
}

int mtnt__channel_send(void *data, const void *message, size_t size, mtnt_error *err)
{
    mtnt__socket *socket = data;
    uint64_t length = size;
    int64_t until_ms = socket->process < 0 ? -1 : now_ms() + SEND_MS;
    int rc = send_bytes(socket, (const char *)&length, sizeof length, until_ms, err);

    return rc != 0 ? rc : send_bytes(socket, message, size, until_ms, err);
}

/* Where the next bytes go, and how many are wanted. NULL: no memory. */
static char *room(mtnt__socket *socket, size_t *ret_size)
{
    if (socket->got < sizeof socket->length) {
        *ret_size = sizeof socket->length - socket->got;
        return (char *)&socket->length + socket->got;
    }
    *ret_size = (size_t)socket->length - (socket->got - sizeof socket->length);
    if (socket->bytes == NULL)
        socket->bytes = malloc((size_t)socket->length + 1);
    return socket->bytes == NULL ? NULL : socket->bytes + (socket->got - sizeof socket->length);
}

static bool complete(const mtnt__socket *socket)
{
    return socket->got >= sizeof socket->length && socket->got - sizeof socket->length == socket->length;
}

static int hand_over(mtnt__socket *socket, void **ret_message, size_t *ret_size, mtnt_error *err)
{
    if (socket->bytes == NULL && (socket->bytes = malloc(1)) == NULL)
        return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
    *ret_message = socket->bytes;
    *ret_size = (size_t)socket->length;
    socket->bytes = NULL;
    socket->got = 0;
    return 0;
}

int mtnt__channel_receive(void *data, int64_t wait_ms, void **ret_message, size_t *ret_size, mtnt_error *err)
{
    mtnt__socket *socket = data;
    int64_t until_ms = wait_ms < 0 ? -1 : now_ms() + wait_ms;

    while (!complete(socket)) {
        size_t size;
        char *to = room(socket, &size);
        ssize_t got;

        if (socket->got == sizeof socket->length && socket->length > LENGTH_MAX)
            return mtnt_error_set(err, MTNT_E_CORRUPT, "a message that is none");
        if (to == NULL)
            return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
        got = recv(socket->fd, to, size, MSG_DONTWAIT);
        if (got > 0) {
            socket->got += (size_t)got;
            continue;
        }
        if (got < 0 && errno == EINTR)
            continue;
        if (got == 0 || errno != EAGAIN || socket->gone)
            return gone(err);
        if (!wait_for(socket, POLLIN, until_ms))
            return mtnt_error_set(err, MTNT_E_DEADLINE, "nothing has come yet");
    }
    return hand_over(socket, ret_message, ret_size, err);
}

void mtnt__channel_release(mtnt__socket *socket)
{
    if (socket->fd >= 0)
        close(socket->fd);
    if (socket->process >= 0)
        close(socket->process);
    free(socket->bytes);
    *socket = (mtnt__socket){.fd = -1, .process = -1};
}
