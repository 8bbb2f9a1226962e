#include "state/catalogue.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "db/database.h"
#include "state/queries.h"
#include "state/tables.h"

static int no_memory(mtnt_error *err)
{
    return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
}

void mtnt__catalogue_release(mtnt__catalogue *catalogue)
{
    for (size_t i = 0; i < catalogue->count; i++)
        free(catalogue->lines[i]);
    free(catalogue->lines);
    *catalogue = (mtnt__catalogue){0};
}

int mtnt__catalogue_add(mtnt__catalogue *catalogue, char *line, mtnt_error *err)
{
    size_t size = catalogue->size == 0 ? 64 : catalogue->size * 2;

    if (line == NULL)
        return no_memory(err);
    if (catalogue->count == catalogue->size) {
        char **lines = reallocarray(catalogue->lines, size, sizeof(*lines));

        if (lines == NULL) {
            free(line);
            return no_memory(err);
        }
        catalogue->lines = lines;
        catalogue->size = size;
    }
    catalogue->lines[catalogue->count++] = line;
    return 0;
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

void mtnt__catalogue_sort(mtnt__catalogue *catalogue)
{
    if (catalogue->count > 1)
        qsort(catalogue->lines, catalogue->count, sizeof(*catalogue->lines), compare);
}

/* ---- reading ---- */

static int add_definition(void *data, const mtnt_row *row, mtnt_error *err)
{
    const char *line = mtnt_row_text(row, 0);

    return mtnt__catalogue_add(data, strdup(line == NULL ? "" : line), err);
}

static int add_sqlite(void *data, const mtnt_row *row, mtnt_error *err)
{
    const char *texts[4];

    for (int i = 0; i < 4; i++)
        texts[i] = mtnt_row_text(row, i) == NULL ? "" : mtnt_row_text(row, i);
    return mtnt__catalogue_add_sqlite(data, texts[0], texts[1], texts[2], texts[3], err);
}

static int read_lines(mtnt_db *db, const char *schema, mtnt__catalogue *catalogue, mtnt_error *err)
{
    const mtnt_value values[] = {mtnt_value_text(schema), mtnt_value_end()};
    int rc;

    if (mtnt_db_backend(db) == MTNT_SQLITE)
        return mtnt__db_run(db, add_sqlite, catalogue, err, MTNT__QUERY_FOR(db, catalogue), NULL);
    rc = mtnt__db_run(db, NULL, NULL, err, "SET LOCAL search_path = {schema}", NULL);
    return rc == 0 ? mtnt__db_run(db, add_definition, catalogue, err, MTNT__QUERY_FOR(db, catalogue), values) : rc;
}

int mtnt__catalogue_read(mtnt_db *db, const char *schema, mtnt__catalogue *ret_catalogue, mtnt_error *err)
{
    mtnt__catalogue catalogue = {0};
    int rc = read_lines(db, schema, &catalogue, err);

    if (rc != 0) {
        mtnt__catalogue_release(&catalogue);
        return rc;
    }
    mtnt__catalogue_sort(&catalogue);
    *ret_catalogue = catalogue;
    return 0;
}

/* ---- fingerprints ---- */

/* As fingerprint_tail below does it. */
int mtnt__catalogue_digest(const mtnt__catalogue *catalogue, char ret_digest[MTNT__CHECKSUM_SIZE], mtnt_error *err)
{
    const char *parts[] = {NULL, NULL};
    mtnt__buffer text = {0};
    int rc;

    for (size_t i = 0; i < catalogue->count; i++) {
        if (i > 0)
            mtnt__buffer_add(&text, "\n", 1);
        mtnt__buffer_add_text(&text, catalogue->lines[i]);
    }
    parts[0] = mtnt__buffer_text(&text);
    rc = text.failed ? no_memory(err) : mtnt__checksum(ret_digest, parts, err);
    mtnt__buffer_release(&text);
    return rc;
}

bool mtnt__fingerprint_parse(const char *text, mtnt__fingerprint *ret_fingerprint)
{
    mtnt__fingerprint f;

    if (sscanf(text, "%" SCNd64 " %" SCNd64 " %64[0-9a-f] %32[0-9a-f]", &f.rules, &f.dialect, f.digest, f.migration) !=
        4)
        return false;
    *ret_fingerprint = f;
    return true;
}

int mtnt__fingerprint_dialect(mtnt_db *db, int64_t *ret_dialect, mtnt_error *err)
{
    mtnt__db_facts facts;
    int rc;

    if (mtnt_db_backend(db) == MTNT_SQLITE) {
        *ret_dialect = 0;
        return 0;
    }
    rc = mtnt__db_facts_read(db, &facts, err);
    if (rc == 0)
        *ret_dialect = facts.version / 10000;
    return rc;
}

static int record_sqlite(mtnt_db *db, const char *migration, mtnt_error *err)
{
    char digest[MTNT__CHECKSUM_SIZE], value[MTNT__FINGERPRINT_SIZE];
    mtnt__catalogue catalogue = {0};
    int rc = mtnt__catalogue_read(db, NULL, &catalogue, err);

    if (rc == 0)
        rc = mtnt__catalogue_digest(&catalogue, digest, err);
    mtnt__catalogue_release(&catalogue);
    if (rc != 0)
        return rc;
    snprintf(value, sizeof(value), "%d 0 %s %s", MTNT__FINGERPRINT_RULES, digest, migration);
    return mtnt__meta_set(db, MTNT__FINGERPRINT_KEY, value, err);
}

/* All of it goes with the next message, and runs on the server: no round trip for it. Deferred triggers, which run at the commit, find the
 * search_path that the transaction had. */
static const char fingerprint_head[] =
    "INSERT INTO {schema}.mtnt_meta (key, value) SELECT '" MTNT__FINGERPRINT_KEY
    "', concat_ws(' ', 1, current_setting('server_version_num')::integer / 10000, "
    "encode(sha256(int8send(octet_length(whole.text)::bigint) || whole.text), 'hex'), $2::text) "
    "FROM (SELECT convert_to(coalesce(string_agg(lines.line, E'\\n' ORDER BY convert_to(lines.line, 'UTF8')), ''), "
    "'UTF8') FROM (\n",
                  fingerprint_tail[] =
                      ") AS lines (line)) AS whole (text) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
                  keep_path[] = "SELECT set_config('mtnt.search_path', current_setting('search_path'), true)",
                  take_path[] = "SET LOCAL search_path = {schema}",
                  put_path_back[] = "SELECT set_config('search_path', current_setting('mtnt.search_path'), true)";

static int record_postgres(mtnt_db *db, const char *schema, const char *migration, mtnt_error *err)
{
    const mtnt_value values[] = {mtnt_value_text(schema), mtnt_value_text(migration), mtnt_value_end()};
    mtnt__buffer sql = {0};
    int rc;

    mtnt__buffer_add_text(&sql, fingerprint_head);
    mtnt__buffer_add_text(&sql, mtnt__sql_queries_postgres_catalogue);
    mtnt__buffer_add_text(&sql, fingerprint_tail);
    rc = sql.failed ? no_memory(err) : mtnt__db_run_later(db, err, keep_path, NULL);
    if (rc == 0)
        rc = mtnt__db_run_later(db, err, take_path, NULL);
    if (rc == 0)
        rc = mtnt__db_run_later(db, err, mtnt__buffer_text(&sql), values);
    if (rc == 0)
        rc = mtnt__db_run_later(db, err, put_path_back, NULL);
    mtnt__buffer_release(&sql);
    return rc;
}

int mtnt__fingerprint_record(mtnt_db *db, const char *schema, const char *migration, mtnt_error *err)
{
    int rc = mtnt_db_backend(db) == MTNT_SQLITE ? record_sqlite(db, migration, err)
                                                : record_postgres(db, schema, migration, err);

    return rc == 0 ? 0 : mtnt_error_wrap(err, "the schema's fingerprint");
}

int mtnt__fingerprint_forget(mtnt_db *db, mtnt_error *err)
{
    return mtnt__db_run_later(db, err, "DELETE FROM {schema}.mtnt_meta WHERE key = '" MTNT__FINGERPRINT_KEY "'", NULL);
}
