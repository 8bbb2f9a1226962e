#include "state/json.h"

#include <stdlib.h>
#include <string.h>

#include "db/database.h"

#define MAX_MORE 6

json_t *mtnt__json_text(const char *text)
{
    json_t *json;
    char *copy;

    if (text == NULL)
        return json_null();
    json = json_string(text);
    if (json != NULL)
        return json;
    copy = strdup(text);
    if (copy == NULL)
        return NULL;
    for (char *c = copy; *c != '\0'; c++)
        if ((unsigned char)*c >= 0x80)
            *c = '?';
    json = json_string(copy);
    free(copy);
    return json;
}

bool mtnt__json_set(json_t *object, const char *key, json_t *value)
{
    return object != NULL && value != NULL && json_object_set_new_nocheck(object, key, value) == 0;
}

int mtnt__json_run(mtnt_db *db, mtnt_row_fn each, void *data, mtnt_error *err, const char *sql, const json_t *rows,
                   const mtnt_value *more)
{
    mtnt_value values[MAX_MORE + 2];
    size_t count = 0;
    char *text;
    int rc;

    text = rows == NULL ? NULL : json_dumps(rows, JSON_COMPACT);
    if (text == NULL)
        return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
    values[count++] = mtnt_value_text(text);
    for (; more != NULL && more->type != MTNT_TYPE_END && count <= MAX_MORE; more++)
        values[count++] = *more;
    values[count] = mtnt_value_end();
    rc = mtnt__db_run(db, each, data, err, sql, values);
    free(text);
    return rc;
}
