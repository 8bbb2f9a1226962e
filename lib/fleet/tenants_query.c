#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/files.h"
#include "base/text.h"
#include "chain/address.h"
#include "chain/id_set.h"
#include "chain/model.h"
#include "mtnt/tenants.h"

/* The rows are written to a temporary file without a name before the first tenant is given: no transaction stays open on the
 * controller while the run goes on, every tenant is checked first, and memory does not grow with the fleet, but for the ids met
 * (8 to 22 bytes each). The file is readable by this user alone: addresses may hold passwords. */

enum { ID, MODEL, SCHEMA, DESCRIPTION, FIELDS };
static const char *const field_names[FIELDS + 1] = {"id", "model", "schema", "description", NULL};

/* A record: its length (4 bytes), then for each field its length with NUL (4 bytes; 0 = none) and its bytes; padded to
 * RECORD_UNIT, so that 32 bits are enough to say where a record is. */
#define RECORD_UNIT 8

typedef struct spool {
    FILE *file;
    uint64_t size;   /* written so far */
    int64_t count;   /* of records */
    int64_t given;
    mtnt__buffer record;

    /* while the query runs */
    mtnt__id_set ids;
    const char *default_model, *base_file;
    char *folder;
    int columns[FIELDS]; /* -1 = not there */
} spool;

static int out_of_memory(mtnt_error *err)
{
    return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
}

static int fail(mtnt_error *err)
{
    char reason[128];

    return mtnt_error_set(err, MTNT_E_IO, "the temporary file for the tenants: %s", strerror_r(errno, reason, sizeof(reason)));
}

static void spool_close(void *data)
{
    spool *s = data;

    if (s->file)
        fclose(s->file);
    mtnt__buffer_release(&s->record);
    mtnt__id_set_release(&s->ids);
    free(s->folder);
    free(s);
}

static int open_nameless(int *ret_file, mtnt_error *err)
{
    const char *folder = getenv("TMPDIR");
    mtnt__buffer name = {0};
    int file;

    if (!folder || folder[0] != '/')
        folder = P_tmpdir;
    file = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (file < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == ENOENT)) {
        mtnt__buffer_add_format(&name, "%s/mtnt-tenants-XXXXXX", folder);
        if (name.failed)
            return out_of_memory(err);
        file = mkostemp(name.bytes, O_CLOEXEC);
        if (file >= 0)
            unlink(name.bytes);
        mtnt__buffer_release(&name);
    }
    if (file < 0)
        return fail(err);
    *ret_file = file;
    return 0;
}

static int spool_open(spool *s, mtnt_error *err)
{
    int file = -1, rc = open_nameless(&file, err);

    if (rc)
        return rc;
    s->file = fdopen(file, "w+e");
    if (!s->file) {
        rc = fail(err);
        close(file);
    }
    return rc;
}

/* ---- writing ---- */

static int same_id(void *data, uint32_t where, const char *id, bool *ret_same, mtnt_error *err)
{
    char found[256] = "";
    spool *s = data;

    if (fflush(s->file) || pread(fileno(s->file), found, sizeof(found) - 1, (off_t)where * RECORD_UNIT + 8) < 0)
        return fail(err);
    *ret_same = strcmp(found, id) == 0;
    return 0;
}

static void add_number(mtnt__buffer *buffer, size_t number)
{
    uint32_t bytes = (uint32_t)number;

    mtnt__buffer_add(buffer, (const char *)&bytes, sizeof(bytes));
}

static int write_record(spool *s, const mtnt_model_options *tenant, mtnt_error *err)
{
    const char *const fields[FIELDS] = {tenant->id, tenant->dsn, tenant->schema, tenant->description};
    static const char padding[RECORD_UNIT] = {0};
    uint32_t length;

    mtnt__buffer_clear(&s->record);
    add_number(&s->record, 0);
    for (size_t i = 0; i < FIELDS; i++) {
        size_t size = fields[i] ? strlen(fields[i]) + 1 : 0;

        add_number(&s->record, size);
        if (fields[i])
            mtnt__buffer_add(&s->record, fields[i], size);
    }
    mtnt__buffer_add(&s->record, padding, (RECORD_UNIT - s->record.length % RECORD_UNIT) % RECORD_UNIT);
    if (s->record.failed)
        return out_of_memory(err);
    length = (uint32_t)s->record.length;
    memcpy(s->record.bytes, &length, sizeof(length));
    if (fwrite(s->record.bytes, 1, s->record.length, s->file) != s->record.length)
        return fail(err);
    s->size += s->record.length;
    s->count++;
    return 0;
}

