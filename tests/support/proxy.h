/* Between the library and a PostgreSQL server: a Unix socket that passes on what either side sends, one protocol message at a time, and asks
 * the test about each. A connection can be cut before or after any message, a session ended under it, and a message held back until the test
 * lets it go, whether its sender is still there or not. */
#ifndef MTNT_TESTS_PROXY_H
#define MTNT_TESTS_PROXY_H

#include <stdbool.h>
#include <stddef.h>

typedef struct proxy proxy;

typedef struct proxy_message {
    bool from_server;
    char type;        /* the protocol's letter; '\0' = the packet that begins a session or asks for a cancel */
    const char *text; /* SQL of a query or parse, tag of a completed command; else "" */
    bool
        decisive; /* it ends a transaction that has written to the register, or one that is prepared, or makes, renames or drops a
                         database; or it is the answer to that */
    int backend; /* the server's process for this session; 0 = not known yet */
} proxy_message;

#define PROXY_PATIENCE_MS 500

typedef enum proxy_action {
    PROXY_PASS = 0,
    PROXY_CUT_BEFORE, /* the message is lost with the connection */
    PROXY_CUT_AFTER,  /* it arrives, and nothing after it */
    PROXY_HOLD /* it arrives when proxy_let_go is called; other connections go on. Who has not given up by then gets it after PROXY_PATIENCE_MS */
} proxy_action;

/* Called in the proxy's thread, one message at a time. */
typedef proxy_action (*proxy_fn)(void *data, const proxy_message *message);

/* Listens in `folder` under the server's port; MTNT_TEST_PG says where the server is. Every failure fails the test. */
proxy *proxy_start(const char *folder, proxy_fn each, void *data);
void proxy_stop(proxy *p);
/* While dead, connections are closed and new ones refused. */
void proxy_set_dead(proxy *p, bool dead);
/* What is held goes on its way; returns when the servers have done with messages whose senders have left. */
void proxy_let_go(proxy *p);

#endif
