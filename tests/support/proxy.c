#include "proxy.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define SESSIONS 128

struct side {
    int file; /* -1 = closed */
    char *bytes;
    size_t length;
    bool started; /* past the packet without a letter */
};

struct session {
    struct side client, server;
    int backend;
    bool deciding; /* the register was written to in this transaction */
    bool used, held, held_from_server,
        orphaned; /* orphaned: the client has left, what was held is still to be answered */
    size_t held_size;
    int64_t held_until_ms;
};

struct proxy {
    char path[108], server[108];
    int listener, wake[2];
    proxy_fn each;
    void *data;
    pthread_t thread;
    pthread_mutex_t mutex; /* over what follows */
    pthread_cond_t gone;
    bool stop, dead, let_go, waiting;
    struct session sessions[SESSIONS]; /* the thread's own */
};

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void close_side(struct side *s)
{
    if (s->file >= 0)
        close(s->file);
    free(s->bytes);
    *s = (struct side){.file = -1};
}

static void end_session(struct session *s)
{
    close_side(&s->client);
    close_side(&s->server);
    *s = (struct session){.client.file = -1, .server.file = -1};
}

static bool send_all(int file, const char *bytes, size_t length)
{
    while (length > 0) {
        ssize_t sent = send(file, bytes, length, MSG_NOSIGNAL);

        if (sent < 0 && errno == EINTR)
            continue;
        if (sent <= 0)
            return false;
        bytes += sent;
        length -= (size_t)sent;
    }
    return true;
}

/* False at the end of the stream. */
static bool receive(struct side *s)
{
    char bytes[16384];
    ssize_t got = recv(s->file, bytes, sizeof(bytes), 0);

    if (got <= 0)
        return got < 0 && (errno == EINTR || errno == EAGAIN);
    s->bytes = realloc(s->bytes, s->length + (size_t)got);
    if (s->bytes == NULL)
        abort();
    memcpy(s->bytes + s->length, bytes, (size_t)got);
    s->length += (size_t)got;
    return true;
}

static size_t number_at(const char *bytes)
{
    const unsigned char *b = (const unsigned char *)bytes;

    return (size_t)b[0] << 24 | (size_t)b[1] << 16 | (size_t)b[2] << 8 | b[3];
}

/* Of the first message; 0 = it is not there whole. */
static size_t message_size(const struct side *s, bool from_server)
{
    size_t letter = from_server || s->started ? 1 : 0, size;

    if (s->length < letter + 4)
        return 0;
    size = letter + number_at(s->bytes + letter);
    return s->length < size ? 0 : size;
}

static void drop_first(struct side *s, size_t size)
{
    s->length -= size;
    memmove(s->bytes, s->bytes + size, s->length);
}

static bool is_decisive(struct session *s, const proxy_message *m)
{
    static const char *const words[] = {"PREPARE TRANSACTION", "COMMIT PREPARED", "ROLLBACK PREPARED",
                                        "CREATE DATABASE",     "ALTER DATABASE",  "DROP DATABASE"};
    bool deciding = s->deciding;

    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
        if (strncmp(m->text, words[i], strlen(words[i])) == 0)
            return true;
    if (!m->from_server && strstr(m->text, "mtnt_decision") != NULL)
        s->deciding = true;
    if (!deciding || strncmp(m->text, "COMMIT", 6) != 0)
        return false;
    s->deciding = !m->from_server;
    return true;
}

static proxy_message describe(struct session *s, bool from_server, size_t size)
{
    struct side *side = from_server ? &s->server : &s->client;
    bool letter = from_server || side->started;
    proxy_message m = {from_server, letter ? side->bytes[0] : '\0', "", false, s->backend};

    if (from_server && m.type == 'K' && size >= 9)
        m.backend = s->backend = (int)number_at(side->bytes + 5);
    if ((!from_server && m.type == 'Q') || (from_server && m.type == 'C'))
        m.text = side->bytes + 5;
    else if (!from_server && m.type == 'P' && letter)
        m.text = side->bytes + 5 + strlen(side->bytes + 5) + 1;
    m.decisive = is_decisive(s, &m);
    return m;
}

