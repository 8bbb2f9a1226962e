#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/text.h"
#include "chain/address.h"
#include "chain/id_set.h"
#include "chain/model.h"
#include "mtnt/tenants.h"

/* The rows are written to a temporary file without a name before the first tenant is given: no transaction
 * stays open on the controller while the run goes on, every tenant is checked first, and memory does not grow
 * with the fleet, but for the set of ids while they are read. The file is this user's alone: addresses may
 * hold passwords. */

enum { ID, MODEL, SCHEMA, DESCRIPTION, FIELDS };
static const char *const field_names[FIELDS + 1] = {"id", "model", "schema", "description", NULL};

/* In the file a record has its length (4 bytes), then each field with its length, NUL included (4 bytes; 0 =
 * none). It is padded to RECORD_UNIT, so that 32 bits are enough to say where it is. */
#define RECORD_UNIT 8
#define ID_OFFSET 8 /* of the first field's bytes */

typedef struct spool {
    FILE *file;
    uint64_t size;    /* bytes written */
    uint32_t longest; /* record */
    int64_t count, given;
    char *record; /* for the longest one, when they are read */
} spool;

/* While the query runs. */
typedef struct filling {
    spool *spool;
    mtnt__id_set ids;
    mtnt__buffer record;
    const char *default_model;
    char *folder;
    int columns[FIELDS]; /* -1 = not there */
} filling;

static int out_of_memory(mtnt_error *err)
{
    return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
}

static int fail(mtnt_error *err)
{
    char reason[128];

    return mtnt_error_set(err, MTNT_E_IO, "the temporary file of the tenants: %s",
                          strerror_r(errno, reason, sizeof(reason)));
}

static void spool_close(void *data)
{
    spool *s = data;

    if (s->file)
        fclose(s->file);
    free(s->record);
    free(s);
}

static int open_nameless(int *ret_file, mtnt_error *err)
{
    const char *folder = getenv("TMPDIR");
    char name[4096];
    int file;

    if (!folder || folder[0] != '/')
        folder = P_tmpdir;
    file = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (file < 0 && (errno == EOPNOTSUPP || errno == EISDIR)) { /* not every file system has O_TMPFILE */
        snprintf(name, sizeof(name), "%s/mtnt-tenants-XXXXXX", folder);
        file = mkostemp(name, O_CLOEXEC);
        if (file >= 0)
            unlink(name);
    }
    if (file < 0)
        return fail(err);
    *ret_file = file;
    return 0;
}

static int spool_open(spool **ret_spool, mtnt_error *err)
{
    spool *s = calloc(1, sizeof(*s));
    int file = -1, rc;

    if (!s)
        return out_of_memory(err);
    rc = open_nameless(&file, err);
    if (rc == 0 && !(s->file = fdopen(file, "w+"))) {
        rc = fail(err);
        close(file);
    }
    if (rc)
        spool_close(s);
    else
        *ret_spool = s;
    return rc;
}

/* ---- writing ---- */

static int same_id(void *data, uint32_t where, const char *id, bool *ret_same, mtnt_error *err)
{
    char found[256] = ""; /* ids are shorter */
    spool *s = data;

    if (fflush(s->file) || pread(fileno(s->file), found, sizeof(found) - 1, (off_t)where * RECORD_UNIT + ID_OFFSET) < 0)
        return fail(err);
    *ret_same = strcmp(found, id) == 0;
    return 0;
}

static void add_number(mtnt__buffer *record, size_t number)
{
    uint32_t bytes = (uint32_t)number;

    mtnt__buffer_add(record, (const char *)&bytes, sizeof(bytes));
}

static int write_record(spool *s, mtnt__buffer *record, const mtnt_model_options *tenant, mtnt_error *err)
{
    const char *const fields[FIELDS] = {tenant->id, tenant->dsn, tenant->schema, tenant->description};
    static const char padding[RECORD_UNIT] = {0};
    uint32_t length;

    mtnt__buffer_clear(record);
    add_number(record, 0);
    for (size_t i = 0; i < FIELDS; i++) {
        size_t size = fields[i] ? strlen(fields[i]) + 1 : 0;

        add_number(record, size);
        mtnt__buffer_add(record, fields[i], size);
    }
    mtnt__buffer_add(record, padding, (RECORD_UNIT - record->length % RECORD_UNIT) % RECORD_UNIT);
    if (record->failed || record->length > UINT32_MAX)
        return out_of_memory(err);
    length = (uint32_t)record->length;
    memcpy(record->bytes, &length, sizeof(length));
    if (fwrite(record->bytes, 1, length, s->file) != length)
        return fail(err);
    s->size += length;
    s->longest = length > s->longest ? length : s->longest;
    s->count++;
    return 0;
}

static int find_column(filling *f, const char *name, int column, mtnt_error *err)
{
    const char *nearest = mtnt__text_nearest(name, field_names);

    for (int field = 0; field < FIELDS; field++) {
        if (strcasecmp(name, field_names[field]) != 0)
            continue;
        if (f->columns[field] >= 0)
            return mtnt_error_set(err, MTNT_E_CONFIG, "the query has the column `%s` twice", name);
        f->columns[field] = column;
        return 0;
    }
    return mtnt_error_set(err, MTNT_E_CONFIG,
                          "the query's column `%s` is not known: there are `id`, `model`, `schema` and `description` "
                          "(SELECT %s AS %s …)",
                          name, name, nearest ? nearest : "model");
}

