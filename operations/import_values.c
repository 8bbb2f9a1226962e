/* Values of a description as parameters. */
#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "import.h"

void mtnt__import_append_name(mtnt__operations_text *sql, const char *name)
{
    const char *quote;

    mtnt__operations_append(sql, "\"");
    while ((quote = strchr(name, '"')) != NULL) {
        mtnt__operations_append(sql, "%.*s\"\"", (int)(quote - name), name);
        name = quote + 1;
    }
    mtnt__operations_append(sql, "%s\"", name);
}

void mtnt__import_append_table(mtnt__operations_text *sql, const mtnt_db *db, bool on_controller, const char *table)
{
    if (mtnt_db_backend(db) == MTNT_SQLITE)
        mtnt__operations_append(sql, on_controller ? "controller." : "model.");
    mtnt__import_append_name(sql, table);
}

/* ---- numbers ---- */

/* A decimal number without what says nothing: "-120.50" is -, 1205, -1. Digits that are more than the room are a reason to call it another. */
typedef struct decimal {
    bool negative;
    char digits[400];
    long exponent;
} decimal;

static bool read_decimal(const char *text, decimal *ret_decimal)
{
    size_t count = 0, lead;
    bool fraction = false;
    decimal d = {.negative = *text == '-'};

    text += d.negative;
    for (; *text != '\0' && *text != 'e' && *text != 'E'; text++) {
        if (*text == '.') {
            fraction = true;
            continue;
        }
        if (count + 1 == sizeof d.digits)
            return false;
        d.digits[count++] = *text;
        d.exponent -= fraction;
    }
    if (*text != '\0') {
        errno = 0;
        d.exponent += strtol(text + 1, NULL, 10);
        if (errno != 0)
            return false;
    }
    while (count > 0 && d.digits[count - 1] == '0') {
        d.digits[--count] = '\0';
        d.exponent++;
    }
    lead = strspn(d.digits, "0");
    memmove(d.digits, d.digits + lead, count + 1 - lead);
    if (d.digits[0] == '\0')
        d.exponent = 0;
    *ret_decimal = d;
    return true;
}

/* Whether the double stands for that very number, as far as its own digits go. */
static bool same_number(const char *text, double value)
{
    decimal said, got;
    char shown[40];
    int digits;

    if (!read_decimal(text, &said))
        return false;
    for (digits = 15; digits <= 17; digits++) {
        char *point;

        snprintf(shown, sizeof shown, "%.*e", digits - 1, value);
        point = strpbrk(shown, ","); /* of another locale */
        if (point != NULL)
            *point = '.';
        if (read_decimal(shown, &got) && strcmp(said.digits, got.digits) == 0 && said.exponent == got.exponent &&
            (said.negative == got.negative || said.digits[0] == '\0'))
            return true;
    }
    return false;
}

/* '.' is the decimal point whatever the locale. */
static bool read_real(const char *text, double *ret_real)
{
    locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    char *end = NULL;

    if (plain == (locale_t)0)
        return false;
    *ret_real = strtod_l(text, &end, plain);
    freelocale(plain);
    return *end == '\0';
}

static int refuse(const mtnt_described_value *value, mtnt_error *err, const char *why)
{
    mtnt_error_set(err, MTNT_E_CONFIG, "the number %.60s %s", value->bytes, why);
    mtnt_error_at(err, NULL, value->line, value->column);
    return MTNT_E_CONFIG;
}

static int sqlite_number(const mtnt_described_value *value, mtnt_value *ret_value, mtnt_error *err)
{
    const char *text = value->bytes;
    size_t length = strlen(text);
    bool whole = strspn(text, "-0123456789") == length;
    double real = 0;
    char *end;

    if (strcmp(text, "NaN") == 0)
        return refuse(value, err, "cannot be held by SQLite, which makes null of it");
    if (whole && length < 24) {
        errno = 0;
        *ret_value = mtnt_value_int(strtoll(text, &end, 10));
        if (errno == 0)
            return 0;
    }
    if (strcmp(text, "Infinity") == 0 || strcmp(text, "-Infinity") == 0) {
        *ret_value = mtnt_value_real(text[0] == '-' ? -__builtin_inf() : __builtin_inf());
        return 0;
    }
    if (whole || !read_real(text, &real) || !same_number(text, real))
        return refuse(value, err, "has more digits than SQLite keeps: in quotes, a column of type TEXT holds it");
    *ret_value = mtnt_value_real(real);
    return 0;
}

int mtnt__import_value(const mtnt_described_value *value, mtnt_backend backend, mtnt_value *ret_value, mtnt_error *err)
{
    switch (value->type) {
    case MTNT_DESCRIBED_NULL: *ret_value = mtnt_value_null(); return 0;
    case MTNT_DESCRIBED_BLOB: *ret_value = mtnt_value_blob(value->bytes, value->length); return 0;
    case MTNT_DESCRIBED_BOOL:
        if (backend == MTNT_SQLITE) {
            *ret_value = mtnt_value_int(value->bytes[0] == 't');
            return 0;
        }
        break;
    case MTNT_DESCRIBED_NUMBER:
        if (backend == MTNT_SQLITE)
            return sqlite_number(value, ret_value, err);
        break;
    case MTNT_DESCRIBED_TEXT: break;
    }
    /* PostgreSQL infers the type from where the value stands. */
    *ret_value = mtnt_value_text(value->bytes);
    return 0;
}
