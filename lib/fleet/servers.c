#include "fleet/servers.h"

#include <stdlib.h>
#include <string.h>

#include "fleet/away.h"
#include "fleet/dispatch.h"
#include "state/seats.h"

#define LEASE_MS 60000
#define ASK_AGAIN_MS 200 /* when others had all of them */
#define IDLE_MS 1000     /* seats stay with us so long without being used */

void mtnt__servers_release(mtnt__servers *servers)
{
    for (size_t i = 0; i < servers->count; i++) {
        free(servers->items[i].name);
        free(servers->items[i].seats);
    }
    free(servers->items);
    *servers = (mtnt__servers){0};
}

static struct mtnt__server *find(const mtnt__servers *servers, const char *name)
{
    for (size_t i = 0; i < servers->count; i++)
        if (strcmp(servers->items[i].name, name) == 0)
            return servers->items + i;
    return NULL;
}

static int add(mtnt__dispatch *d, const char *name, mtnt_error *err)
{
    mtnt__servers *servers = &d->servers;
    struct mtnt__server *items = reallocarray(servers->items, servers->count + 1, sizeof(*items)), *server;

    if (items != NULL) {
        servers->items = items;
        server = items + servers->count;
        *server = (struct mtnt__server){
            .name = strdup(name),
            .seats = calloc((size_t)d->executor->options.rollout.per_server + 1, sizeof(*server->seats))};
        if (server->name != NULL && server->seats != NULL) {
            servers->count++;
            return 0;
        }
        free(server->name);
        free(server->seats);
    }
    return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
}

int mtnt__servers_find(mtnt__dispatch *d, mtnt__task *task, mtnt_error *err)
{
    if (d->executor->options.rollout.per_server == 0 || task->model->backend == MTNT_SQLITE)
        return 0;
    task->server = mtnt__dsn_server(mtnt__model_dsn(task->model));
    if (task->server == NULL)
        return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
    return find(&d->servers, task->server) != NULL ? 0 : add(d, task->server, err);
}

bool mtnt__servers_room(mtnt__dispatch *d, const mtnt__task *task)
{
    struct mtnt__server *server;

    if (task->server == NULL)
        return true;
    server = find(&d->servers, task->server);
    if (server->used < server->held)
        return true;
    server->wanted++;
    return false;
}

void mtnt__servers_sit(mtnt__dispatch *d, const mtnt__task *task)
{
    if (task->server != NULL)
        find(&d->servers, task->server)->used++;
}

void mtnt__servers_rise(mtnt__dispatch *d, const mtnt__task *task)
{
    if (task->server != NULL)
        find(&d->servers, task->server)->used--;
}

void mtnt__servers_begin_round(mtnt__servers *servers)
{
    for (size_t i = 0; i < servers->count; i++)
        servers->items[i].wanted = 0;
}

bool mtnt__servers_wanted(const mtnt__servers *servers)
{
    for (size_t i = 0; i < servers->count; i++)
        if (servers->items[i].wanted > 0)
            return true;
    return false;
}

static bool note(mtnt__dispatch *d, int rc, const mtnt_error *error)
{
    return mtnt__away_hear(d, rc, error) == MTNT__HEARD_ANSWER;
}

static bool take(mtnt__dispatch *d, struct mtnt__server *server, int64_t now_ms)
{
    int64_t most = d->executor->options.rollout.per_server, left = most - server->held, got = 0;
    mtnt_error error = MTNT_ERROR_INIT;
    int rc;

    if (server->wanted == 0 || left == 0 || now_ms < server->ask_ms)
        return false;
    mtnt__gate_enter(d->gate);
    rc = mtnt__seats_take(d->executor->controller, server->name, most, server->wanted < left ? server->wanted : left,
                          LEASE_MS, server->seats + server->held, &got, &error);
    mtnt__gate_leave(d->gate);
    if (!note(d, rc, &error) || got == 0)
        server->ask_ms = now_ms + ASK_AGAIN_MS;
    if (d->servers.renew_ms == 0)
        d->servers.renew_ms = now_ms + LEASE_MS / 3;
    server->held += rc == 0 ? got : 0;
    return rc == 0 && got > 0;
}

/* The last ones: which of them a tenant sits on does not matter. */
static void give(mtnt__dispatch *d, struct mtnt__server *server, int64_t now_ms)
{
    mtnt_error error = MTNT_ERROR_INIT;

    if (server->wanted > 0 || server->used == server->held) {
        server->idle_since_ms = 0;
        return;
    }
    if (server->idle_since_ms == 0)
        server->idle_since_ms = now_ms;
    if (now_ms - server->idle_since_ms < IDLE_MS)
        return;
    while (server->held > server->used && !d->lost) {
        int rc;

        mtnt__gate_enter(d->gate);
        rc = mtnt__seats_give(d->executor->controller, server->name, server->seats[server->held - 1], &error);
        mtnt__gate_leave(d->gate);
        if (!note(d, rc, &error))
            break;
        server->held--;
    }
}

static void renew(mtnt__dispatch *d, int64_t now_ms)
{
    mtnt_error error = MTNT_ERROR_INIT;
    int rc;

    if (d->servers.renew_ms == 0 || now_ms < d->servers.renew_ms)
        return;
    mtnt__gate_enter(d->gate);
    rc = mtnt__seats_renew(d->executor->controller, LEASE_MS, &error);
    mtnt__gate_leave(d->gate);
    d->servers.renew_ms = now_ms + (note(d, rc, &error) ? LEASE_MS / 3 : ASK_AGAIN_MS);
}

bool mtnt__servers_trade(mtnt__dispatch *d)
{
    int64_t now_ms = mtnt__dispatch_now_ms(d);
    bool more = false;

    if (!mtnt__away_asks(d))
        return false;
    renew(d, now_ms);
    for (size_t i = 0; i < d->servers.count && mtnt__away_asks(d); i++) {
        more = take(d, d->servers.items + i, now_ms) || more;
        give(d, d->servers.items + i, now_ms);
    }
    return more;
}

void mtnt__servers_give_all(mtnt__dispatch *d)
{
    mtnt_error error = MTNT_ERROR_INIT;

    if (d->servers.renew_ms == 0 || d->lost)
        return;
    mtnt__gate_enter(d->gate);
    if (mtnt__seats_give_all(d->executor->controller, &error) != 0) {
        mtnt_error_wrap(&error, "seats on servers could not be given back, and are free in a minute");
        mtnt__tally_warning(&d->tally, &error);
    }
    mtnt__gate_leave(d->gate);
}
