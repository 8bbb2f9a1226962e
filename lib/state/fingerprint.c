#include "state/fingerprint.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "db/database.h"
#include "state/queries.h"
#include "state/tables.h"

/* The number at *text, which a blank ends; *text is after that then. */
static bool take_number(const char **text, int64_t *ret_number)
{
    char digits[24];
    size_t length = strcspn(*text, " ");

    if (length >= sizeof(digits) || (*text)[length] != ' ')
        return false;
    memcpy(digits, *text, length);
    digits[length] = '\0';
    *text += length + 1;
    return mtnt__parse_int(digits, 0, INT32_MAX, ret_number);
}

bool mtnt__fingerprint_parse(const char *text, mtnt__fingerprint *ret_fingerprint)
{
    mtnt__fingerprint f = {.digest = ""};

    if (!take_number(&text, &f.rules) || !take_number(&text, &f.dialect) ||
        strspn(text, "0123456789abcdef") != MTNT__CHECKSUM_SIZE - 1 || text[MTNT__CHECKSUM_SIZE - 1] != '\0')
        return false;
    mtnt__text_copy(f.digest, sizeof(f.digest), text);
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

/* ---- SQLite ---- */

void mtnt__fingerprints_met_release(mtnt__fingerprints_met *met)
{
    for (size_t i = 0; i < MTNT__FINGERPRINTS_MET; i++)
        free(met->entries[i].text);
    *met = (mtnt__fingerprints_met){.next = 0};
}

static int gather(void *data, const mtnt_row *row, mtnt_error *err)
{
    (void)err;
    for (int i = 0; i < 4; i++) {
        const char *text = mtnt_row_text(row, i) == NULL ? "" : mtnt_row_text(row, i);

        mtnt__buffer_add(data, text, strlen(text) + 1);
    }
    return 0;
}

static int work_out(const mtnt__buffer *rows, char ret_digest[MTNT__CHECKSUM_SIZE], mtnt_error *err)
{
    mtnt__catalogue catalogue = {0};
    size_t at = 0;
    int rc = 0;

    while (at < rows->length && rc == 0) {
        const char *texts[4];

        for (int i = 0; i < 4; i++) {
            texts[i] = rows->bytes + at;
            at += strlen(texts[i]) + 1;
        }
        rc = mtnt__catalogue_add_sqlite(&catalogue, texts[0], texts[1], texts[2], texts[3], err);
    }
    mtnt__catalogue_sort(&catalogue);
    if (rc == 0)
        rc = mtnt__catalogue_digest(&catalogue, ret_digest, err);
    mtnt__catalogue_release(&catalogue);
    return rc;
}

static const char *find_met(const mtnt__fingerprints_met *met, const mtnt__buffer *rows)
{
    for (const struct mtnt__fingerprint_met *entry = met->entries; entry < met->entries + MTNT__FINGERPRINTS_MET;
         entry++)
        if (entry->text != NULL && entry->length == rows->length &&
            memcmp(entry->text, mtnt__buffer_text(rows), rows->length) == 0)
            return entry->digest;
    return NULL;
}

/* Takes the text over. */
static void note_met(mtnt__fingerprints_met *met, mtnt__buffer *rows, const char *digest)
{
    struct mtnt__fingerprint_met *entry = met->entries + met->next++ % MTNT__FINGERPRINTS_MET;

    free(entry->text);
    entry->length = rows->length;
    entry->text = mtnt__buffer_take(rows);
    mtnt__text_copy(entry->digest, sizeof(entry->digest), digest);
}

static int write_record(mtnt_db *db, const char *digest, mtnt_error *err)
{
    char value[MTNT__FINGERPRINT_SIZE];
    mtnt_value values[] = {mtnt_value_text(MTNT__FINGERPRINT_KEY), mtnt_value_null(), mtnt_value_end()};

    snprintf(value, sizeof(value), "%d 0 %s", MTNT__FINGERPRINT_RULES, digest);
    values[1] = mtnt_value_text(value);
    return mtnt__db_run(db, NULL, NULL, err, "REPLACE INTO {schema}.mtnt_meta (key, value) VALUES ($1, $2)", values);
}

static int record_sqlite(mtnt_db *db, mtnt__fingerprints_met *met, mtnt_error *err)
{
    char digest[MTNT__CHECKSUM_SIZE];
    const char *known = NULL;
    mtnt__buffer rows = {0};
    int rc = mtnt__catalogue_query(db, NULL, gather, &rows, err);

    if (rc == 0 && rows.failed)
        rc = mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
    if (rc == 0 && (known = find_met(met, &rows)) != NULL)
        mtnt__text_copy(digest, sizeof(digest), known);
    else if (rc == 0)
        rc = work_out(&rows, digest, err);
    if (rc == 0 && known == NULL)
        note_met(met, &rows, digest);
    mtnt__buffer_release(&rows);
    return rc == 0 ? write_record(db, digest, err) : rc;
}

/* ---- PostgreSQL ---- */

/* All of it goes with the next message, and runs on the server: no round trip for it. Deferred triggers, which run at the commit, find the
 * search_path that the transaction had. */
static const char fingerprint_head[] =
    "INSERT INTO {schema}.mtnt_meta (key, value) SELECT '" MTNT__FINGERPRINT_KEY
    "', concat_ws(' ', 1, current_setting('server_version_num')::integer / 10000, "
    "encode(sha256(int8send(octet_length(whole.text)::bigint) || whole.text), 'hex')) "
    "FROM (SELECT convert_to(coalesce(string_agg(lines.line, E'\\n' ORDER BY convert_to(lines.line, 'UTF8')), ''), "
    "'UTF8') FROM (\n",
                  fingerprint_tail[] =
                      ") AS lines (line)) AS whole (text) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
                  keep_path[] = "SELECT set_config('mtnt.search_path', current_setting('search_path'), true)",
                  take_path[] = "SET LOCAL search_path = {schema}",
                  put_path_back[] = "SELECT set_config('search_path', current_setting('mtnt.search_path'), true)";

static int record_postgres(mtnt_db *db, const char *schema, mtnt_error *err)
{
    const mtnt_value values[] = {mtnt_value_text(schema), mtnt_value_end()};
    mtnt__buffer sql = {0};
    int rc;

    mtnt__buffer_add_text(&sql, fingerprint_head);
    mtnt__buffer_add_text(&sql, mtnt__sql_queries_postgres_catalogue);
    mtnt__buffer_add_text(&sql, fingerprint_tail);
    rc = sql.failed ? mtnt_error_set(err, MTNT_E_NOMEM, "out of memory") : mtnt__db_run_later(db, err, keep_path, NULL);
    if (rc == 0)
        rc = mtnt__db_run_later(db, err, take_path, NULL);
    if (rc == 0)
        rc = mtnt__db_run_later(db, err, mtnt__buffer_text(&sql), values);
    if (rc == 0)
        rc = mtnt__db_run_later(db, err, put_path_back, NULL);
    mtnt__buffer_release(&sql);
    return rc;
}

int mtnt__fingerprint_record(mtnt_db *db, const char *schema, mtnt__fingerprints_met *met, mtnt_error *err)
{
    int rc = mtnt_db_backend(db) == MTNT_SQLITE ? record_sqlite(db, met, err) : record_postgres(db, schema, err);

    return rc == 0 ? 0 : mtnt_error_wrap(err, "the schema's fingerprint");
}

int mtnt__fingerprint_forget(mtnt_db *db, mtnt_error *err)
{
    return mtnt__db_run_later(db, err, "DELETE FROM {schema}.mtnt_meta WHERE key = '" MTNT__FINGERPRINT_KEY "'", NULL);
}
