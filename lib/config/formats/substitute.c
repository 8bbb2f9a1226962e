#include "config/formats/substitute.h"

#include <stdlib.h>
#include <string.h>

#define DEEPEST 8 /* ${A:-${B:-…}} */

typedef struct substitution {
    mtnt__buffer *target;
    const char *const *allowed;
    char *name; /* 80 bytes */
    const char *why;
} substitution;

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool refuse(substitution *s, const char *name, size_t length, const char *why)
{
    char copy[80];

    if (length >= sizeof(copy))
        length = sizeof(copy) - 1;
    memcpy(copy, name, length);
    copy[length] = '\0';
    mtnt__text_copy(s->name, sizeof(copy), copy);
    s->why = why;
    return false;
}

static size_t name_length(const char *at, const char *end)
{
    const char *from = at;

    if (at < end && is_letter(*at))
        while (at < end && (is_letter(*at) || (*at >= '0' && *at <= '9') || *at == '_'))
            at++;
    return (size_t)(at - from);
}

/* The value, NULL when it is not set. false: the name is not one that may be asked for. */
static bool look_up(substitution *s, const char *name, size_t length, const char **ret_value)
{
    for (const char *const *allowed = s->allowed; allowed && *allowed; allowed++)
        if (strlen(*allowed) == length && strncmp(*allowed, name, length) == 0) {
            *ret_value = getenv(*allowed);
            return true;
        }
    return refuse(s, name, length,
                  "is not on the list `env` of chain.yaml, which says what may be read from the environment");
}

static bool expand(substitution *s, const char *at, const char *end, int depth);

/* The brace that ends what begins after `at`; NULL = none. */
static const char *closing(const char *at, const char *end)
{
    for (int depth = 1; at < end; at++) {
        if (at[0] == '$' && at + 1 < end && at[1] == '{')
            depth++;
        else if (*at == '}' && --depth == 0)
            return at;
    }
    return NULL;
}

/* `at` stands after "${". */
static bool expand_braces(substitution *s, const char *at, const char *end, int depth, const char **ret_after)
{
    const char *close = closing(at, end), *value = NULL, *word;
    size_t length = name_length(at, end);
    bool empty_too;

    if (!close || length == 0)
        return refuse(s, at, close ? (size_t)(close - at) : (size_t)(end - at), "is not what goose can fill in");
    *ret_after = close + 1;
    word = at + length;
    if (!look_up(s, at, length, &value))
        return false;
    if (word == close) {
        mtnt__buffer_add_text(s->target, value ? value : "");
        return true;
    }
    empty_too = word[0] == ':' && word + 1 < close && word[1] == '-';
    if (*word != '-' && *word != '?' && !empty_too)
        return refuse(s, at, (size_t)(close - at), "is for a later version: a part of a value");
    if (value && !(empty_too && value[0] == '\0')) {
        mtnt__buffer_add_text(s->target, value);
        return true;
    }
    if (*word == '?')
        return refuse(s, at, length, "is not set in the environment, and has to be");
    return expand(s, word + (empty_too ? 2 : 1), close, depth + 1);
}

static bool expand_name(substitution *s, const char *at, const char *end, int depth, const char **ret_after)
{
    const char *value = NULL;
    size_t length;

    if (at < end && *at == '{')
        return expand_braces(s, at + 1, end, depth, ret_after);
    length = name_length(at, end);
    if (length == 0)
        return refuse(s, at, at < end, "after a `$` is not what goose can fill in; write `\\$` for a dollar");
    *ret_after = at + length;
    if (!look_up(s, at, length, &value))
        return false;
    mtnt__buffer_add_text(s->target, value ? value : "");
    return true;
}

static bool expand(substitution *s, const char *at, const char *end, int depth)
{
    if (depth > DEEPEST)
        return refuse(s, at, (size_t)(end - at), "is too deep");
    while (at < end) {
        bool two = at + 1 < end;

        if (two && at[0] == '\\' && at[1] == '\\') {
            mtnt__buffer_add(s->target, at, 2);
            at += 2;
        } else if (two && (at[0] == '\\' || at[0] == '$') && at[1] == '$') {
            mtnt__buffer_add(s->target, "$", 1);
            at += 2;
        } else if (two && at[0] == '$' && at[1] != '(') {
            if (!expand_name(s, at + 1, end, depth, &at))
                return false;
        } else {
            mtnt__buffer_add(s->target, at++, 1);
        }
    }
    return true;
}

bool mtnt__substitute_env(mtnt__buffer *target, const char *text, size_t length, const char *const *allowed,
                          char ret_name[80], const char **ret_why)
{
    substitution s = {target, allowed, ret_name, NULL};
    bool done = expand(&s, text, text + length, 0);

    if (!done)
        *ret_why = s.why;
    return done;
}

bool mtnt__substitute_placeholders(mtnt__buffer *target, const char *text,
                                   const char *(*value)(const void *data, const char *name, size_t length),
                                   const void *data, char ret_name[80], size_t *ret_at)
{
    const char *at = text, *begin;
    char name[80];

    while ((begin = strstr(at, "${"))) {
        const char *end = strchr(begin, '}'), *found;
        size_t length = end ? (size_t)(end - begin) - 2 : 0;

        if (!end)
            break;
        mtnt__buffer_add(target, at, (size_t)(begin - at));
        found = value(data, begin + 2, length);
        if (!found) {
            *ret_at = (size_t)(begin - text);
            if (length >= sizeof(name))
                length = sizeof(name) - 1;
            memcpy(name, begin + 2, length);
            name[length] = '\0';
            mtnt__text_copy(ret_name, sizeof(name), name);
            return false;
        }
        mtnt__buffer_add_text(target, found);
        at = end + 1;
    }
    mtnt__buffer_add_text(target, at);
    return true;
}
