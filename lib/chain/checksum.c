#include <openssl/err.h>
#include <openssl/evp.h>
#include <string.h>

#include "chain/chain.h"

static void hex_text(const unsigned char *bytes, size_t count, char *ret_hex)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < count; i++) {
        ret_hex[2 * i] = digits[bytes[i] >> 4];
        ret_hex[2 * i + 1] = digits[bytes[i] & 15];
    }
    ret_hex[2 * count] = '\0';
}

static bool digest_part(EVP_MD_CTX *context, const char *part)
{
    size_t length = strlen(part);
    unsigned char prefix[8];

    for (size_t i = 0; i < sizeof(prefix); i++)
        prefix[i] = (unsigned char)((uint64_t)length >> (8 * (sizeof(prefix) - 1 - i)));
    return EVP_DigestUpdate(context, prefix, sizeof(prefix)) == 1 && EVP_DigestUpdate(context, part, length) == 1;
}

int mtnt__checksum(char ret_hex[MTNT__CHECKSUM_SIZE], const char *const *parts, mtnt_error *err)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int size = 0;
    EVP_MD_CTX *context;
    int rc = 0;

    ERR_set_mark(); /* what goes wrong here stays out of the caller's error queue */
    context = EVP_MD_CTX_new();
    if (!context || EVP_DigestInit_ex(context, EVP_sha256(), NULL) != 1)
        goto failed;
    for (size_t i = 0; parts[i]; i++) {
        if (!digest_part(context, parts[i]))
            goto failed;
    }
    if (EVP_DigestFinal_ex(context, digest, &size) != 1 || 2 * size + 1 != MTNT__CHECKSUM_SIZE)
        goto failed;
    hex_text(digest, size, ret_hex);
    goto out;

failed:
    rc = mtnt_error_set(err, MTNT_E_NOMEM,
                        "SHA-256 is not to be had from libcrypto: out of memory, or a provider is missing");
out:
    EVP_MD_CTX_free(context);
    ERR_pop_to_mark();
    return rc;
}
