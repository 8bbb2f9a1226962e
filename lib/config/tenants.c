#include "mtnt/tenants.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/files.h"
#include "config/formats.h"
#include "config/tenants_list.h"

/* ---- the format ---- */

typedef struct tenant {
    mtnt__yaml_place at;
    mtnt__yaml_text id, model, schema;
    mtnt__yaml_texts labels, vars;
    mtnt__yaml_text description;
} tenant;

typedef struct defaults {
    mtnt__yaml_place at;
    mtnt__yaml_text model;
} defaults;

typedef struct source {
    mtnt__yaml_place at;
    mtnt__yaml_text query, glob;
} source;

typedef struct tenants_file {
    mtnt__yaml_place at;
    defaults *defaults;
    MTNT__YAML_LIST(tenant) tenants;
    source *source;
} tenants_file;

#define OPTIONAL MTNT__YAML_OPTIONAL
static const cyaml_schema_field_t tenant_table[] = {
    MTNT__YAML_TEXT_FIELD("id", MTNT__YAML_REQUIRED, tenant, id, 1),
    MTNT__YAML_TEXT_FIELD("model", OPTIONAL, tenant, model, 1),
    MTNT__YAML_TEXT_FIELD("schema", OPTIONAL, tenant, schema, 1),
    MTNT__YAML_TEXTS_FIELD("labels", OPTIONAL, tenant, labels, 0),
    MTNT__YAML_TEXTS_FIELD("vars", OPTIONAL, tenant, vars, 0),
    MTNT__YAML_TEXT_FIELD("description", OPTIONAL, tenant, description, 1),
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t tenant_schema = MTNT__YAML_ENTRY(tenant, tenant_table);

static const cyaml_schema_field_t defaults_table[] = {
    MTNT__YAML_TEXT_FIELD("model", OPTIONAL, defaults, model, 1),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t source_table[] = {
    MTNT__YAML_TEXT_FIELD("query", OPTIONAL, source, query, 1),
    MTNT__YAML_TEXT_FIELD("glob", OPTIONAL, source, glob, 1),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t tenants_table[] = {
    MTNT__YAML_MAPPING_FIELD("defaults", OPTIONAL, tenants_file, defaults, defaults, defaults_table),
    MTNT__YAML_LIST_FIELD("tenants", OPTIONAL, tenants_file, tenants, sizeof(tenant), &tenant_schema, 0),
    MTNT__YAML_MAPPING_FIELD("source", OPTIONAL, tenants_file, source, source, source_table),
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t tenants_schema = MTNT__YAML_TOP(tenants_file, tenants_table);
static const mtnt__yaml_kind tenants_kinds[] = {
    {tenant_table, "tenant", "id", NULL},
    {0},
};
const mtnt__yaml_format mtnt__tenants_format = {"tenants file", &tenants_schema, tenants_kinds};

/* ---- the file ---- */

static int make_source(mtnt_tenant_source *ret_source, const tenants_file *file, const char *path,
                       mtnt_controller *controller, mtnt_error *err)
{
    const char *default_model = file->defaults ? file->defaults->model.text : NULL;
    const source *from = file->source;
    const mtnt__yaml_text *said = from->query.text ? &from->query : &from->glob;
    mtnt_error failure = MTNT_ERROR_INIT;
    int rc;

    if (file->tenants.at.line)
        return mtnt__yaml_refuse(err, path, from->at,
                                 "there are both `tenants` (line %u) and `source`: one of them has to go",
                                 file->tenants.at.line);
    if (from->query.text && from->glob.text)
        return mtnt__yaml_refuse(err, path, from->at, "`source` has both `query` and `glob`: one of them has to go");
    if (!said->text)
        return mtnt__yaml_refuse(err, path, from->at, "`source` has neither `query` nor `glob`");
    if (from->glob.text && default_model)
        return mtnt__yaml_refuse(err, path, file->defaults->model.at,
                                 "`defaults` has no meaning for `glob`: the files found are the models");
    if (from->query.text && !controller) {
        rc = mtnt_error_set(&failure, MTNT_E_INVALID,
                            "the tenants come from a query on the controller, which is not open here");
    } else {
        rc = from->query.text ? mtnt_tenants_query(ret_source, controller, said->text, default_model, path, &failure)
                              : mtnt_tenants_glob(ret_source, said->text, path, &failure);
    }
    if (rc && !failure.file[0])
        mtnt_error_at(&failure, path, said->at.line, said->at.column);
    if (rc && err)
        *err = failure;
    return rc;
}

/* A file without a list, or with a list and more. */
static int load_source(mtnt_tenant_source *ret_source, const char *path, const char *text, mtnt_controller *controller,
                       mtnt_error *err)
{
    const mtnt__yaml_format *format = &mtnt__tenants_format;
    const tenants_file *file;
    void *said = NULL;
    int rc = text ? mtnt__yaml_load(format, path, text, strlen(text), &said, err)
                  : mtnt__yaml_load_file(format, path, &said, err);

    if (rc)
        return rc;
    file = said;
    if (file->source)
        rc = make_source(ret_source, file, path, controller, err);
    else
        rc = mtnt__yaml_refuse(err, path, file->at, "there are neither `tenants` nor a `source` of them");
    mtnt__yaml_free(format, said);
    return rc;
}

/* What cannot be read a second time, a pipe: its text. Otherwise, and where nothing is there, NULL. */
static int read_once(const char *path, char **ret_text, mtnt_error *err)
{
    struct stat status;
    size_t length = 0;

    if (stat(path, &status) != 0 || S_ISREG(status.st_mode))
        return 0;
    return mtnt__file_read(path, ret_text, &length, err);
}

int mtnt_tenants_load(mtnt_tenant_source *ret_source, const char *path, const char *text, mtnt_controller *controller,
                      mtnt_error *err)
{
    char *read_text = NULL;
    bool list = false;
    int rc;

    if (!text && strcmp(path, "-") == 0)
        return mtnt_error_set(err, MTNT_E_INVALID, "standard input is the caller's: its text was not passed");
    rc = text ? 0 : read_once(path, &read_text, err);
    if (read_text)
        text = read_text;
    if (rc == 0)
        rc = mtnt__tenants_list(ret_source, &list, path, text, err);
    if (rc == 0 && !list)
        rc = load_source(ret_source, path, text, controller, err);
    free(read_text);
    return rc;
}
