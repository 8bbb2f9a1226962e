#include "chain/names.h"

#include <string.h>

#include "base/text.h"
#include "chain/chain.h"

/* Length of the UTF-8 character at `bytes` and its code point; 0 when it is none. */
static size_t character_at(const unsigned char *bytes, uint32_t *ret_code)
{
    static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t length = bytes[0] < 0x80       ? 1
                    : bytes[0] >> 5 == 6  ? 2
                    : bytes[0] >> 4 == 14 ? 3
                    : bytes[0] >> 3 == 30 ? 4
                                          : 0;
    uint32_t code;

    if (length == 0)
        return 0;
    code = length == 1 ? bytes[0] : bytes[0] & (0x7fu >> length);
    for (size_t i = 1; i < length; i++) {
        if (bytes[i] >> 6 != 2)
            return 0;
        code = code << 6 | (bytes[i] & 0x3f);
    }
    if (code < smallest[length] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
        return 0;
    *ret_code = code;
    return length;
}

static bool is_control(uint32_t code)
{
    return code < 0x20 || (code >= 0x7f && code < 0xa0) || code == 0x2028 || code == 0x2029;
}

void mtnt__name_shown(const char *name, char ret_text[MTNT__NAME_SHOWN_SIZE])
{
    char copy[MTNT__NAME_SHOWN_SIZE * 2];
    size_t used = 0;

    for (const unsigned char *at = (const unsigned char *)name; *at && used + 5 < sizeof(copy);) {
        uint32_t code = 0;
        size_t length = character_at(at, &code);

        if (length == 0 || is_control(code)) {
            copy[used++] = '?';
            at += length ? length : 1;
            continue;
        }
        memcpy(copy + used, at, length);
        used += length;
        at += length;
    }
    copy[used] = '\0';
    mtnt__text_copy(ret_text, MTNT__NAME_SHOWN_SIZE, copy);
}

static int refuse_character(const char *what, const char *name, uint32_t code, mtnt_error *err)
{
    char shown[MTNT__NAME_SHOWN_SIZE];

    mtnt__name_shown(name, shown);
    if (code == 0)
        return mtnt_error_set(err, MTNT_E_CONFIG, "%s `%s` is not UTF-8", what, shown);
    return mtnt_error_set(err, MTNT_E_CONFIG, "%s `%s` has a control character (U+%04X) in it", what, shown,
                          (unsigned int)code);
}

int mtnt__name_check(const char *what, const char *name, size_t maximum, mtnt_error *err)
{
    char shown[MTNT__NAME_SHOWN_SIZE];
    const unsigned char *at = (const unsigned char *)name;

    if (!name || !name[0])
        return mtnt_error_set(err, MTNT_E_CONFIG, "%s is empty", what);
    while (*at) {
        uint32_t code = 0;
        size_t step = character_at(at, &code);

        if (step == 0 || is_control(code))
            return refuse_character(what, name, code, err);
        at += step;
    }
    if ((size_t)(at - (const unsigned char *)name) <= maximum)
        return 0;
    mtnt__name_shown(name, shown);
    return mtnt_error_set(err, MTNT_E_CONFIG, "%s `%s…` has %zu bytes; at most %zu are allowed", what, shown,
                          strlen(name), maximum);
}

bool mtnt__name_is_plain(const char *name)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";

    return name && name[0] && name[strspn(name, plain)] == '\0';
}

/* ---- for the file system ---- */

#define LONGEST_NAME 150 /* with room for what is added to it */

char *mtnt__name_for_files(const char *text)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    const char *const parts[] = {text, NULL};
    char hash[MTNT__CHECKSUM_SIZE];
    mtnt__buffer name = {0};

    for (const char *c = text; *c != '\0'; c++) {
        if (strchr(plain, *c) != NULL && (c != text || *c != '.'))
            mtnt__buffer_add(&name, c, 1);
        else
            mtnt__buffer_add_format(&name, "%%%02X", (unsigned)(unsigned char)*c);
    }
    if (name.length > LONGEST_NAME && mtnt__checksum(hash, parts, NULL) == 0) {
        name.length = LONGEST_NAME;
        name.bytes[LONGEST_NAME] = '\0';
        mtnt__buffer_add_format(&name, "%%-%.32s", hash);
    }
    return mtnt__buffer_take(&name);
}
