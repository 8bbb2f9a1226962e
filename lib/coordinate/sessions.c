#include "coordinate/sessions.h"

#include <stdlib.h>
#include <string.h>

static void close_session(mtnt__session *session)
{
    mtnt__db_close(session->db);
    mtnt__db_close(session->model);
    free(session->dsn);
}

static mtnt__session take_out(mtnt__sessions *sessions, size_t index)
{
    mtnt__session session = sessions->items[index];

    sessions->count--;
    for (size_t i = index; i < sessions->count; i++)
        sessions->items[i] = sessions->items[i + 1];
    return session;
}

bool mtnt__sessions_take(mtnt__sessions *sessions, mtnt__session_use use, const char *dsn, bool read_only,
                         const char *mark, const char *schema, mtnt__session *ret_session)
{
    mtnt__session session;
    size_t i = 0;

    while (i < sessions->count && (sessions->items[i].use != use || sessions->items[i].read_only != read_only ||
                                   strcmp(sessions->items[i].dsn, dsn) != 0))
        i++;
    if (i == sessions->count)
        return false;
    session = take_out(sessions, i);
    if (!mtnt__db_renew(session.db, mark, schema)) {
        close_session(&session);
        return false;
    }
    free(session.dsn);
    session.dsn = NULL;
    *ret_session = session;
    return true;
}

void mtnt__sessions_keep(mtnt__sessions *sessions, mtnt__session session)
{
    session.dsn = strdup(session.dsn);
    if (session.dsn == NULL) {
        close_session(&session);
        return;
    }
    if (sessions->count == MTNT__SESSIONS_MAX) {
        mtnt__session oldest = take_out(sessions, 0);

        close_session(&oldest);
    }
    sessions->items[sessions->count++] = session;
}

void mtnt__sessions_release(mtnt__sessions *sessions)
{
    for (size_t i = 0; i < sessions->count; i++)
        close_session(sessions->items + i);
    sessions->count = 0;
}
