#include "state/catalogue.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "db/database.h"
#include "state/queries.h"

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

int mtnt__catalogue_query(mtnt_db *db, const char *schema, mtnt_row_fn each, void *data, mtnt_error *err)
{
    const mtnt_value values[] = {mtnt_value_text(schema), mtnt_value_end()};
    int rc;

    if (mtnt_db_backend(db) == MTNT_SQLITE)
        return mtnt__db_run(db, each, data, err, MTNT__QUERY_FOR(db, catalogue), NULL);
    rc = mtnt__db_run(db, NULL, NULL, err, "SET LOCAL search_path = {schema}", NULL);
    return rc == 0 ? mtnt__db_run(db, each, data, err, MTNT__QUERY_FOR(db, catalogue), values) : rc;
}

int mtnt__catalogue_read(mtnt_db *db, const char *schema, mtnt__catalogue *ret_catalogue, mtnt_error *err)
{
    mtnt__catalogue catalogue = {0};
    int rc = mtnt__catalogue_query(db, schema, mtnt_db_backend(db) == MTNT_SQLITE ? add_sqlite : add_definition,
                                   &catalogue, err);

    if (rc != 0) {
        mtnt__catalogue_release(&catalogue);
        return rc;
    }
    mtnt__catalogue_sort(&catalogue);
    *ret_catalogue = catalogue;
    return 0;
}

/* As the server does it in fingerprint.c. */
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
