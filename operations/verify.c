/* verify: queries whose answers must be as expected. Changes nothing. */
#include <stdlib.h>
#include <string.h>

#include "common.h"

typedef struct config {
    mtnt_verify_check *checks; /* texts owned */
    size_t count;
} config;

static void config_free(void *owned)
{
    config *verify = owned;
    size_t i;

    if (verify == NULL)
        return;
    for (i = 0; i < verify->count; i++) {
        mtnt__operations_sql_release(&verify->checks[i].sql);
        free((char *)verify->checks[i].expect);
    }
    free(verify->checks);
    free(verify);
}

static int copy_check(mtnt_verify_check *ret_check, const mtnt_verify_check *check, size_t number, mtnt_error *err)
{
    mtnt_verify_check copy = *check;
    int rc;

    copy.expect = NULL;
    rc = mtnt__operations_sql_copy(&copy.sql, &check->sql, err);
    if (rc != 0)
        return rc;
    if (check->expect != NULL)
        copy.expect = strdup(check->expect);
    *ret_check = copy;
    if (check->expect != NULL && copy.expect == NULL)
        return mtnt__operations_nomem(err);
    if (copy.sql.sql == NULL)
        return mtnt_error_set(err, MTNT_E_CONFIG, "check %zu has no query", number);
    return mtnt__operations_sql_check(&copy.sql, MTNT__CHOICE_ANY, err);
}

static int config_new(config **ret_config, const mtnt_verify_options *options, mtnt_error *err)
{
    config *verify = calloc(1, sizeof(*verify));
    int rc = 0;

    if (verify == NULL)
        return mtnt__operations_nomem(err);
    if (options->count == 0)
        rc = mtnt_error_set(err, MTNT_E_CONFIG, "there is nothing to check");
    else if ((verify->checks = calloc(options->count, sizeof(*verify->checks))) == NULL)
        rc = mtnt__operations_nomem(err);
    while (rc == 0 && verify->count < options->count) {
        rc = copy_check(&verify->checks[verify->count], &options->checks[verify->count], verify->count + 1, err);
        verify->count++;
    }
    if (rc != 0) {
        config_free(verify);
        return rc;
    }
    *ret_config = verify;
    return 0;
}

/* ---- running ---- */

typedef struct answer {
    const char *expect;
    bool has_row, is_null, right;
    char found[256]; /* for people: cut */
} answer;

static int take_answer(void *data, const mtnt_row *row, mtnt_error *err)
{
    answer *first = data;
    const char *text = mtnt_row_text(row, 0);

    (void)err;
    if (first->has_row)
        return 0;
    first->has_row = true;
    first->is_null = text == NULL;
    if (text == NULL || first->expect == NULL)
        first->right = text == first->expect;
    else
        first->right = strcmp(text, first->expect) == 0;
    if (text != NULL)
        mtnt__operations_copy_cut(first->found, sizeof(first->found), text, strlen(text));
    return 0;
}

/* The query's first line goes with the error, as it does when the database itself finds fault with it. */
static int disagree(const mtnt_verify_check *check, size_t number, const answer *first, mtnt_error *err)
{
    const char *query = check->sql.sql + strspn(check->sql.sql, " \t\r\n");

    if (!first->has_row)
        mtnt_error_set(err, MTNT_E_OPERATION, "there is no row");
    else if (first->is_null)
        mtnt_error_set(err, MTNT_E_OPERATION, "it is NULL");
    else
        mtnt_error_set(err, MTNT_E_OPERATION, "it is `%s`", first->found);
    if (check->expect != NULL)
        mtnt_error_wrap(err, "check %zu: `%s` was expected", number, check->expect);
    else
        mtnt_error_wrap(err, "check %zu: NULL or no row was expected", number);
    mtnt_error_at(err, check->sql.file, check->sql.line, check->sql.column);
    if (err != NULL)
        mtnt__operations_copy_cut(err->statement, sizeof(err->statement), query, strcspn(query, "\r\n"));
    return MTNT_E_OPERATION;
}

static int verify_execute(mtnt_operation *operation, mtnt_context *context, const mtnt_model *model, mtnt_error *err)
{
    const config *verify = mtnt_operation_config(operation);
    size_t i;
    int rc;

    for (i = 0; i < verify->count; i++) {
        const mtnt_verify_check *check = &verify->checks[i];
        mtnt_db *db = check->on_controller ? mtnt_scope_controller(context) : mtnt_scope_model(context);
        mtnt_script script = mtnt__operations_script(&check->sql, model);
        answer first = {check->expect, false, false, check->expect == NULL, ""};

        rc = mtnt_db_query_script(db, &script, take_answer, &first, err);
        if (rc != 0)
            return rc;
        if (!first.right)
            return disagree(check, i + 1, &first, err);
    }
    return 0;
}

static const mtnt_operation_class verify_class = {
    MTNT_OPERATION_CLASS_INIT,
    .name = "verify",
    .writes = MTNT_WRITES_NOTHING,
    .execute = verify_execute,
};

static bool same_for_all(const config *verify)
{
    bool same = true;

    for (size_t i = 0; i < verify->count; i++)
        same = same && !verify->checks[i].on_controller && !mtnt__operations_sql_names(verify->checks[i].sql.sql);
    return same;
}

int mtnt_operation_add_verify(mtnt_chain *chain, const mtnt_verify_options *options, const mtnt_entry *entry,
                              mtnt_error *err)
{
    mtnt__operations_text checksum = {NULL, false};
    mtnt_entry made = mtnt__operations_entry(entry);
    config *verify = NULL;
    size_t i;
    int rc;

    rc = config_new(&verify, options, err);
    if (rc != 0) {
        mtnt__operations_blame(err, entry, "verify");
        goto out;
    }
    mtnt__operations_append(&checksum, "verify\n");
    for (i = 0; i < verify->count; i++) {
        const char *key = verify->checks[i].on_controller ? "controller" : "model";

        mtnt__operations_append_sql(&checksum, key, verify->checks[i].sql.sql);
        mtnt__operations_append_part(&checksum, "expect", verify->checks[i].expect);
    }
    if (checksum.failed) {
        rc = mtnt__operations_nomem(err);
        goto out;
    }
    made.config = verify;
    made.config_free = config_free;
    made.checksum = checksum.text;
    made.writes = MTNT_WRITES_NOTHING;
    if (same_for_all(verify))
        made.flags |= MTNT_OPERATION_SAME_FOR_ALL;
    rc = mtnt_chain_add_entry(chain, &verify_class, &made, err);
    verify = NULL; /* the chain's, also when it refused the entry */
out:
    config_free(verify);
    free(checksum.text);
    return rc;
}