static bool pass(struct session *s, bool from_server, size_t size)
{
    struct side *from = from_server ? &s->server : &s->client, *to = from_server ? &s->client : &s->server;
    bool sent = to->file >= 0 && send_all(to->file, from->bytes, size);

    from->started = true;
    drop_first(from, size);
    return sent;
}

/* All whole messages of one direction. */
static void go_through(proxy *p, struct session *s, bool from_server)
{
    struct side *side = from_server ? &s->server : &s->client;
    size_t size;

    while (s->used && !(s->held && s->held_from_server == from_server) &&
           (size = message_size(side, from_server)) > 0) {
        const proxy_message message = describe(s, from_server, size);
        proxy_action action = p->each(p->data, &message);

        if (action == PROXY_HOLD) {
            s->held = true;
            s->held_from_server = from_server;
            s->held_size = size;
            s->held_until_ms = now_ms() + PROXY_PATIENCE_MS;
        } else if (action == PROXY_CUT_BEFORE) {
            end_session(s);
        } else if (!pass(s, from_server, size) && from_server) {
            end_session(s);
        } else if (action == PROXY_CUT_AFTER) {
            end_session(s);
        }
        /* A server that has left may have said why: that is read first. */
    }
}

static int reach(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int file = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    if (file >= 0 && connect(file, (struct sockaddr *)&address, sizeof(address)) != 0) {
        close(file);
        file = -1;
    }
    return file;
}

/* Whether the network is dead is asked now: it may have come back while the proxy waited. */
static bool is_dead(proxy *p)
{
    bool dead;

    pthread_mutex_lock(&p->mutex);
    dead = p->dead;
    pthread_mutex_unlock(&p->mutex);
    return dead;
}

static void take_in(proxy *p)
{
    int client = accept4(p->listener, NULL, NULL, SOCK_CLOEXEC), server;

    if (client < 0)
        return;
    server = is_dead(p) ? -1 : reach(p->server);
    for (struct session *s = p->sessions; server >= 0 && s < p->sessions + SESSIONS; s++)
        if (!s->used) {
            *s = (struct session){.client.file = client, .server.file = server, .used = true};
            return;
        }
    close(client);
    if (server >= 0)
        close(server);
}

/* Its sender is gone: the server still gets it, and does what it says. */
static void client_left(struct session *s)
{
    if (!s->held || s->held_from_server) {
        end_session(s);
        return;
    }
    close(s->client.file);
    s->client.file = -1;
    s->orphaned = true;
}

static void let_go(proxy *p, struct session *s)
{
    bool sent;

    if (!s->used || !s->held)
        return;
    s->held = false;
    sent = pass(s, s->held_from_server, s->held_size);
    if (s->orphaned && sent)
        shutdown(s->server.file, SHUT_WR); /* it reads to the end, and closes */
    else if (s->orphaned)
        end_session(s);
    else
        go_through(p, s, s->held_from_server);
}

static void look_at(proxy *p, struct session *s, short client, short server)
{
    if (s->used && s->server.file >= 0 && (server & (POLLIN | POLLHUP | POLLERR)) != 0) {
        if (!receive(&s->server)) {
            end_session(s);
            return;
        }
        if (s->orphaned)
            s->server.length = 0;
        else
            go_through(p, s, true);
    }
    if (s->used && s->client.file >= 0 && (client & (POLLIN | POLLHUP | POLLERR)) != 0) {
        if (receive(&s->client))
            go_through(p, s, false);
        else
            client_left(s);
    }
}

static size_t gather(proxy *p, struct pollfd *files, struct session **who)
{
    size_t count = 0;

    files[count++] = (struct pollfd){.fd = p->wake[0], .events = POLLIN};
    files[count++] = (struct pollfd){.fd = p->listener, .events = POLLIN};
    for (struct session *s = p->sessions; s < p->sessions + SESSIONS; s++) {
        if (!s->used)
            continue;
        who[count] = s;
        files[count++] = (struct pollfd){.fd = s->client.file, .events = POLLIN};
        files[count++] = (struct pollfd){.fd = s->server.file, .events = POLLIN};
    }
    return count;
}

static bool orphans(const proxy *p)
{
    for (const struct session *s = p->sessions; s < p->sessions + SESSIONS; s++)
        if (s->used && s->orphaned)
            return true;
    return false;
}

