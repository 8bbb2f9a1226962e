#include "config/description_value.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "chain/names.h"

static int refuse(const mtnt__yaml_nodes *nodes, uint32_t node, const char *what, mtnt_error *err)
{
    char shown[MTNT__NAME_SHOWN_SIZE];

    mtnt__name_shown(mtnt__yaml_node_text(nodes, node), shown);
    mtnt_error_set(err, MTNT_E_CONFIG, "`%s` %s", shown, what);
    mtnt_error_at(err, NULL, nodes->nodes[node].line, nodes->nodes[node].column);
    return MTNT_E_CONFIG;
}

static bool is_one_of(const char *text, const char *const *words)
{
    for (; *words; words++) {
        if (strcasecmp(text, *words) == 0)
            return true;
    }
    return false;
}

static size_t digits(const char *text)
{
    return strspn(text, "0123456789");
}

/* -1, 0.50, 1e300, 1.5E-7: as JSON has them. */
static bool is_number(const char *text)
{
    size_t count;

    text += *text == '-';
    count = digits(text);
    if (count == 0 || (text[0] == '0' && count > 1))
        return false;
    text += count;
    if (*text == '.') {
        text++;
        count = digits(text);
        if (count == 0)
            return false;
        text += count;
    }
    if (*text == 'e' || *text == 'E') {
        text++;
        text += *text == '-' || *text == '+';
        count = digits(text);
        if (count == 0)
            return false;
        text += count;
    }
    return *text == '\0';
}

static void set(mtnt_described_value *value, mtnt_described_type type, const char *text)
{
    value->type = type;
    value->bytes = text;
    value->length = strlen(text);
}

static int plain_value(const mtnt__yaml_nodes *nodes, uint32_t node, mtnt_described_value *value, mtnt_error *err)
{
    static const char *const words[] = {"true", "false", "yes", "no", "on", "off", "y", "n", "null", NULL};
    const char *text = mtnt__yaml_node_text(nodes, node);

    if (mtnt__yaml_node_is_null(nodes, node))
        set(value, MTNT_DESCRIBED_NULL, "");
    else if (strcmp(text, "true") == 0 || strcmp(text, "false") == 0)
        set(value, MTNT_DESCRIBED_BOOL, text);
    else if (is_number(text))
        set(value, MTNT_DESCRIBED_NUMBER, text);
    else if (strcmp(text, ".nan") == 0)
        set(value, MTNT_DESCRIBED_NUMBER, "NaN");
    else if (strcmp(text, ".inf") == 0)
        set(value, MTNT_DESCRIBED_NUMBER, "Infinity");
    else if (strcmp(text, "-.inf") == 0)
        set(value, MTNT_DESCRIBED_NUMBER, "-Infinity");
    else if (is_one_of(text, words) || !((*text >= 'a' && *text <= 'z') || (*text >= 'A' && *text <= 'Z')))
        return refuse(nodes, node, "is neither a number nor true, false or null: a text stands in quotes", err);
    else
        set(value, MTNT_DESCRIBED_TEXT, text);
    return 0;
}

/* libcrypto decodes what it can, and says how much that was; white space is passed over. */
static int decode(const char *text, size_t length, unsigned char *bytes, size_t *ret_length)
{
    EVP_ENCODE_CTX *context = EVP_ENCODE_CTX_new();
    int part = 0, rest = 0, rc;
    size_t letters = 0, got;

    if (!context)
        return MTNT_E_NOMEM;
    EVP_DecodeInit(context);
    rc = EVP_DecodeUpdate(context, bytes, &part, (const unsigned char *)text, (int)length);
    if (rc >= 0)
        rc = EVP_DecodeFinal(context, bytes + part, &rest);
    EVP_ENCODE_CTX_free(context);
    got = (size_t)part + (size_t)rest;
    for (size_t i = 0; i < length; i++)
        letters += strchr(" \n\r\t", text[i]) == NULL;
    if (rc < 0 || letters % 4 != 0 || got > letters / 4 * 3 || got + 2 < letters / 4 * 3)
        return MTNT_E_CONFIG;
    *ret_length = got;
    return 0;
}

static int blob_value(const mtnt__yaml_nodes *nodes, uint32_t node, mtnt__buffer *room, mtnt_described_value *value,
                      mtnt_error *err)
{
    const char *text = mtnt__yaml_node_text(nodes, node);
    size_t length = strlen(text);
    unsigned char *bytes = length < INT32_MAX ? malloc(length / 4 * 3 + 66) : NULL;
    int rc = bytes ? decode(text, length, bytes, &value->length) : MTNT_E_NOMEM;

    if (rc == 0) {
        value->type = MTNT_DESCRIBED_BLOB;
        mtnt__buffer_add(room, (const char *)bytes, value->length);
        mtnt__buffer_add(room, "", 1);
    }
    free(bytes);
    if (rc == MTNT_E_CONFIG)
        return refuse(nodes, node, "is marked `!!binary`, and is not base64", err);
    return rc || room->failed ? mtnt_error_set(err, MTNT_E_NOMEM, "out of memory") : 0;
}

int mtnt__description_value(const mtnt__yaml_nodes *nodes, uint32_t node, mtnt__buffer *room,
                            mtnt_described_value *ret_value, size_t *ret_offset, mtnt_error *err)
{
    const mtnt__yaml_node *said = &nodes->nodes[node];
    mtnt_described_value value = {.line = said->line, .column = said->column};
    int rc = 0;

    *ret_offset = room->length;
    if (said->binary)
        rc = blob_value(nodes, node, room, &value, err);
    else if (said->plain)
        rc = plain_value(nodes, node, &value, err);
    else
        set(&value, MTNT_DESCRIBED_TEXT, mtnt__yaml_node_text(nodes, node));
    if (rc == 0)
        *ret_value = value;
    return rc;
}
