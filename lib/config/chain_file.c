#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/files.h"
#include "base/text.h"
#include "chain/address.h"
#include "chain/chain.h"
#include "chain/names.h"
#include "config/chain_lanes.h"
#include "config/formats.h"
#include "config/formats/chain_folders.h"
#include "mtnt/operations.h"

/* ---- the format ---- */

typedef struct script {
    mtnt__yaml_place at;
    mtnt__yaml_text up, up_file, down, down_file;
} script;

typedef struct sql {
    mtnt__yaml_place at;
    script *model, *model_sqlite, *model_postgres, *controller, *controller_sqlite, *controller_postgres;
} sql;

typedef struct create_model {
    mtnt__yaml_place at;
    mtnt__yaml_text template, template_file, template_sqlite, template_sqlite_file, template_postgres,
        template_postgres_file;
    mtnt__yaml_bool snapshot;
} create_model;

typedef struct delete_model {
    mtnt__yaml_place at;
    mtnt__yaml_text grace;
} delete_model;

typedef struct tables {
    mtnt__yaml_place at;
    mtnt__yaml_texts create, drop;
} tables;

typedef struct check {
    mtnt__yaml_place at;
    mtnt__yaml_text model, controller, expect;
} check;

typedef struct exec {
    mtnt__yaml_place at;
    mtnt__yaml_texts command, undo;
    mtnt__yaml_text folder;
} exec;

typedef struct snapshot {
    mtnt__yaml_place at;
    mtnt__yaml_text dir;
} snapshot;

typedef struct import_table {
    mtnt__yaml_place at;
    mtnt__yaml_text table, key;
    mtnt__yaml_bool replace;
} import_table;

typedef struct import {
    mtnt__yaml_place at;
    MTNT__YAML_LIST(import_table) controller;
} import;

typedef struct operation {
    mtnt__yaml_place at;
    mtnt__yaml_text name;
    mtnt__yaml_int order;
    mtnt__yaml_bool disabled;
    mtnt__yaml_text lane, transaction, mode;
    mtnt__yaml_bool retriable;
    sql *sql;
    create_model *create_model;
    delete_model *delete_model;
    tables *tables;
    MTNT__YAML_LIST(check) verify;
    exec *exec;
    snapshot *snapshot;
    import *import;
} operation;

typedef struct chain_file {
    mtnt__yaml_place at;
    mtnt__yaml_text chain;
    mtnt__chain_lanes lanes;
    MTNT__YAML_LIST(operation) operations;
    MTNT__YAML_LIST(mtnt__chain_folder) migrations;
} chain_file;

#define OPTIONAL MTNT__YAML_OPTIONAL
#define REQUIRED MTNT__YAML_REQUIRED
#define SCRIPT(name) MTNT__YAML_TEXT_FIELD(#name, OPTIONAL, script, name, 1)
static const cyaml_schema_field_t script_table[] = {
    SCRIPT(up), SCRIPT(up_file), SCRIPT(down), SCRIPT(down_file), CYAML_FIELD_END,
};

#define SIDE(name) MTNT__YAML_MAPPING_FIELD(#name, OPTIONAL, sql, name, script, script_table)
static const cyaml_schema_field_t sql_table[] = {
    SIDE(model),      SIDE(model_sqlite),      SIDE(model_postgres),
    SIDE(controller), SIDE(controller_sqlite), SIDE(controller_postgres),
    CYAML_FIELD_END,
};

