#include "db/postgres.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

/* ---- state ---- */

static void postgres_free(void *state)
{
    mtnt__postgres *s = state;

    pthread_mutex_destroy(&s->mutex);
    mtnt__buffer_release(&s->held);
    free(s->dsn);
    free(s->schema);
    free(s->mark);
    free(s->home_path);
    free(s->home_schema);
    free(s);
}

int mtnt__postgres_new(void **ret_state, const char *dsn, bool pair, const mtnt__db_options *options, mtnt_error *err)
{
    mtnt__postgres *s = calloc(1, sizeof(*s));
    const char *schema = options && options->schema && *options->schema ? options->schema : NULL;
    const char *mark = options ? options->mark : NULL;

    if (schema && strlen(schema) > MTNT__POSTGRES_NAME_MAX) {
        free(s);
        return mtnt_error_set(err, MTNT_E_INVALID, "a schema name has at most %d bytes: %s", MTNT__POSTGRES_NAME_MAX,
                              schema);
    }
    if (!s)
        return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
    if (pthread_mutex_init(&s->mutex, NULL) != 0) {
        free(s);
        return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
    }
    atomic_init(&s->lent, false);
    atomic_init(&s->spoiled, false);
    s->dsn = strdup(dsn);
    s->schema = schema ? strdup(schema) : NULL;
    s->mark = mark ? strdup(mark) : NULL;
    s->pair = pair;
    s->read_only = options && options->read_only;
    s->steady = s->read_only && options->steady;
    if (!s->dsn || (schema && !s->schema) || (mark && !s->mark)) {
        postgres_free(s);
        return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
    }
    *ret_state = s;
    return MTNT_OK;
}

static bool postgres_connected(const void *state)
{
    const mtnt__postgres *s = state;

    return s->raw != NULL;
}

/* The owner's thread notices the flag within a tenth of a second and cancels by itself, unless an operation sits in libpq. */
static void postgres_cancel(void *state)
{
    mtnt__postgres *s = state;
    char text[256];

    if (!atomic_load(&s->lent))
        return;
    pthread_mutex_lock(&s->mutex);
    if (s->cancel) {
        atomic_store(&s->spoiled, true);
        PQcancel(s->cancel, text, sizeof(text));
    }
    pthread_mutex_unlock(&s->mutex);
}

static void *postgres_native(void *state, mtnt_backend kind)
{
    mtnt__postgres *s = state;

    if (kind != MTNT_POSTGRES)
        return NULL;
    atomic_store(&s->lent, true);
    atomic_store(&s->spoiled, true);
    s->touched = true;
    return s->raw;
}

/* ---- settings ---- */

bool mtnt__postgres_speaks_utf8(const mtnt__postgres *s)
{
    const char *encoding = PQparameterStatus(s->raw, "client_encoding");

    return !encoding || strcmp(encoding, "UTF8") == 0;
}

/* The only schema of a side; NULL = where the session is at home. */
static const char *schema_of(const mtnt__postgres *s, mtnt__side side)
{
    return s->pair && side != MTNT__SIDE_MODEL ? NULL : s->schema;
}

/* Utility statements, because a SELECT of set_config has to be planned: in a young session that costs more than the rest of BEGIN. */
static const char *set(const mtnt__call *call)
{
    return call->alone ? "SET" : "SET LOCAL";
}

static int add_number(mtnt__buffer *buffer, const mtnt__call *call, const char *name, int64_t value)
{
    mtnt__buffer_add_format(buffer, "%s %s = %lld; ", set(call), name,
                            (long long)(value < INT32_MAX ? value : INT32_MAX));
    return 1;
}

static int add_search_path(mtnt__postgres *s, const mtnt__call *call, mtnt__buffer *buffer)
{
    const char *schema = schema_of(s, call->side);

    if (!schema && !s->home_path)
        return 0;
    mtnt__buffer_add_format(buffer, "%s search_path = ", set(call));
    if (schema)
        mtnt__sql_add_identifier(buffer, schema);
    else
        mtnt__buffer_add_text(buffer, *s->home_path ? s->home_path : "''");
    mtnt__buffer_add_text(buffer, "; ");
    return 1;
}

