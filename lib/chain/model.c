#include "mtnt/model.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "chain/chain.h"
#include "chain/model.h"
#include "chain/names.h"
#include "db/database.h"

#define PAIR_MAXIMUM 1000 /* bytes of a "key=value" */
#define SCHEMA_MAXIMUM 63 /* what PostgreSQL keeps of a name; it would cut the rest and mean another schema */

static int out_of_memory(mtnt_error *err)
{
    return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
}

static size_t key_length(const char *pair)
{
    return strcspn(pair, "=");
}

static bool same_key(const char *a, const char *b)
{
    return key_length(a) == key_length(b) && strncmp(a, b, key_length(a)) == 0;
}

/* The pair with that key, or NULL. */
static const char *find_pair(const char *const *pairs, const char *key)
{
    size_t length = strlen(key);

    for (; pairs && *pairs; pairs++) {
        if (strncmp(*pairs, key, length) == 0 && (*pairs)[length] == '=')
            return *pairs;
    }
    return NULL;
}

/* `what` is "label" or "var". */
static int check_pairs(const char *what, const char *const *pairs, mtnt_error *err)
{
    int rc;

    for (size_t i = 0; pairs && pairs[i]; i++) {
        if ((rc = mtnt__name_check(what, pairs[i], PAIR_MAXIMUM, err)))
            return rc;
        if (pairs[i][0] == '=' || pairs[i][key_length(pairs[i])] == '\0')
            return mtnt_error_set(err, MTNT_E_CONFIG, "%s `%s` is not of the form key=value", what, pairs[i]);
        for (size_t j = 0; j < i; j++) {
            if (same_key(pairs[i], pairs[j]))
                return mtnt_error_set(err, MTNT_E_CONFIG, "%s `%.*s` is given twice", what, (int)key_length(pairs[i]),
                                      pairs[i]);
        }
    }
    return 0;
}

static int check_schema(const char *schema, mtnt_backend backend, mtnt_error *err)
{
    int rc;

    if (!schema)
        return 0;
    if (backend != MTNT_POSTGRES)
        return mtnt_error_set(err, MTNT_E_CONFIG,
                              "schema `%s` has no meaning for a model in SQLite: a schema per tenant needs a "
                              "postgresql:// URI",
                              schema);
    rc = mtnt__name_check("schema", schema, SCHEMA_MAXIMUM, err);
    if (rc == 0 && (strncmp(schema, "pg_", 3) == 0 || strcmp(schema, "information_schema") == 0))
        rc = mtnt_error_set(err, MTNT_E_CONFIG, "schema `%s` belongs to PostgreSQL itself", schema);
    return rc;
}

static int check_options(const mtnt_model_options *options, mtnt_backend *ret_backend, mtnt_error *err)
{
    mtnt_error said = MTNT_ERROR_INIT;
    int rc;

    if (!options->dsn)
        return mtnt_error_set(err, MTNT_E_CONFIG, "it has no `model`");
    rc = mtnt__dsn_backend(options->dsn, ret_backend, &said);
    if (rc)
        return mtnt_error_set(err, rc == MTNT_E_INVALID ? MTNT_E_CONFIG : rc, "%s", said.message);
    if ((rc = check_schema(options->schema, *ret_backend, err)) || (rc = check_pairs("label", options->labels, err)))
        return rc;
    if (find_pair(options->vars, "tenant"))
        return mtnt_error_set(err, MTNT_E_CONFIG, "a var cannot be named `tenant`: in SQL that is the tenant's id");
    return check_pairs("var", options->vars, err);
}

int mtnt__model_check(const mtnt_model_options *options, mtnt_backend *ret_backend, mtnt_error *err)
{
    mtnt_error said = MTNT_ERROR_INIT;
    mtnt_backend backend = MTNT_SQLITE;
    int rc;

    if (options->version == 0 || options->version > MTNT_MODEL_OPTIONS_VERSION)
        return mtnt_error_set(err, MTNT_E_INVALID,
                              "model options of unknown version: initialise them with MTNT_MODEL_OPTIONS_INIT");
    rc = mtnt__name_check("tenant id", options->id, MTNT__NAME_MAXIMUM, &said);
    if (rc == 0 && (rc = check_options(options, &backend, &said)))
        mtnt_error_wrap(&said, "tenant `%s`", options->id);
    if (rc) {
        mtnt_error_at(&said, options->file, options->line, 0);
        if (err)
            *err = said;
        return rc;
    }
    if (ret_backend)
        *ret_backend = backend;
    return 0;
}

static void free_list(char **list)
{
    for (size_t i = 0; list && list[i]; i++)
        free(list[i]);
    free(list);
}

static bool copy_list(char ***ret_copy, const char *const *list)
{
    size_t count = 0;
    char **copy;

    while (list && list[count])
        count++;
    copy = calloc(count + 1, sizeof(*copy));
    if (!copy)
        return false;
    for (size_t i = 0; i < count; i++) {
        copy[i] = strdup(list[i]);
        if (!copy[i]) {
            free_list(copy);
            return false;
        }
    }
    *ret_copy = copy;
    return true;
}

