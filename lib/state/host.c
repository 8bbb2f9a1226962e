#include "state/host.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "db/database.h"
#include "state/tables.h"

#define OF_LATE_MS 60000 /* longer than a lease: whoever has not been heard of for so long has none */
#define REFRESH_MS 5000  /* a sign of life need not be newer */
#define HOST_SIZE (MTNT__PROCESS_SIZE + 24)

struct host {
    char name[MTNT__PROCESS_SIZE], boot[MTNT__PROCESS_SIZE];
    int64_t seen_ms;
};

/* "<host>/<boot>/…", as processes are written, and " <ms>" at the end of what stands in mtnt_meta. */
static bool parse(const char *text, struct host *ret_host)
{
    size_t name = strcspn(text, "/"), boot;
    const char *space = strrchr(text, ' ');

    if (text[name] == '\0' || name >= sizeof(ret_host->name))
        return false;
    boot = strcspn(text + name + 1, "/ ");
    if (boot == 0 || boot >= sizeof(ret_host->boot))
        return false;
    snprintf(ret_host->name, sizeof(ret_host->name), "%.*s", (int)name, text);
    snprintf(ret_host->boot, sizeof(ret_host->boot), "%.*s", (int)boot, text + name + 1);
    ret_host->seen_ms = 0;
    return space == NULL || mtnt__parse_int(space + 1, 0, INT64_MAX, &ret_host->seen_ms);
}

static int set_ours(mtnt_db *db, const struct host *ours, int64_t now_ms, mtnt_error *err)
{
    char text[2 * MTNT__PROCESS_SIZE + 32];

    snprintf(text, sizeof(text), "%s/%s %" PRId64, ours->name, ours->boot, now_ms);
    return mtnt__meta_set(db, "host", text, err);
}

static int refuse(const struct host *theirs, mtnt_error *err)
{
    char when[MTNT__TIME_SIZE];

    mtnt__time_text(theirs->seen_ms, when);
    return mtnt_error_set(
        err, MTNT_E_REFUSED,
        "host %s works with it (last seen at %s), and a SQLite controller is of one host: its locks say nothing to "
        "another. Work there, or wait until nothing was heard of it for %d s; for several hosts use a PostgreSQL controller. "
        "Nothing was changed",
        theirs->name, when, OF_LATE_MS / 1000);
}

/* Containers of one machine have names of their own, and one kernel; a machine that was started anew keeps its name. */
static bool same(const struct host *a, const struct host *b)
{
    return strcmp(a->boot, b->boot) == 0 || strcmp(a->name, b->name) == 0;
}

int mtnt__host_check(mtnt_controller *controller, bool take, mtnt_error *err)
{
    int64_t now_ms = controller->system->wall_ms(controller->system->data), age_ms;
    struct host ours, theirs;
    mtnt_error none = MTNT_ERROR_INIT;
    char text[2 * MTNT__PROCESS_SIZE + 32] = "";
    bool known;
    int rc;

    if (controller->backend != MTNT_SQLITE || !parse(controller->process, &ours))
        return 0;
    rc = mtnt__meta_get(controller->db, "host", text, sizeof(text), &none);
    if (rc != 0 && rc != MTNT_E_NOT_FOUND) {
        if (err != NULL)
            *err = none;
        return rc;
    }
    known = rc == 0 && parse(text, &theirs);
    age_ms = known ? now_ms - theirs.seen_ms : 0;
    if (known && !same(&ours, &theirs) && age_ms < OF_LATE_MS)
        return refuse(&theirs, err);
    if (!take || (known && strcmp(ours.boot, theirs.boot) == 0 && age_ms >= 0 && age_ms < REFRESH_MS))
        return 0;
    return set_ours(controller->db, &ours, now_ms, err);
}

int mtnt__host_refresh(mtnt_db *db, const char *owner, mtnt_error *err)
{
    const mtnt__system *system = mtnt__system_default();
    struct host ours;

    if (mtnt_db_backend(db) != MTNT_SQLITE || !parse(owner, &ours))
        return 0;
    return set_ours(db, &ours, system->wall_ms(system->data), err);
}