/* Within the transaction only: whose it is, for a recovery that finds it in its way. */
static int add_mark(const mtnt__postgres *s, const mtnt__call *call, mtnt__buffer *buffer)
{
    if (!s->mark)
        return 0;
    mtnt__buffer_add_format(buffer, "%s application_name = \"%s", set(call), MTNT__POSTGRES_MARK);
    mtnt__buffer_add_text(buffer, s->mark);
    mtnt__buffer_add_text(buffer, "\"; ");
    return 1;
}

int mtnt__postgres_add_settings(mtnt__postgres *s, const mtnt__call *call, bool reset, mtnt__buffer *buffer)
{
    int count = reset ? 2 : 0;

    if (reset)
        mtnt__buffer_add_text(buffer, "RESET ROLE; RESET ALL; ");
    count += add_number(buffer, call, "lock_timeout", call->lock_timeout_ms);
    count += add_number(buffer, call, "statement_timeout", call->statement_timeout_ms);
    mtnt__buffer_add_format(buffer, "%s synchronous_commit = on; %s standard_conforming_strings = on; ", set(call),
                            set(call));
    return count + 2 + add_mark(s, call, buffer) + add_search_path(s, call, buffer);
}

/* One name of a search_path as the server keeps it; returns what follows. Unquoted ones are folded to lower case, as it does. */
static const char *take_name(const char *path, mtnt__buffer *name)
{
    bool quoted = *path == '"';

    path += quoted;
    while (*path && (quoted || *path != ',')) {
        char letter = *path;

        if (quoted && letter == '"' && path[1] != '"')
            break;
        path += quoted && letter == '"' ? 2 : 1;
        if (!quoted && letter >= 'A' && letter <= 'Z')
            letter = (char)(letter - 'A' + 'a');
        mtnt__buffer_add(name, &letter, 1);
    }
    while (!quoted && name->length > 0 && strchr(" \t\n", name->bytes[name->length - 1]))
        name->bytes[--name->length] = '\0';
    return path + strcspn(path, ",");
}

/* "$user", public -> the same with every name quoted: a list that SET takes, whatever the names are. malloc'ed */
static char *quoted_path(const char *path)
{
    mtnt__buffer list = {0}, name = {0};

    while (*path) {
        path += strspn(path, ", \t\n");
        mtnt__buffer_clear(&name);
        path = take_name(path, &name);
        if (name.length == 0)
            continue;
        mtnt__buffer_add_text(&list, list.length ? "," : "");
        mtnt__sql_add_identifier(&list, name.bytes);
    }
    list.failed |= name.failed;
    mtnt__buffer_release(&name);
    return mtnt__buffer_take(&list);
}

int mtnt__postgres_learn_home(void *data, const mtnt_row *row, mtnt_error *err)
{
    mtnt__postgres *s = data;
    const char *path = mtnt_row_text(row, 0), *schema = mtnt_row_text(row, 1);

    if (s->home_path || mtnt_row_columns(row) != 4)
        return MTNT_OK;
    free(s->home_schema);
    s->home_schema = strdup(schema ? schema : "");
    s->home_path = s->home_schema ? quoted_path(path ? path : "") : NULL;
    s->forgets = mtnt_row_text(row, 2) && strcmp(mtnt_row_text(row, 2), "off") == 0;
    s->home_elsewhere = mtnt_row_text(row, 3) && *mtnt_row_text(row, 3) == 't';
    if (!s->home_path)
        return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
    return MTNT_OK;
}

static int take_home(void *data, const mtnt_row *row, mtnt_error *err)
{
    mtnt__postgres *s = data;
    char *schema = mtnt_row_text(row, 0) ? strdup(mtnt_row_text(row, 0)) : NULL;

    if (!schema)
        return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
    free(s->home_schema);
    s->home_schema = schema;
    return MTNT_OK;
}