static bool copy_text(char **ret_copy, const char *text)
{
    if (text)
        *ret_copy = strdup(text);
    return !text || *ret_copy;
}

static bool model_fill(mtnt_model *model, const mtnt_model_options *options)
{
    model->line = options->line;
    atomic_init(&model->references, 1);
    mtnt__dsn_redact(options->dsn, model->shown);
    return copy_text(&model->id, options->id) && copy_text(&model->dsn, options->dsn) &&
           copy_text(&model->schema, options->schema) && copy_text(&model->description, options->description) &&
           copy_text(&model->file, options->file) && copy_list(&model->labels, options->labels) &&
           copy_list(&model->vars, options->vars);
}

/* `shown` is cut at its size: the server and database of a long URI come from the URI itself. */
static int postgres_key(mtnt_model *model, mtnt__hasher *hasher, mtnt_error *err)
{
    bool cut = strlen(model->shown) + 8 > sizeof(model->shown);
    char *server = cut ? mtnt__dsn_server(model->dsn) : NULL;
    char *database = cut ? mtnt__dsn_database(model->dsn) : NULL;
    const char *parts[] = {
        "postgresql", model->shown, model->schema ? model->schema : "", server ? server : "", database ? database : "",
        NULL};
    int rc;

    if (cut && (!server || !database))
        rc = out_of_memory(err);
    else
        rc = mtnt__hasher_sum(hasher, model->key, parts, err);
    free(server);
    free(database);
    return rc;
}

static int model_key(mtnt_model *model, mtnt__hasher *hasher, mtnt_error *err)
{
    const char *parts[] = {"sqlite", model->dsn, NULL};

    return model->backend == MTNT_SQLITE ? mtnt__hasher_sum(hasher, model->key, parts, err)
                                         : postgres_key(model, hasher, err);
}

static mtnt_backend backend_of(const char *dsn)
{
    return strncmp(dsn, "sqlite:", sizeof("sqlite:") - 1) == 0 ? MTNT_SQLITE : MTNT_POSTGRES;
}

int mtnt__model_make(mtnt_model **ret_model, const mtnt_model_options *options, mtnt__hasher *hasher, mtnt_error *err)
{
    mtnt_model *model = calloc(1, sizeof(*model));
    int rc;

    if (!model)
        return out_of_memory(err);
    model->backend = backend_of(options->dsn);
    rc = model_fill(model, options) ? model_key(model, hasher, err) : out_of_memory(err);
    if (rc == 0)
        *ret_model = model;
    else
        mtnt_model_free(model);
    return rc;
}

int mtnt_model_new(mtnt_model **ret_model, const mtnt_model_options *options, mtnt_error *err)
{
    mtnt__hasher *hasher = NULL;
    int rc = mtnt__model_check(options, NULL, err);

    if (rc == 0)
        rc = mtnt__hasher_new(&hasher, err);
    if (rc == 0)
        rc = mtnt__model_make(ret_model, options, hasher, err);
    mtnt__hasher_free(hasher);
    return rc;
}

void mtnt_model_free(mtnt_model *model)
{
    if (!model || atomic_fetch_sub(&model->references, 1) > 1)
        return;
    free(model->id);
    free(model->dsn);
    free(model->schema);
    free(model->description);
    free(model->file);
    free_list(model->labels);
    free_list(model->vars);
    free(model);
}

mtnt_model *mtnt__model_ref(mtnt_model *model)
{
    atomic_fetch_add(&model->references, 1);
    return model;
}

const char *mtnt_model_id(const mtnt_model *model)
{
    return model->id;
}

mtnt_backend mtnt_model_backend(const mtnt_model *model)
{
    return model->backend;
}

const char *mtnt_model_schema(const mtnt_model *model)
{
    return model->schema;
}

const char *mtnt_model_description(const mtnt_model *model)
{
    return model->description;
}

const char *mtnt_model_shown(const mtnt_model *model)
{
    return model->shown;
}

const char *mtnt__model_dsn(const mtnt_model *model)
{
    return model->dsn;
}

const char *mtnt__model_key(const mtnt_model *model)
{
    return model->key;
}

static const char *pair_value(char *const *pairs, const char *key)
{
    const char *pair = find_pair((const char *const *)pairs, key);

    return pair ? pair + key_length(pair) + 1 : NULL;
}

const char *mtnt_model_label(const mtnt_model *model, const char *key)
{
    return pair_value(model->labels, key);
}

const char *mtnt_model_var(const mtnt_model *model, const char *key)
{
    return pair_value(model->vars, key);
}

const char *const *mtnt_model_vars(const mtnt_model *model)
{
    return (const char *const *)model->vars;
}

const char *mtnt_model_variable(void *model, const char *name)
{
    const mtnt_model *tenant = model;
    const char *value;

    if (mtnt__text_equal(name, "tenant"))
        return tenant->id;
    value = mtnt_model_var(tenant, name);
    return value ? value : mtnt_model_label(tenant, name);
}