static int find_columns(spool *s, const mtnt_row *row, mtnt_error *err)
{
    for (int field = 0; field < FIELDS; field++)
        s->columns[field] = -1;
    for (int column = 0; column < mtnt_row_columns(row); column++) {
        const char *name = mtnt_row_name(row, column), *nearest;
        int field = 0;

        while (field < FIELDS && strcasecmp(name, field_names[field]) != 0)
            field++;
        nearest = mtnt__text_nearest(name, field_names);
        if (field == FIELDS)
            return mtnt_error_set(err, MTNT_E_CONFIG, "column `%s` is not known: the query gives `id`, `model`, `schema` and `description` (SELECT %s AS %s)",
                                  name, name, nearest ? nearest : "model");
        if (s->columns[field] >= 0)
            return mtnt_error_set(err, MTNT_E_CONFIG, "column `%s` is there twice", field_names[field]);
        s->columns[field] = column;
    }
    if (s->columns[ID] < 0)
        return mtnt_error_set(err, MTNT_E_CONFIG, "the query has no column `id`");
    return 0;
}

static const char *field_text(const spool *s, const mtnt_row *row, int field)
{
    return s->columns[field] < 0 ? NULL : mtnt_row_text(row, s->columns[field]);
}

static int find_address(const spool *s, const char *id, const char *model, char **ret_dsn, mtnt_error *err)
{
    int rc;

    if (model)
        rc = mtnt__address_resolve(model, s->folder, ret_dsn, err);
    else if (s->default_model)
        rc = mtnt__address_expand(s->default_model, id, s->folder, ret_dsn, err);
    else
        rc = mtnt_error_set(err, MTNT_E_CONFIG, "it has no `model`, and there is no default for it");
    return rc;
}

static int add_tenant(spool *s, mtnt_model_options *tenant, mtnt_error *err)
{
    uint32_t first;
    int rc = mtnt__model_check(tenant, NULL, err);

    if (rc)
        return rc;
    if (s->size / RECORD_UNIT >= UINT32_MAX)
        return mtnt_error_set(err, MTNT_E_IO, "the query gives more tenants than a temporary file of 32 GiB holds");
    rc = mtnt__id_set_add(&s->ids, tenant->id, (uint32_t)(s->size / RECORD_UNIT), &first, err);
    if (rc == MTNT_E_EXISTS)
        return mtnt_error_set(err, MTNT_E_CONFIG, "the query gives tenant `%s` twice", tenant->id);
    return rc ? rc : write_record(s, tenant, err);
}

static int take_row(void *data, const mtnt_row *row, mtnt_error *err)
{
    mtnt_model_options tenant = MTNT_MODEL_OPTIONS_INIT;
    char *dsn = NULL, *description = NULL;
    spool *s = data;
    int rc = s->count == 0 ? find_columns(s, row, err) : 0;

    if (rc)
        return rc;
    tenant.id = field_text(s, row, ID);
    if (!tenant.id)
        return mtnt_error_set(err, MTNT_E_CONFIG, "row %lld of the query has no `id`", (long long)s->count + 1);
    rc = find_address(s, tenant.id, field_text(s, row, MODEL), &dsn, err);
    if (rc) {
        mtnt_error_wrap(err, "tenant `%s`", tenant.id);
        goto out;
    }
    tenant.dsn = dsn;
    tenant.schema = field_text(s, row, SCHEMA);
    if (field_text(s, row, DESCRIPTION) && !(description = mtnt__path_beside(s->base_file, field_text(s, row, DESCRIPTION)))) {
        rc = out_of_memory(err);
        goto out;
    }
    tenant.description = description;
    rc = add_tenant(s, &tenant, err);
out:
    free(dsn);
    free(description);
    return rc;
}

/* ---- reading ---- */

static int read_record(spool *s, mtnt_error *err)
{
    uint32_t length;
    mtnt__buffer *record = &s->record;

    mtnt__buffer_clear(record);
    if (fread(&length, sizeof(length), 1, s->file) != 1)
        return fail(err);
    length -= (uint32_t)sizeof(length);
    while (record->size < length + 1u && !record->failed)
        mtnt__buffer_add(record, "", 1);
    if (record->failed)
        return out_of_memory(err);
    if (fread(record->bytes, 1, length, s->file) != length)
        return fail(err);
    return 0;
}
