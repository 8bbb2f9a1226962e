/* Statements of our own that wait for the next message: a round trip less for each. */
#include <string.h>

#include "db/postgres.h"

/* $1, $2 …: their value as a literal. */
static bool add_value(mtnt__buffer *buffer, const char *token, const mtnt_value *values)
{
    size_t number = 0, count = 0;

    for (const char *digit = token + 1; *digit >= '0' && *digit <= '9'; digit++)
        number = number * 10 + (size_t)(*digit - '0');
    while (values && values[count].type != MTNT_TYPE_END)
        count++;
    if (number == 0 || number > count)
        return false;
    values += number - 1;
    if (values->type == MTNT_TYPE_INT)
        mtnt__buffer_add_format(buffer, " %lld ", (long long)values->integer);
    else if (values->type == MTNT_TYPE_TEXT)
        mtnt__sql_add_literal(buffer, MTNT_POSTGRES, values->bytes);
    else if (values->type == MTNT_TYPE_NULL)
        mtnt__buffer_add_text(buffer, " NULL ");
    else
        return false;
    return true;
}

static bool is_parameter(const char *sql, const mtnt__sql_token *token)
{
    const char *text = sql + token->start;

    return token->kind == MTNT__SQL_OTHER && text[0] == '$' && text[1] >= '0' && text[1] <= '9';
}

/* Comments go: they would be sent with each. */
static bool add_statement(mtnt__buffer *buffer, const char *sql, const mtnt_value *values)
{
    mtnt__sql_walk walk;
    mtnt__sql_token token;
    size_t copied = 0;
    bool known = true;

    mtnt__sql_walk_init(&walk, sql, MTNT_POSTGRES);
    for (token = mtnt__sql_walk_next(&walk); token.kind != MTNT__SQL_END && known; token = mtnt__sql_walk_next(&walk)) {
        if (walk.starts)
            copied = token.start;
        if (!is_parameter(sql, &token))
            continue;
        mtnt__buffer_add(buffer, sql + copied, token.start - copied);
        known = add_value(buffer, sql + token.start, values);
        copied = token.start + 1 + strspn(sql + token.start + 1, "0123456789");
    }
    mtnt__buffer_add_text(buffer, sql + copied);
    mtnt__buffer_add_text(buffer, "\n; "); /* it may end with a comment */
    return known;
}

int mtnt__postgres_later(void *state, mtnt__call *call, const char *sql, const mtnt_value *values, mtnt_error *err)
{
    mtnt__postgres *s = state;

    (void)call;
    if (!add_statement(&s->held, sql, values))
        return mtnt_error_set(err, MTNT_E_INVALID, "a value that cannot be written into a statement");
    s->held_count++;
    return s->held.failed ? mtnt_error_set(err, MTNT_E_NOMEM, "out of memory") : MTNT_OK;
}

void mtnt__postgres_add_held(mtnt__postgres *s, mtnt__buffer *buffer, int *ret_count)
{
    *ret_count = s->held_count;
    if (s->held_count > 0) {
        mtnt__buffer_add_text(buffer, mtnt__buffer_text(&s->held));
        buffer->failed |= s->held.failed;
    }
    mtnt__postgres_forget_held(s);
}

void mtnt__postgres_forget_held(mtnt__postgres *s)
{
    mtnt__buffer_clear(&s->held);
    s->held.failed = false; /* that was this statement's lack of memory, and no later one's */
    s->held_count = 0;
}

int mtnt__postgres_send_held(mtnt__postgres *s, mtnt__call *call, mtnt_error *err)
{
    mtnt__exchange x = {.s = s, .call = call, .err = err};
    mtnt__buffer text = {0};
    int count, rc;

    if (s->held_count == 0)
        return MTNT_OK;
    mtnt__postgres_add_held(s, &text, &count);
    rc = text.failed ? mtnt_error_set(err, MTNT_E_NOMEM, "out of memory") : mtnt__postgres_simple(&x, text.bytes);
    mtnt__buffer_release(&text);
    return rc;
}