int mtnt__postgres_find_home(mtnt__postgres *s, mtnt__call *call, mtnt_error *err)
{
    mtnt__exchange x = {.s = s, .call = call, .err = err, .each = take_home, .data = s};
    int rc;

    if (!s->home_elsewhere)
        return MTNT_OK;
    rc = mtnt__postgres_simple(&x, "SELECT n.nspname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n "
                                   "ON n.oid = c.relnamespace WHERE c.oid = pg_catalog.to_regclass('mtnt_meta')");
    if (rc == 0)
        s->home_elsewhere = false;
    return rc;
}

static int postgres_boundary(void *state, mtnt__call *call, mtnt_error *err)
{
    mtnt__postgres *s = state;

    (void)call;
    (void)err;
    s->unsettled = s->unsettled || s->touched;
    atomic_store(&s->lent, false);
    return MTNT_OK;
}

/* ---- from one migration to the next ---- */

static int replace(char **text, const char *with)
{
    char *copy = with && *with ? strdup(with) : NULL;

    if (with && *with && !copy)
        return MTNT_E_NOMEM;
    free(*text);
    *text = copy;
    return MTNT_OK;
}

/* What it has inherited goes with the message that begins the next transaction. An application's pool leaves as much: libraries that are loaded, and
 * the memory of procedural languages. */
static int postgres_renew(void *state, mtnt__call *call, const char *mark, const char *schema, mtnt_error *err)
{
    mtnt__postgres *s = state;

    (void)call;
    if (!PQconsumeInput(s->raw) || PQstatus(s->raw) == CONNECTION_BAD)
        return mtnt_error_set(err, MTNT_E_CONNECT, "the connection was lost");
    mtnt__postgres_hear(s);
    if (atomic_load(&s->spoiled) || s->dismissed || PQtransactionStatus(s->raw) != PQTRANS_IDLE)
        return mtnt_error_set(err, MTNT_E_BUSY, "an operation has had the session, or it is being ended");
    if (replace(&s->mark, mark) != 0 || replace(&s->schema, schema) != 0)
        return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
    /* Asked for again with the next BEGIN, which costs nothing: fsync may have been switched off meanwhile. */
    free(s->home_path);
    s->home_path = NULL;
    s->inherited = s->inherited || s->lived_in;
    s->touched = s->unsettled = s->lived_in = s->home_elsewhere = false;
    return MTNT_OK;
}

/* ---- what is asked of it ---- */

static int postgres_schema(void *state, mtnt__call *call, const char **ret_schema, mtnt_error *err)
{
    mtnt__postgres *s = state;
    const char *schema = schema_of(s, call->side);
    mtnt__exchange x = {.s = s, .call = call, .err = err, .each = mtnt__postgres_learn_home, .data = s};
    int rc;

    if (!schema && !s->home_path) {
        rc = mtnt__postgres_simple(&x, MTNT__HOME_QUERY);
        if (rc == 0)
            rc = mtnt__postgres_find_home(s, call, err);
        if (rc != 0)
            return rc;
    }
    if (!schema)
        schema = s->home_schema;
    if (*schema == '\0')
        return mtnt_error_set(err, MTNT_E_DATABASE,
                              "no schema on the search_path of this role exists: make one, or name one");
    *ret_schema = schema;
    return MTNT_OK;
}

static int take_facts(void *data, const mtnt_row *row, mtnt_error *err)
{
    mtnt__db_facts *facts = data;
    const char *fsync = mtnt_row_text(row, 0), *synchronous = mtnt_row_text(row, 5);

    (void)err;
    facts->durable = mtnt__text_equal(fsync, "on");
    facts->max_prepared_transactions = (int)mtnt_row_int(row, 1);
    facts->version = (int)mtnt_row_int(row, 2);
    facts->standby = mtnt_row_int(row, 3) != 0;
    facts->prepared_in_use = (int)mtnt_row_int(row, 4);
    snprintf(facts->detail, sizeof(facts->detail), "fsync=%s%s%s", fsync ? fsync : "?",
             facts->standby ? ", standby" : "",
             mtnt__text_equal(synchronous, "off") ? ", synchronous_commit=off (switched on for migrations)" : "");
    return MTNT_OK;
}