/* What the test has asked for since. False: the end. */
static bool obey(proxy *p)
{
    bool stop, go, dead;

    pthread_mutex_lock(&p->mutex);
    stop = p->stop;
    go = p->let_go;
    p->let_go = false;
    dead = p->dead;
    pthread_mutex_unlock(&p->mutex);
    for (struct session *s = p->sessions; s < p->sessions + SESSIONS; s++) {
        if (go || (s->used && s->held && !s->orphaned && now_ms() >= s->held_until_ms))
            let_go(p, s);
        if (s->used && (stop || (dead && !s->held)))
            end_session(s);
    }
    pthread_mutex_lock(&p->mutex);
    if (p->waiting && !p->let_go && !orphans(p)) {
        p->waiting = false;
        pthread_cond_broadcast(&p->gone);
    }
    pthread_mutex_unlock(&p->mutex);
    return !stop;
}

static void *serve(void *data)
{
    struct pollfd files[2 + 2 * SESSIONS];
    struct session *who[2 + 2 * SESSIONS];
    proxy *p = data;
    char byte[16];

    while (obey(p)) {
        size_t count = gather(p, files, who);

        if (poll(files, count, 100) <= 0)
            continue;
        if (files[0].revents != 0 && read(p->wake[0], byte, sizeof(byte)) < 0)
            break;
        for (size_t i = 2; i < count; i += 2)
            look_at(p, who[i], files[i].revents, files[i + 1].revents);
        if (files[1].revents != 0)
            take_in(p);
    }
    return NULL;
}

static void word(const char *words, const char *key, char *value, size_t size)
{
    const char *found = words == NULL ? NULL : strstr(words, key);

    assert_non_null(found);
    snprintf(value, size, "%.*s", (int)strcspn(found + strlen(key), " "), found + strlen(key));
}

proxy *proxy_start(const char *folder, proxy_fn each, void *data)
{
    proxy *p = calloc(1, sizeof(*p));
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char host[90], port[8];

    assert_non_null(p);
    word(getenv("MTNT_TEST_PG"), "host=", host, sizeof(host));
    word(getenv("MTNT_TEST_PG"), "port=", port, sizeof(port));
    p->each = each;
    p->data = data;
    for (struct session *s = p->sessions; s < p->sessions + SESSIONS; s++)
        end_session(s);
    assert_true(snprintf(p->server, sizeof(p->server), "%s/.s.PGSQL.%s", host, port) < (int)sizeof(p->server));
    assert_true(snprintf(p->path, sizeof(p->path), "%s/.s.PGSQL.%s", folder, port) < (int)sizeof(p->path));
    memcpy(address.sun_path, p->path, sizeof(address.sun_path));
    p->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(p->listener >= 0);
    assert_int_equal(bind(p->listener, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(p->listener, 64), 0);
    assert_int_equal(pipe(p->wake), 0);
    assert_int_equal(pthread_mutex_init(&p->mutex, NULL), 0);
    assert_int_equal(pthread_cond_init(&p->gone, NULL), 0);
    assert_int_equal(pthread_create(&p->thread, NULL, serve, p), 0);
    return p;
}

static void wake(proxy *p)
{
    assert_int_equal(write(p->wake[1], "", 1), 1);
}

void proxy_stop(proxy *p)
{
    if (p == NULL)
        return;
    pthread_mutex_lock(&p->mutex);
    p->stop = true;
    pthread_mutex_unlock(&p->mutex);
    wake(p);
    pthread_join(p->thread, NULL);
    close(p->listener);
    close(p->wake[0]);
    close(p->wake[1]);
    unlink(p->path);
    pthread_mutex_destroy(&p->mutex);
    pthread_cond_destroy(&p->gone);
    free(p);
}

void proxy_set_dead(proxy *p, bool dead)
{
    pthread_mutex_lock(&p->mutex);
    p->dead = dead;
    pthread_mutex_unlock(&p->mutex);
    wake(p);
}

void proxy_let_go(proxy *p)
{
    pthread_mutex_lock(&p->mutex);
    p->let_go = p->waiting = true;
    pthread_mutex_unlock(&p->mutex);
    wake(p);
    pthread_mutex_lock(&p->mutex);
    while (p->waiting)
        pthread_cond_wait(&p->gone, &p->mutex);
    pthread_mutex_unlock(&p->mutex);
}
