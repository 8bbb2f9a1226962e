#include "words.h"

#include <string.h>
#include <strings.h>
#include <time.h>

#define WORD_SIZE 64

bool mtnt__words_int(const char *text, int64_t minimum, int64_t maximum, int64_t *ret_value)
{
    bool negative = *text == '-';
    const char *digit = text + negative;
    int64_t value = 0;

    if (*digit == '\0')
        return false;
    for (; *digit != '\0'; digit++) {
        if (*digit < '0' || *digit > '9')
            return false;
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, negative ? '0' - *digit : *digit - '0', &value))
            return false;
    }
    if (value < minimum || value > maximum)
        return false;
    *ret_value = value;
    return true;
}

bool mtnt__words_duration_ms(const char *text, int64_t *ret_ms)
{
    static const struct {
        const char *unit;
        int64_t ms;
    } units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}};
    size_t digits = strspn(text, "0123456789");
    char number[24];
    int64_t value, ms;

    if (strcmp(text, "0") == 0) {
        *ret_ms = 0;
        return true;
    }
    if (digits == 0 || digits >= sizeof number)
        return false;
    memcpy(number, text, digits);
    number[digits] = '\0';
    if (!mtnt__words_int(number, 0, INT64_MAX, &value))
        return false;
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
        if (strcmp(text + digits, units[i].unit) == 0) {
            if (__builtin_mul_overflow(value, units[i].ms, &ms))
                return false;
            *ret_ms = ms;
            return true;
        }
    return false;
}

/* Insertions, deletions, replacements and swapped neighbours; both at most WORD_SIZE - 1 long. */
static size_t distance(const char *a, const char *b)
{
    size_t rows[3][WORD_SIZE];
    size_t a_length = strlen(a), b_length = strlen(b);

    for (size_t j = 0; j <= b_length; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= a_length; i++) {
        size_t *row = rows[i % 3], *above = rows[(i - 1) % 3], *before = rows[(i + 1) % 3];

        row[0] = i;
        for (size_t j = 1; j <= b_length; j++) {
            size_t best = above[j - 1] + (a[i - 1] != b[j - 1]);

            if (above[j] + 1 < best)
                best = above[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && before[j - 2] + 1 < best)
                best = before[j - 2] + 1;
            row[j] = best;
        }
    }
    return rows[a_length % 3][b_length];
}

const char *mtnt__words_nearest(const char *word, const char *const *names)
{
    size_t length = strlen(word);
    size_t best_distance = length < 4 ? 2 : length < 8 ? 3 : 4; /* one less is allowed */
    const char *best = NULL;

    if (length == 0 || length >= WORD_SIZE)
        return NULL;
    for (; *names != NULL; names++) {
        size_t d;

        if (strlen(*names) >= WORD_SIZE)
            continue;
        d = distance(word, *names);
        if (d < best_distance && (d < length || d < strlen(*names))) {
            best_distance = d;
            best = *names;
        }
    }
    return best;
}

/* libpq decodes %70assword too, so a key with a percent sign in it counts as one. */
static bool is_secret_key(const char *key, size_t length)
{
    static const char secret[] = "password";
    size_t tail = sizeof secret - 1;

    return memchr(key, '%', length) != NULL || (length >= tail && strncasecmp(key + length - tail, secret, tail) == 0);
}

bool mtnt__words_has_password(const char *dsn)
{
    const char *scheme = strstr(dsn, "://");
    const char *authority, *end, *at, *key;

    if (scheme == NULL)
        return strncmp(dsn, "sqlite:", 7) != 0 && strcasestr(dsn, "password") != NULL;
    authority = scheme + 3;
    end = authority + strcspn(authority, "/?#");
    at = memchr(authority, '@', (size_t)(end - authority));
    if (at != NULL && memchr(authority, ':', (size_t)(at - authority)) != NULL)
        return true;
    key = strchr(authority, '?');
    while (key != NULL && *key != '\0') {
        size_t length = strcspn(++key, "=&");

        if (is_secret_key(key, length))
            return true;
        key = strchr(key, '&');
    }
    return false;
}

/* Marks that change the direction of the text around them, and the two separators that end a line. */
static bool reorders(uint32_t c)
{
    return (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) || c == 0x200e || c == 0x200f || c == 0x061c;
}

