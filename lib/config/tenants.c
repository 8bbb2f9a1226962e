#include <stdlib.h>
#include <string.h>

#include "chain/address.h"
#include "chain/id_set.h"
#include "chain/model.h"
#include "chain/names.h"
#include "config/formats.h"
#include "mtnt/tenants.h"

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

/* ---- the list ---- */

typedef struct list {
    tenants_file *file;
    const mtnt__yaml_text *default_model; /* NULL = none */
    char *path, *folder;                  /* of the tenants file; the folder is absolute */
    uint32_t next;
} list;

/* A tenant as mtnt_model_new takes it. Zero it before use. */
typedef struct description {
    mtnt_model_options options;
    char *dsn, *description;
    const char **labels, **vars;
} description;

static int out_of_memory(mtnt_error *err)
{
    return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
}

static void description_release(description *described)
{
    free(described->dsn);
    free(described->description);
    free(described->labels);
    free(described->vars);
}

static int describe_address(const list *l, const tenant *said, description *described, mtnt_error *err)
{
    const mtnt__yaml_text *address = said->model.text ? &said->model : l->default_model;
    int rc;

    if (!address)
        return mtnt__yaml_refuse(err, l->path, said->id.at,
                                 "tenant `%s` has no `model`, and there is no `model` under `defaults`", said->id.text);
    if ((rc = mtnt__address_check_template(address->text, err)) ||
        (rc = mtnt__address_expand(address->text, said->id.text, l->folder, &described->dsn, err))) {
        mtnt_error_wrap(err, "tenant `%s`", said->id.text);
        address = said->model.text ? address : &said->id;
        mtnt_error_at(err, l->path, address->at.line, address->at.column);
    }
    return rc;
}

static int describe(const list *l, const tenant *said, description *described, mtnt_error *err)
{
    int rc;

    if ((rc = describe_address(l, said, described, err)) ||
        (rc = mtnt__yaml_texts_list(&said->labels, &described->labels, err)) ||
        (rc = mtnt__yaml_texts_list(&said->vars, &described->vars, err)))
        return rc;
    if (said->description.text && !(described->description = mtnt__address_path(l->folder, said->description.text)))
        return out_of_memory(err);
    described->options = (mtnt_model_options){
        .version = MTNT_MODEL_OPTIONS_VERSION,
        .id = said->id.text,
        .dsn = described->dsn,
        .schema = said->schema.text,
        .description = described->description,
        .labels = described->labels,
        .vars = described->vars,
        .file = l->path,
        .line = said->at.line,
    };
    return 0;
}

static int same_id(void *data, uint32_t where, const char *id, bool *ret_same, mtnt_error *err)
{
    const list *l = data;

    (void)err;
    *ret_same = strcmp(l->file->tenants.items[where].id.text, id) == 0;
    return 0;
}

static int check_tenant(const list *l, mtnt__id_set *ids, uint32_t index, mtnt_error *err)
{
    const tenant *said = &l->file->tenants.items[index];
    description described = {0};
    uint32_t first = 0;
    int rc = mtnt__name_check("tenant id", said->id.text, MTNT__NAME_MAXIMUM, err);

    if (rc) {
        mtnt_error_at(err, l->path, said->id.at.line, said->id.at.column);
        return rc;
    }
    rc = mtnt__id_set_add(ids, said->id.text, index, &first, err);
    if (rc == MTNT_E_EXISTS)
        rc = mtnt__yaml_refuse(err, l->path, said->id.at, "tenant `%s` is listed twice; the first is in line %u",
                               said->id.text, l->file->tenants.items[first].at.line);
    if (rc == 0)
        rc = describe(l, said, &described, err);
    if (rc == 0)
        rc = mtnt__model_check(&described.options, NULL, err);
    description_release(&described);
    return rc;
}

/* The default address by itself, so that a mistake in it is told at its own line and not at the first
 * tenant's. */
static int check_default(const list *l, mtnt_error *err)
{
    char *dsn = NULL;
    int rc;

    if (!l->default_model)
        return 0;
    if ((rc = mtnt__address_check_template(l->default_model->text, err)) ||
        (rc = mtnt__address_expand(l->default_model->text, "id", l->folder, &dsn, err))) {
        mtnt_error_wrap(err, "the `model` under `defaults`");
        mtnt_error_at(err, l->path, l->default_model->at.line, l->default_model->at.column);
    }
    free(dsn);
    return rc;
}

static int check_list(list *l, mtnt_error *err)
{
    mtnt__id_set ids = {.same = same_id, .data = l};
    int rc = check_default(l, err);

    for (uint32_t i = 0; rc == 0 && i < l->file->tenants.count; i++)
        rc = check_tenant(l, &ids, i, err);
    mtnt__id_set_release(&ids);
    return rc;
}

static int list_next(void *data, mtnt_model **ret_model, mtnt_error *err)
{
    description described = {0};
    list *l = data;
    int rc;

    if (l->next >= l->file->tenants.count) {
        *ret_model = NULL;
        return 0;
    }
    rc = describe(l, &l->file->tenants.items[l->next], &described, err);
    if (rc == 0)
        rc = mtnt_model_new(ret_model, &described.options, err);
    if (rc == 0)
        l->next++;
    description_release(&described);
    return rc;
}

static int64_t list_total(void *data)
{
    const list *l = data;

    return l->file->tenants.count;
}

static void list_close(void *data)
{
    list *l = data;

    mtnt__yaml_free(&mtnt__tenants_format, l->file);
    free(l->path);
    free(l->folder);
    free(l);
}

/* Takes *file over (NULL afterwards) when it succeeds. */
static int make_list(mtnt_tenant_source *ret_source, tenants_file **file, const char *path, mtnt_error *err)
{
    list *l = calloc(1, sizeof(*l));
    int rc;

    if (!l || !(l->path = strdup(path))) {
        free(l);
        return out_of_memory(err);
    }
    l->file = *file;
    l->default_model = l->file->defaults && l->file->defaults->model.text ? &l->file->defaults->model : NULL;
    if ((rc = mtnt__address_folder(path, &l->folder, err)) || (rc = check_list(l, err))) {
        l->file = NULL;
        list_close(l);
        return rc;
    }
    *file = NULL;
    *ret_source = (mtnt_tenant_source){list_next, list_total, list_close, l};
    return 0;
}

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

int mtnt_tenants_load(mtnt_tenant_source *ret_source, const char *path, const char *text, mtnt_controller *controller,
                      mtnt_error *err)
{
    const mtnt__yaml_format *format = &mtnt__tenants_format;
    tenants_file *file;
    void *said = NULL;
    int rc;

    if (!text && strcmp(path, "-") == 0)
        return mtnt_error_set(err, MTNT_E_INVALID, "standard input is the caller's: its text was not passed");
    rc = text ? mtnt__yaml_load(format, path, text, strlen(text), &said, err)
              : mtnt__yaml_load_file(format, path, &said, err);
    if (rc)
        return rc;
    file = said;
    if (file->source)
        rc = make_source(ret_source, file, path, controller, err);
    else if (file->tenants.at.line)
        rc = make_list(ret_source, &file, path, err);
    else
        rc = mtnt__yaml_refuse(err, path, file->at, "there are neither `tenants` nor a `source` of them");
    mtnt__yaml_free(format, file);
    return rc;
}
