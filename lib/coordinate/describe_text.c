#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "coordinate/describe.h"

#define MUCH 65536

/* The character at `text`, and how long it is; 0 = it is no UTF-8. */
static size_t character_at(const unsigned char *text, size_t left, uint32_t *ret_character)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t length = text[0] < 0x80    ? 1
                    : text[0] >= 0xf8 ? 0
                    : text[0] >= 0xf0 ? 4
                    : text[0] >= 0xe0 ? 3
                    : text[0] >= 0xc0 ? 2
                                      : 0;
    uint32_t character = length == 1 ? text[0] : text[0] & (0xffu >> (length + 1));

    if (length == 0 || length > left)
        return 0;
    for (size_t i = 1; i < length; i++) {
        if ((text[i] & 0xc0) != 0x80)
            return 0;
        character = character << 6 | (text[i] & 0x3f);
    }
    if (character < least[length] || character > 0x10ffff || (character >= 0xd800 && character < 0xe000))
        return 0;
    *ret_character = character;
    return length;
}

/* What YAML takes inside of double quotes as it is, and everybody reads. */
static bool is_shown(uint32_t character)
{
    if (character < 0xa0)
        return character >= 0x20 && character < 0x7f && character != '"' && character != '\\';
    return character != 0x2028 && character != 0x2029 && character != 0xfeff && (character & 0xfffe) != 0xfffe;
}

static void add_escape(mtnt__buffer *text, uint32_t character)
{
    switch (character) {
    case '"': mtnt__buffer_add_text(text, "\\\""); return;
    case '\\': mtnt__buffer_add_text(text, "\\\\"); return;
    case '\n': mtnt__buffer_add_text(text, "\\n"); return;
    case '\r': mtnt__buffer_add_text(text, "\\r"); return;
    case '\t': mtnt__buffer_add_text(text, "\\t"); return;
    default: break;
    }
    if (character < 0x100)
        mtnt__buffer_add_format(text, "\\x%02X", character);
    else if (character < 0x10000)
        mtnt__buffer_add_format(text, "\\u%04X", character);
    else
        mtnt__buffer_add_format(text, "\\U%08X", character);
}

int mtnt__describe_text(mtnt__describer *describer, const char *text, size_t length, mtnt_error *err)
{
    const unsigned char *bytes = (const unsigned char *)text;
    size_t from = 0, at = 0;

    mtnt__buffer_add_text(&describer->text, "\"");
    while (at < length) {
        uint32_t character = 0;
        size_t size = character_at(bytes + at, length - at, &character);

        if (size == 0)
            return mtnt_error_set(err, MTNT_E_REFUSED, "it is no UTF-8, which a description is");
        if (character == 0)
            return mtnt_error_set(err, MTNT_E_REFUSED, "it has the character `\\0` in it, which a description cannot");
        if (!is_shown(character)) {
            mtnt__buffer_add(&describer->text, text + from, at - from);
            add_escape(&describer->text, character);
            from = at + size;
        }
        at += size;
    }
    mtnt__buffer_add(&describer->text, text + from, at - from);
    mtnt__buffer_add_text(&describer->text, "\"");
    return 0;
}

int mtnt__describe_blob(mtnt__describer *describer, const void *bytes, size_t length, mtnt_error *err)
{
    enum { PIECE = 3 * 1024 };
    unsigned char coded[PIECE / 3 * 4 + 1];
    const unsigned char *from = bytes;

    mtnt__buffer_add_text(&describer->text, "!!binary \"");
    for (size_t at = 0; at < length; at += PIECE) {
        int count = EVP_EncodeBlock(coded, from + at, length - at < PIECE ? (int)(length - at) : PIECE);

        mtnt__buffer_add(&describer->text, (const char *)coded, (size_t)count);
    }
    mtnt__buffer_add_text(&describer->text, "\"");
    return mtnt__describe_flush(describer, false, err);
}

void mtnt__describe_real(mtnt__describer *describer, double value)
{
    char text[MTNT__REAL_SIZE];

    if (value != value) {
        mtnt__buffer_add_text(&describer->text, ".nan");
    } else if (value > 1.7976931348623157e308 || value < -1.7976931348623157e308) {
        mtnt__buffer_add_text(&describer->text, value > 0 ? ".inf" : "-.inf");
    } else {
        mtnt__format_real_short(value, text);
        mtnt__buffer_add_text(&describer->text, text);
        if (strspn(text, "-0123456789") == strlen(text))
            mtnt__buffer_add_text(&describer->text, ".0");
    }
}

void mtnt__describe_number(mtnt__describer *describer, const char *text, bool fixed)
{
    size_t length = strlen(text);

    if (strcmp(text, "NaN") == 0)
        text = ".nan";
    else if (strcmp(text, "Infinity") == 0)
        text = ".inf";
    else if (strcmp(text, "-Infinity") == 0)
        text = "-.inf";
    else if (fixed && strchr(text, '.')) {
        while (text[length - 1] == '0')
            length--;
        length -= text[length - 1] == '.';
        mtnt__buffer_add(&describer->text, text, length);
        return;
    }
    mtnt__buffer_add_text(&describer->text, text);
}

int mtnt__describe_flush(mtnt__describer *describer, bool all, mtnt_error *err)
{
    mtnt__buffer *text = &describer->text;
    int rc;

    if (text->failed)
        return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
    if (text->length == 0 || (!all && text->length < MUCH))
        return 0;
    rc = describer->sink(describer->data, text->bytes, text->length, err);
    mtnt__buffer_clear(text);
    return rc;
}