static int postgres_facts(void *state, mtnt__call *call, mtnt__db_facts *ret_facts, mtnt_error *err)
{
    mtnt__postgres *s = state;
    mtnt__exchange x = {.s = s, .call = call, .err = err, .each = take_facts, .data = ret_facts};

    return mtnt__postgres_simple(&x, "SELECT current_setting('fsync'), current_setting('max_prepared_transactions'), "
                                     "current_setting('server_version_num'), pg_is_in_recovery(), "
                                     "(SELECT count(*) FROM pg_prepared_xacts), current_setting('synchronous_commit')");
}

static int take_standbys(void *data, const mtnt_row *row, mtnt_error *err)
{
    mtnt__db_standbys *standbys = data;

    (void)err;
    standbys->connected = (int)mtnt_row_int(row, 0);
    standbys->synchronous = (int)mtnt_row_int(row, 1);
    standbys->unseen = (int)mtnt_row_int(row, 2);
    standbys->waits = mtnt_row_int(row, 3) != 0;
    return MTNT_OK;
}

/* Without pg_read_all_stats a row shows that there is a standby, and nulls for what it is. Somebody who takes a base backup is none. */
static int postgres_standbys(void *state, mtnt__call *call, mtnt__db_standbys *ret_standbys, mtnt_error *err)
{
    mtnt__postgres *s = state;
    mtnt_error own = MTNT_ERROR_INIT;
    mtnt__exchange x = {.s = s, .call = call, .err = &own, .each = take_standbys, .data = ret_standbys};
    int rc = mtnt__postgres_simple(&x, "SELECT count(*), count(*) FILTER (WHERE sync_state IN ('sync', 'quorum')), "
                                       "count(*) FILTER (WHERE sync_state IS NULL), "
                                       "current_setting('synchronous_standby_names') <> '' "
                                       "FROM pg_catalog.pg_stat_replication WHERE state IS DISTINCT FROM 'backup'");

    if (rc != 0 && strcmp(own.state, "42501") == 0) {
        ret_standbys->not_readable = true;
        return 0;
    }
    if (rc != 0)
        *err = own;
    return rc;
}

const mtnt__backend mtnt__postgres_backend = {
    .kind = MTNT_POSTGRES,
    .connect = mtnt__postgres_connect,
    .connected = postgres_connected,
    .disconnect = mtnt__postgres_disconnect,
    .free = postgres_free,
    .query = mtnt__postgres_query,
    .later = mtnt__postgres_later,
    .command = mtnt__postgres_command,
    .stand_alone = mtnt__postgres_stand_alone,
    .clear_leftover = mtnt__postgres_clear_leftover,
    .script = mtnt__postgres_script,
    .begin = mtnt__postgres_begin,
    .in_transaction = mtnt__postgres_in_transaction,
    .commit = mtnt__postgres_commit,
    .check = mtnt__postgres_check,
    .rollback = mtnt__postgres_rollback,
    .prepare = mtnt__postgres_prepare,
    .finish_prepared = mtnt__postgres_finish_prepared,
    .send_finish = mtnt__postgres_send_finish,
    .collect_finish = mtnt__postgres_collect_finish,
    .renew = postgres_renew,
    .boundary = postgres_boundary,
    .schema = postgres_schema,
    .facts = postgres_facts,
    .snapshot = mtnt__postgres_snapshot,
    .digest = mtnt__postgres_digest,
    .digest_inside = mtnt__postgres_digest_inside,
    .restore = mtnt__postgres_restore,
    .standbys = postgres_standbys,
    .cancel = postgres_cancel,
    .native = postgres_native,
};