#define TEMPLATE(name) MTNT__YAML_TEXT_FIELD(#name, OPTIONAL, create_model, name, 1)
static const cyaml_schema_field_t create_model_table[] = {
    TEMPLATE(template),
    TEMPLATE(template_file),
    TEMPLATE(template_sqlite),
    TEMPLATE(template_sqlite_file),
    TEMPLATE(template_postgres),
    TEMPLATE(template_postgres_file),
    MTNT__YAML_BOOL_FIELD("snapshot", OPTIONAL, create_model, snapshot),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t delete_model_table[] = {
    MTNT__YAML_TEXT_FIELD("grace", OPTIONAL, delete_model, grace, 1),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t tables_table[] = {
    MTNT__YAML_TEXTS_FIELD("create", OPTIONAL, tables, create, 1),
    MTNT__YAML_TEXTS_FIELD("drop", OPTIONAL, tables, drop, 1),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t check_table[] = {
    MTNT__YAML_TEXT_FIELD("model", OPTIONAL, check, model, 1),
    MTNT__YAML_TEXT_FIELD("controller", OPTIONAL, check, controller, 1),
    MTNT__YAML_TEXT_FIELD("expect", REQUIRED | MTNT__YAML_NULLABLE, check, expect, 0),
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t check_schema = MTNT__YAML_ENTRY(check, check_table);

static const cyaml_schema_field_t exec_table[] = {
    MTNT__YAML_TEXTS_FIELD("command", REQUIRED, exec, command, 1),
    MTNT__YAML_TEXTS_FIELD("undo", OPTIONAL, exec, undo, 1),
    MTNT__YAML_TEXT_FIELD("folder", OPTIONAL, exec, folder, 1),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t snapshot_table[] = {
    MTNT__YAML_TEXT_FIELD("dir", REQUIRED, snapshot, dir, 1),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t import_table_table[] = {
    MTNT__YAML_TEXT_FIELD("table", REQUIRED, import_table, table, 1),
    MTNT__YAML_TEXT_FIELD("key", REQUIRED, import_table, key, 1),
    MTNT__YAML_BOOL_FIELD("replace", OPTIONAL, import_table, replace),
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t import_table_schema = MTNT__YAML_ENTRY(import_table, import_table_table);
static const cyaml_schema_field_t import_fields[] = {
    MTNT__YAML_LIST_FIELD("controller", OPTIONAL, import, controller, sizeof(import_table), &import_table_schema, 0),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t operation_table[] = {
    MTNT__YAML_TEXT_FIELD("name", REQUIRED, operation, name, 1),
    MTNT__YAML_INT_FIELD("order", OPTIONAL, operation, order),
    MTNT__YAML_BOOL_FIELD("disabled", OPTIONAL, operation, disabled),
    MTNT__YAML_TEXT_FIELD("lane", OPTIONAL, operation, lane, 1),
    MTNT__YAML_TEXT_FIELD("transaction", OPTIONAL, operation, transaction, 1),
    MTNT__YAML_TEXT_FIELD("mode", OPTIONAL, operation, mode, 1),
    MTNT__YAML_BOOL_FIELD("retriable", OPTIONAL, operation, retriable),
    MTNT__YAML_MAPPING_FIELD("sql", OPTIONAL, operation, sql, sql, sql_table),
    MTNT__YAML_MAPPING_FIELD("create_model", OPTIONAL, operation, create_model, create_model, create_model_table),
    MTNT__YAML_MAPPING_FIELD("delete_model", OPTIONAL, operation, delete_model, delete_model, delete_model_table),
    MTNT__YAML_MAPPING_FIELD("tables", OPTIONAL, operation, tables, tables, tables_table),
    MTNT__YAML_LIST_FIELD("verify", OPTIONAL, operation, verify, sizeof(check), &check_schema, 1),
    MTNT__YAML_MAPPING_FIELD("exec", OPTIONAL, operation, exec, exec, exec_table),
    MTNT__YAML_MAPPING_FIELD("snapshot", OPTIONAL, operation, snapshot, snapshot, snapshot_table),
    MTNT__YAML_MAPPING_FIELD("import", OPTIONAL, operation, import, import, import_fields),
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t operation_schema = MTNT__YAML_ENTRY(operation, operation_table);

static const cyaml_schema_field_t chain_table[] = {
    MTNT__YAML_TEXT_FIELD("chain", REQUIRED, chain_file, chain, 1),
    MTNT__YAML_LIST_FIELD("lanes", OPTIONAL, chain_file, lanes, sizeof(mtnt__chain_lane_said), &mtnt__chain_lane_schema,
                          1),
    MTNT__YAML_LIST_FIELD("operations", OPTIONAL, chain_file, operations, sizeof(operation), &operation_schema, 0),
    MTNT__YAML_LIST_FIELD("migrations", OPTIONAL, chain_file, migrations, sizeof(mtnt__chain_folder),
                          &mtnt__chain_folder_schema, 1),
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t chain_schema = MTNT__YAML_TOP(chain_file, chain_table);

static const mtnt__yaml_kind chain_kinds[] = {
    {chain_table, NULL, NULL, NULL},
    {operation_table, "operation", "name", NULL},
    {mtnt__chain_lane_table, "lane", "name", NULL},
    {0},
};
const mtnt__yaml_format mtnt__chain_format = {"chain file", &chain_schema, chain_kinds};

/* ---- one operation ---- */

#define OWNED_MAXIMUM 24 /* a text and a path for each of the twelve files that an operation can name */

/* An operation on its way into the chain. */
typedef struct loader {
    mtnt_chain *chain;
    const char *path, *folder; /* of the chain file; the folder is absolute */
    const operation *operation;
    mtnt_entry entry;
    char *owned[OWNED_MAXIMUM]; /* borrowed by the options until the operation has been added */
    size_t owned_count;
    mtnt_error *err;
} loader;

/* CONFIG: "operation `NAME`: …" at a place of the chain file. */
static int refuse(const loader *l, mtnt__yaml_place at, const char *format, ...) MTNT_PRINTF(3, 4);
static int refuse(const loader *l, mtnt__yaml_place at, const char *format, ...)
{
    char name[MTNT__NAME_SHOWN_SIZE];
    va_list arguments;

    va_start(arguments, format);
    mtnt_error_setv(l->err, MTNT_E_CONFIG, format, arguments);
    va_end(arguments);
    mtnt__name_shown(l->operation->name.text, name);
    mtnt_error_wrap(l->err, "operation `%s`", name);
    mtnt_error_at(l->err, l->path, at.line, at.column);
    return MTNT_E_CONFIG;
}

static int out_of_memory(mtnt_error *err)
{
    return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
}

/* Keeps what is on the heap until the operation has been added. */
static int own(loader *l, char *memory)
{
    if (!memory)
        return out_of_memory(l->err);
    l->owned[l->owned_count++] = memory;
    return 0;
}

static int read_sql_file(loader *l, const mtnt__yaml_text *file, mtnt_sql_text *ret_text)
{
    static const char mark[] = "\xef\xbb\xbf"; /* a byte order mark, which is no SQL */
    mtnt_error said = MTNT_ERROR_INIT;
    char *path = mtnt__path_beside(l->path, file->text), *text = NULL;
    int rc = own(l, path);

    if (rc)
        return rc;
    rc = mtnt__file_read(path, &text, NULL, &said);
    if (rc == MTNT_E_NOMEM)
        return out_of_memory(l->err);
    if (rc)
        return refuse(l, file->at, "%s", said.message);
    rc = own(l, text);
    if (rc)
        return rc;
    *ret_text =
        (mtnt_sql_text){.sql = strncmp(text, mark, 3) == 0 ? text + 3 : text, .file = path, .line = 1, .column = 1};
    return 0;
}

/* SQL that stands under `key`, or in the file named under `<key>_file`; neither is fine. */
static int take_sql(loader *l, const char *key, const mtnt__yaml_text *here, const mtnt__yaml_text *file,
                    mtnt_sql_text *ret_text)
{
    if (here->text && file->text)
        return refuse(l, file->at, "there are both `%s` (line %u) and `%s_file`: one of them has to go", key,
                      here->at.line, key);
    if (file->text)
        return read_sql_file(l, file, ret_text);
    if (here->text)
        *ret_text =
            (mtnt_sql_text){.sql = here->text, .file = l->path, .line = here->at.line, .column = here->at.column};
    return 0;
}

static int add_sql(loader *l)
{
    const sql *said = l->operation->sql;
    mtnt_sql_options options = {0};
    const struct {
        const char *key;
        const script *script;
        mtnt_sql_text *up, *down;
    } sides[] = {
        {"model", said->model, &options.model.any_up, &options.model.any_down},
        {"model_sqlite", said->model_sqlite, &options.model.sqlite_up, &options.model.sqlite_down},
        {"model_postgres", said->model_postgres, &options.model.postgres_up, &options.model.postgres_down},
        {"controller", said->controller, &options.controller.any_up, &options.controller.any_down},
        {"controller_sqlite", said->controller_sqlite, &options.controller.sqlite_up, &options.controller.sqlite_down},
        {"controller_postgres", said->controller_postgres, &options.controller.postgres_up,
         &options.controller.postgres_down},
    };
    int rc;

    for (size_t i = 0; i < sizeof(sides) / sizeof(sides[0]); i++) {
        const script *side = sides[i].script;

        if (!side)
            continue;
        if ((rc = take_sql(l, "up", &side->up, &side->up_file, sides[i].up)) ||
            (rc = take_sql(l, "down", &side->down, &side->down_file, sides[i].down)))
            return rc;
        if (!sides[i].up->sql)
            return refuse(l, side->at, "`sql.%s` has neither `up` nor `up_file`", sides[i].key);
    }
    return mtnt_operation_add_sql(l->chain, &options, &l->entry, l->err);
}

static int add_create_model(loader *l)
{
    const create_model *said = l->operation->create_model;
    mtnt_create_model_options options = {0};
    int rc;

    if ((rc = take_sql(l, "template", &said->template, &said->template_file, &options.template_any)) ||
        (rc = take_sql(l, "template_sqlite", &said->template_sqlite, &said->template_sqlite_file,
                       &options.template_sqlite)) ||
        (rc = take_sql(l, "template_postgres", &said->template_postgres, &said->template_postgres_file,
                       &options.template_postgres)))
        return rc;
    options.snapshot = said->snapshot.value;
    return mtnt_operation_add_create_model(l->chain, &options, &l->entry, l->err);
}

static int add_delete_model(loader *l)
{
    const mtnt__yaml_text *grace = &l->operation->delete_model->grace;
    mtnt_delete_model_options options = {.grace_ms = MTNT_DELETE_MODEL_GRACE_MS};

    if (grace->text && !mtnt__parse_duration_ms(grace->text, &options.grace_ms))
        return refuse(l, grace->at, "`grace` must be a time such as 0, 5m, 12h or 7d, not `%.80s`", grace->text);
    return mtnt_operation_add_delete_model(l->chain, &options, &l->entry, l->err);
}

static int add_tables(loader *l)
{
    const tables *said = l->operation->tables;
    mtnt_tables_options options = {.drop = said->drop.count > 0};
    const char **list = NULL;
    int rc;

    if (said->create.count > 0 && said->drop.count > 0)
        return refuse(l, said->drop.at, "`tables` has both `create` and `drop`: make two operations of it");
    if (said->create.count == 0 && said->drop.count == 0)
        return refuse(l, said->at, "`tables` has neither `create` nor `drop`");
    rc = mtnt__yaml_texts_list(options.drop ? &said->drop : &said->create, &list, l->err);
    if (rc)
        return rc;
    options.tables = list;
    rc = mtnt_operation_add_tables(l->chain, &options, &l->entry, l->err);
    free(list);
    return rc;
}

static int take_check(loader *l, const check *said, mtnt_verify_check *ret_check)
{
    const mtnt__yaml_text *query = said->model.text ? &said->model : &said->controller;

    if (said->model.text && said->controller.text)
        return refuse(l, said->at, "a check of `verify` asks `model` or `controller`, not both: make two checks of it");
    if (!query->text)
        return refuse(l, said->at, "a check of `verify` has neither `model` nor `controller` with a query");
    *ret_check = (mtnt_verify_check){
        .sql = {.sql = query->text, .file = l->path, .line = query->at.line, .column = query->at.column},
        .on_controller = query == &said->controller,
        .expect = said->expect.text,
    };
    return 0;
}

static int add_verify(loader *l)
{
    const check *said = l->operation->verify.items;
    size_t count = l->operation->verify.count;
    mtnt_verify_check *checks = calloc(count, sizeof(*checks));
    mtnt_verify_options options = {checks, count};
    int rc = 0;

    if (!checks)
        return out_of_memory(l->err);
    for (size_t i = 0; rc == 0 && i < count; i++)
        rc = take_check(l, &said[i], &checks[i]);
    if (rc == 0)
        rc = mtnt_operation_add_verify(l->chain, &options, &l->entry, l->err);
    free(checks);
    return rc;
}

/* Programs run in the chain file's folder, or as seen from there. */
static int add_exec(loader *l)
{
    const exec *said = l->operation->exec;
    const char **command = NULL, **undo = NULL;
    char *folder = mtnt__address_path(l->folder, said->folder.text ? said->folder.text : ".");
    mtnt_exec_options options;
    int rc;

    rc = folder ? mtnt__yaml_texts_list(&said->command, &command, l->err) : out_of_memory(l->err);
    if (rc || (said->undo.count > 0 && (rc = mtnt__yaml_texts_list(&said->undo, &undo, l->err))))
        goto out;
    options = (mtnt_exec_options){command, undo, folder};
    rc = mtnt_operation_add_exec(l->chain, &options, &l->entry, l->err);
out:
    free(command);
    free(undo);
    free(folder);
    return rc;
}

static int add_snapshot(loader *l)
{
    char *dir = mtnt__address_path(l->folder, l->operation->snapshot->dir.text);
    const mtnt_snapshot_options options = {dir};
    int rc = dir ? mtnt_operation_add_snapshot(l->chain, &options, &l->entry, l->err) : out_of_memory(l->err);

    free(dir);
    return rc;
}

static int add_import(loader *l)
{
    const import *said = l->operation->import;
    mtnt_described_table *described = calloc((size_t)said->controller.count + 1, sizeof(*described));
    const mtnt_import_options options = {described, said->controller.count};
    int rc;

    if (!described)
        return out_of_memory(l->err);
    for (uint32_t i = 0; i < said->controller.count; i++) {
        const import_table *table = &said->controller.items[i];

        described[i] = (mtnt_described_table){table->table.text, table->key.text, table->replace.value};
    }
    rc = mtnt_operation_add_import(l->chain, &options, &l->entry, l->err);
    free(described);
    return rc;
}

/* The one kind that the operation is of. */
static int add_kind(loader *l)
{
    const operation *o = l->operation;
    const struct {
        const char *key;
        bool there;
        int (*add)(loader *l);
    } kinds[] = {
        {"sql", o->sql, add_sql},
        {"create_model", o->create_model, add_create_model},
        {"delete_model", o->delete_model, add_delete_model},
        {"tables", o->tables, add_tables},
        {"verify", o->verify.count > 0, add_verify},
        {"exec", o->exec, add_exec},
        {"snapshot", o->snapshot, add_snapshot},
        {"import", o->import, add_import},
    };
    int found = -1;

    for (int i = 0; i < (int)(sizeof(kinds) / sizeof(kinds[0])); i++) {
        if (!kinds[i].there)
            continue;
        if (found >= 0)
            return refuse(l, o->at, "it has both `%s` and `%s`: make two operations of it", kinds[found].key,
                          kinds[i].key);
        found = i;
    }
    if (found < 0)
        return refuse(
            l, o->at,
            "it says nothing to do: it needs one of `sql`, `create_model`, `delete_model`, `tables`, `verify`, `exec`, "
            "`snapshot` and `import`");
    return kinds[found].add(l);
}

/* What later versions will do is refused, so that it is not taken for done. */
static int check_choices(const loader *l)
{
    static const char *const modes[] = {"auto", "saga", NULL};
    static const char *const transactions[] = {"none", NULL};
    const operation *o = l->operation;
    int rc = mtnt__yaml_check_choice(l->path, "mode", &o->mode, modes, l->err);

    return rc ? rc : mtnt__yaml_check_choice(l->path, "transaction", &o->transaction, transactions, l->err);
}

static int check_lane(const loader *l)
{
    char name[MTNT__NAME_SHOWN_SIZE], what[MTNT__NAME_SHOWN_SIZE + 16];

    if (!l->operation->lane.text)
        return 0;
    mtnt__name_shown(l->operation->name.text, name);
    snprintf(what, sizeof(what), "operation `%s`", name);
    return mtnt__chain_lanes_check(l->chain, l->path, what, &l->operation->lane, l->err);
}

static uint32_t flags_of(const operation *o)
{
    uint32_t flags = 0;

    if (o->transaction.text)
        flags |= MTNT_OPERATION_NO_TRANSACTION;
    if (mtnt__text_equal(o->mode.text, "saga"))
        flags |= MTNT_OPERATION_SAGA;
    if (o->retriable.value)
        flags |= MTNT_OPERATION_RETRIABLE;
    return flags;
}

static int fill_entry(loader *l, size_t index)
{
    const operation *o = l->operation;

    if (o->order.at.line && o->order.value <= 0)
        return refuse(l, o->order.at, "`order` begins at 1, it cannot be %lld", (long long)o->order.value);
    l->entry.name = o->name.text;
    l->entry.order = o->order.at.line ? o->order.value : (int64_t)index + 1;
    l->entry.disabled = o->disabled.value;
    l->entry.flags = flags_of(o);
    l->entry.lane = o->lane.text;
    l->entry.file = l->path;
    l->entry.line = o->at.line;
    return 0;
}

static int load_operation(mtnt_chain *chain, const char *path, const char *folder, const chain_file *said, size_t index,
                          mtnt_error *err)
{
    loader l = {.chain = chain,
                .path = path,
                .folder = folder,
                .operation = &said->operations.items[index],
                .entry = MTNT_ENTRY_INIT,
                .err = err};
    int rc;

    if ((rc = check_choices(&l)) || (rc = check_lane(&l)) || (rc = fill_entry(&l, index)))
        return rc;
    rc = add_kind(&l);
    for (size_t i = 0; i < l.owned_count; i++)
        free(l.owned[i]);
    return rc;
}

/* ---- the file ---- */

static int load_chain(mtnt_chain *chain, const char *path, const char *folder, const chain_file *said, mtnt_error *err)
{
    int rc = 0;

    if (mtnt_chain_len(chain) == 0 && (rc = mtnt_chain_set_name(chain, said->chain.text, err))) {
        mtnt_error_at(err, path, said->chain.at.line, said->chain.at.column);
        return rc;
    }
    if (!said->operations.at.line && !said->migrations.at.line)
        return mtnt__yaml_refuse(err, path, said->at, "the chain has neither `operations` nor `migrations`");
    rc = mtnt__chain_lanes_load(chain, path, &said->lanes, err);
    for (size_t i = 0; rc == 0 && i < said->operations.count; i++)
        rc = load_operation(chain, path, folder, said, i, err);
    if (rc == 0)
        rc = mtnt__chain_folders_load(chain, path, folder, said->migrations.items, said->migrations.count, err);
    return rc;
}

int mtnt_chain_load_yaml(mtnt_chain *chain, const char *path, mtnt_error *err)
{
    char *folder = NULL;
    void *said = NULL;
    int rc;

    if ((rc = mtnt__yaml_load_file(&mtnt__chain_format, path, &said, err)) ||
        (rc = mtnt__address_folder(path, &folder, err)))
        goto out;
    rc = load_chain(chain, path, folder, said, err);
out:
    mtnt__yaml_free(&mtnt__chain_format, said);
    free(folder);
    return rc;
}