static int width_of(uint32_t c)
{
    static const struct {
        uint32_t first, last;
        int width;
    } ranges[] = {
        {0x0300, 0x036f, 0}, {0x200b, 0x200d, 0},   {0x20d0, 0x20ff, 0},   {0xfe00, 0xfe0f, 0},   {0xfe20, 0xfe2f, 0},
        {0x1100, 0x115f, 2}, {0x2e80, 0x303e, 2},   {0x3041, 0x33ff, 2},   {0x3400, 0x4dbf, 2},   {0x4e00, 0x9fff, 2},
        {0xa000, 0xa4cf, 2}, {0xac00, 0xd7a3, 2},   {0xf900, 0xfaff, 2},   {0xfe30, 0xfe6f, 2},   {0xff00, 0xff60, 2},
        {0xffe0, 0xffe6, 2}, {0x1f300, 0x1f64f, 2}, {0x1f900, 0x1f9ff, 2}, {0x20000, 0x3fffd, 2},
    };

    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++)
        if (c >= ranges[i].first && c <= ranges[i].last)
            return ranges[i].width;
    return 1;
}

/* One character of UTF-8: its length, or 0 when there is none (also for overlong forms and surrogates). */
static size_t decode(const char *text, uint32_t *ret_c)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    unsigned char first = (unsigned char)text[0];
    size_t length = first < 0x80             ? 1
                    : (first & 0xe0) == 0xc0 ? 2
                    : (first & 0xf0) == 0xe0 ? 3
                    : (first & 0xf8) == 0xf0 ? 4
                                             : 0;
    uint32_t c;

    if (length <= 1) {
        *ret_c = first;
        return length;
    }
    c = first & (0xffu >> (length + 1));
    for (size_t i = 1; i < length; i++) {
        unsigned char next = (unsigned char)text[i];

        if ((next & 0xc0) != 0x80)
            return 0;
        c = (c << 6) | (next & 0x3fu);
    }
    if (c < least[length] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
        return 0;
    *ret_c = c;
    return length;
}

size_t mtnt__words_glyph(const char *text, int *ret_width)
{
    uint32_t c = 0;
    size_t length = decode(text, &c);

    if (length == 0 || c < 0x20 || (c >= 0x7f && c < 0xa0) || reorders(c))
        return 0;
    *ret_width = width_of(c);
    return length;
}

/* The escape for what stands at text[0], and how many bytes of text it replaces. */
static size_t escape(const char *text, char ret_escape[16])
{
    uint32_t c = 0;
    size_t length = decode(text, &c);

    if (length <= 1) {
        if (text[0] == '\n' || text[0] == '\t' || text[0] == '\r')
            snprintf(ret_escape, 16, "%s", text[0] == '\n' ? "\\n" : text[0] == '\t' ? " " : "\\r");
        else
            snprintf(ret_escape, 16, "\\x%02x", (unsigned char)text[0]);
        return 1;
    }
    snprintf(ret_escape, 16, "\\u{%x}", c);
    return length;
}

void mtnt__words_put_bytes(FILE *out, const char *text, size_t length)
{
    const char *end = text + length;
    char escaped[16];

    while (text < end && *text != '\0') {
        int width;
        size_t step = mtnt__words_glyph(text, &width);

        if (step > 0) {
            fwrite(text, 1, step, out);
        } else {
            step = escape(text, escaped);
            fputs(escaped, out);
        }
        text += step;
    }
}

void mtnt__words_put(FILE *out, const char *text)
{
    mtnt__words_put_bytes(out, text, strlen(text));
}

int mtnt__words_width(const char *text, size_t length)
{
    const char *end = text + length;
    char escaped[16];
    int total = 0;

    while (text < end && *text != '\0') {
        int width = 0;
        size_t step = mtnt__words_glyph(text, &width);

        if (step == 0) {
            step = escape(text, escaped);
            width = (int)strlen(escaped);
        }
        total += width;
        text += step;
    }
    return total;
}

void mtnt__words_duration(char ret_text[MTNT__WORDS_DURATION_SIZE], int64_t ms)
{
    size_t size = MTNT__WORDS_DURATION_SIZE;
    long long s = (long long)(ms / 1000);

    if (ms < 1000)
        snprintf(ret_text, size, "%lld ms", (long long)(ms < 0 ? 0 : ms));
    else if (ms < 60000)
        snprintf(ret_text, size, "%lld.%lld s", s, (long long)(ms % 1000 / 100));
    else if (s < 3600)
        snprintf(ret_text, size, "%lld min %02lld s", s / 60, s % 60);
    else
        snprintf(ret_text, size, "%lld h %02lld min", s / 3600, s % 3600 / 60);
}

void mtnt__words_time(char ret_text[MTNT__WORDS_TIME_SIZE], int64_t wall_ms)
{
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm tm;
    char text[24] = "1970-01-01T00:00:00";

    if (gmtime_r(&seconds, &tm) != NULL)
        strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(ret_text, MTNT__WORDS_TIME_SIZE, "%s.%03dZ", text, (int)(wall_ms % 1000));
}