static int find_columns(filling *f, const mtnt_row *row, mtnt_error *err)
{
    int rc = 0;

    for (int field = 0; field < FIELDS; field++)
        f->columns[field] = -1;
    for (int column = 0; rc == 0 && column < mtnt_row_columns(row); column++)
        rc = find_column(f, mtnt_row_name(row, column), column, err);
    if (rc == 0 && f->columns[ID] < 0)
        rc = mtnt_error_set(err, MTNT_E_CONFIG, "the query has no column `id`");
    return rc;
}

static const char *field_text(const filling *f, const mtnt_row *row, int field)
{
    return f->columns[field] < 0 ? NULL : mtnt_row_text(row, f->columns[field]);
}

static int find_address(const filling *f, const char *id, const char *model, char **ret_dsn, mtnt_error *err)
{
    int rc;

    if (model)
        rc = mtnt__address_resolve(model, f->folder, ret_dsn, err);
    else if (f->default_model)
        rc = mtnt__address_expand(f->default_model, id, f->folder, ret_dsn, err);
    else
        rc = mtnt_error_set(err, MTNT_E_CONFIG, "it has no `model`, and there is no default for it");
    if (rc)
        mtnt_error_wrap(err, "tenant `%s`", id);
    return rc;
}

static int add_tenant(filling *f, const mtnt_model_options *tenant, mtnt_error *err)
{
    uint64_t where = f->spool->size / RECORD_UNIT;
    uint32_t first;
    int rc = mtnt__model_check(tenant, NULL, err);

    if (rc)
        return rc;
    if (where >= UINT32_MAX)
        return mtnt_error_set(err, MTNT_E_IO, "the query gives more tenants than 32 GiB of a temporary file can hold");
    rc = mtnt__id_set_add(&f->ids, tenant->id, (uint32_t)where, &first, err);
    if (rc == MTNT_E_EXISTS)
        return mtnt_error_set(err, MTNT_E_CONFIG, "the query gives tenant `%s` twice", tenant->id);
    return rc ? rc : write_record(f->spool, &f->record, tenant, err);
}

static int take_row(void *data, const mtnt_row *row, mtnt_error *err)
{
    mtnt_model_options tenant = MTNT_MODEL_OPTIONS_INIT;
    char *dsn = NULL, *description = NULL;
    filling *f = data;
    int rc = f->spool->count == 0 ? find_columns(f, row, err) : 0;

    if (rc)
        return rc;
    tenant.id = field_text(f, row, ID);
    if (!tenant.id)
        return mtnt_error_set(err, MTNT_E_CONFIG, "row %lld of the query has no `id`", (long long)f->spool->count + 1);
    rc = find_address(f, tenant.id, field_text(f, row, MODEL), &dsn, err);
    if (rc)
        return rc;
    tenant.dsn = dsn;
    tenant.schema = field_text(f, row, SCHEMA);
    if (field_text(f, row, DESCRIPTION))
        description = mtnt__address_path(f->folder, field_text(f, row, DESCRIPTION));
    tenant.description = description;
    rc = field_text(f, row, DESCRIPTION) && !description ? out_of_memory(err) : add_tenant(f, &tenant, err);
    free(dsn);
    free(description);
    return rc;
}

/* ---- reading ---- */

static int start_reading(spool *s, mtnt_error *err)
{
    if (fflush(s->file) || fseek(s->file, 0, SEEK_SET))
        return fail(err);
    s->record = malloc(s->longest ? s->longest : 1);
    return s->record ? 0 : out_of_memory(err);
}

static int read_record(spool *s, const char *ret_fields[FIELDS], mtnt_error *err)
{
    uint32_t length, size;
    char *at = s->record;

    errno = EIO; /* what a file is that has become shorter */
    if (fread(&length, sizeof(length), 1, s->file) != 1 || length > s->longest ||
        fread(s->record, 1, length - sizeof(length), s->file) != length - sizeof(length))
        return fail(err);
    for (size_t i = 0; i < FIELDS; i++) {
        memcpy(&size, at, sizeof(size));
        at += sizeof(size);
        ret_fields[i] = size ? at : NULL;
        at += size;
    }
    return 0;
}

static int spool_next(void *data, mtnt_model **ret_model, mtnt_error *err)
{
    mtnt_model_options tenant = MTNT_MODEL_OPTIONS_INIT;
    const char *fields[FIELDS] = {NULL};
    spool *s = data;
    int rc;

    if (s->given == s->count) {
        *ret_model = NULL;
        return 0;
    }
    rc = read_record(s, fields, err);
    if (rc)
        return rc;
    tenant.id = fields[ID];
    tenant.dsn = fields[MODEL];
    tenant.schema = fields[SCHEMA];
    tenant.description = fields[DESCRIPTION];
    s->given++;
    return mtnt_model_new(ret_model, &tenant, err);
}

static int64_t spool_total(void *data)
{
    const spool *s = data;

    return s->count;
}

int mtnt_tenants_query(mtnt_tenant_source *ret_source, mtnt_controller *controller, const char *sql,
                       const char *default_model, const char *base_file, mtnt_error *err)
{
    filling f = {.ids.same = same_id, .default_model = default_model};
    int rc;

    if ((default_model && (rc = mtnt__address_check_template(default_model, err))) ||
        (rc = mtnt__address_folder(base_file, &f.folder, err)) || (rc = spool_open(&f.spool, err)))
        goto out;
    f.ids.data = f.spool;
    if ((rc = mtnt_db_query_values(mtnt_controller_db(controller), take_row, &f, err, sql, NULL)) ||
        (rc = start_reading(f.spool, err)))
        goto out;
    *ret_source = (mtnt_tenant_source){spool_next, spool_total, spool_close, f.spool};
    f.spool = NULL;
out:
    if (f.spool)
        spool_close(f.spool);
    mtnt__id_set_release(&f.ids);
    mtnt__buffer_release(&f.record);
    free(f.folder);
    return rc;
}
