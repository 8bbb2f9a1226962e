/* Passes on what goes between clients and a PostgreSQL server, each direction some milliseconds later: a link to another place.
 *   bench_delay SOCKET-OF-SERVER MILLISECONDS      prints the port of 127.0.0.1 on which it listens, and runs until its input ends */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "bench.h"

#define LINKS 1024
#define CHUNK 65536

/* What one side has sent, with the time at which it arrives. */
struct piece {
    struct piece *next;
    double due;
    size_t length, sent;
    char bytes[];
};

/* One direction of a connection. */
struct way {
    int from, to;
    struct piece *first, **last;
    bool ended; /* `from` has; `to` is told when everything has arrived */
};

static struct way ways[2 * LINKS];
static size_t way_count;
static double delay_s;

static void begin_way(int from, int to)
{
    struct way *way = ways + way_count++;

    *way = (struct way){from, to, NULL, NULL, false};
    way->last = &way->first;
}

static void accept_one(int listener, const char *server)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int client = accept4(listener, NULL, NULL, SOCK_CLOEXEC), behind = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(address.sun_path, sizeof(address.sun_path), "%s", server);
    if (client < 0 || behind < 0 || connect(behind, (struct sockaddr *)&address, sizeof(address)) != 0)
        bench_die("%s: %s", server, strerror(errno));
    if (way_count + 2 > 2 * LINKS)
        bench_die("more than %d connections", LINKS);
    setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    begin_way(client, behind);
    begin_way(behind, client);
}

static void take(struct way *way)
{
    struct piece *piece = malloc(sizeof(*piece) + CHUNK);
    ssize_t got;

    if (piece == NULL)
        bench_die("out of memory");
    got = read(way->from, piece->bytes, CHUNK);
    if (got <= 0) {
        free(piece);
        way->ended = true;
        return;
    }
    *piece = (struct piece){.due = bench_now() + delay_s, .length = (size_t)got};
    *way->last = piece;
    way->last = &piece->next;
}

/* What is due; whoever does not read in time holds up all of them, which is fine for a benchmark. */
static void give(struct way *way, double now)
{
    while (way->first != NULL && way->first->due <= now) {
        struct piece *piece = way->first;

        while (piece->sent < piece->length) {
            ssize_t sent = send(way->to, piece->bytes + piece->sent, piece->length - piece->sent, MSG_NOSIGNAL);

            if (sent < 0 && errno != EINTR)
                break;
            piece->sent += sent > 0 ? (size_t)sent : 0;
        }
        way->first = piece->next;
        if (way->first == NULL)
            way->last = &way->first;
        free(piece);
    }
    if (way->ended && way->first == NULL)
        shutdown(way->to, SHUT_WR);
}

/* Connections of which both ways have ended. Both are next to each other. */
static void forget_ended(void)
{
    size_t kept = 0;

    for (size_t i = 0; i < way_count; i += 2) {
        if (ways[i].ended && ways[i + 1].ended && ways[i].first == NULL && ways[i + 1].first == NULL) {
            close(ways[i].from);
            close(ways[i].to);
            continue;
        }
        for (size_t n = 0; n < 2; n++) {
            ways[kept] = ways[i + n];
            if (ways[kept].first == NULL)
                ways[kept].last = &ways[kept].first;
            kept++;
        }
    }
    way_count = kept;
}

static int wait_ms(double now)
{
    double soonest = 1;

    for (size_t i = 0; i < way_count; i++)
        if (ways[i].first != NULL && ways[i].first->due - now < soonest)
            soonest = ways[i].first->due - now;
    return soonest <= 0 ? 0 : (int)(soonest * 1000) + 1;
}

static int listen_somewhere(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(address);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (bind(listener, (struct sockaddr *)&address, sizeof(address)) != 0 || listen(listener, 128) != 0 ||
        getsockname(listener, (struct sockaddr *)&address, &length) != 0)
        bench_die("127.0.0.1: %s", strerror(errno));
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    return listener;
}

int main(int argc, char **argv)
{
    static struct pollfd polled[2 * LINKS + 2];
    int listener;

    if (argc != 3)
        bench_die("usage: bench_delay SOCKET-OF-SERVER MILLISECONDS");
    delay_s = strtod(argv[2], NULL) / 1000;
    listener = listen_somewhere();
    for (;;) {
        size_t count = way_count;

        polled[0] = (struct pollfd){STDIN_FILENO, POLLIN, 0};
        polled[1] = (struct pollfd){listener, POLLIN, 0};
        for (size_t i = 0; i < count; i++)
            polled[i + 2] = (struct pollfd){ways[i].ended ? -1 : ways[i].from, POLLIN, 0};
        if (poll(polled, count + 2, wait_ms(bench_now())) < 0 && errno != EINTR)
            bench_die("poll: %s", strerror(errno));
        if (polled[0].revents != 0)
            return 0;
        for (size_t i = 0; i < count; i++)
            if (polled[i + 2].revents != 0)
                take(ways + i);
        for (size_t i = 0; i < count; i++)
            give(ways + i, bench_now());
        if (polled[1].revents != 0)
            accept_one(listener, argv[1]);
        forget_ended();
    }
}
