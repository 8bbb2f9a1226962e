#include <openssl/err.h>
#include <openssl/evp.h>
#include <stdlib.h>
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

struct mtnt__hasher {
    EVP_MD *sha256;
    EVP_MD_CTX *context;
};

#if OPENSSL_VERSION_NUMBER < 0x30000000L /* it was not to be found then */
#define EVP_MD_fetch(context, name, properties) EVP_MD_meth_dup(EVP_sha256())
#define EVP_MD_free EVP_MD_meth_free
#endif

static int unavailable(mtnt_error *err)
{
    return mtnt_error_set(err, MTNT_E_NOMEM,
                          "SHA-256 is not to be had from libcrypto: out of memory, or a provider is missing");
}

int mtnt__hasher_new(mtnt__hasher **ret_hasher, mtnt_error *err)
{
    mtnt__hasher *hasher = calloc(1, sizeof(*hasher));

    if (!hasher)
        return unavailable(err);
    ERR_set_mark(); /* what goes wrong here stays out of the caller's error queue */
    hasher->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    hasher->context = EVP_MD_CTX_new();
    ERR_pop_to_mark();
    if (!hasher->sha256 || !hasher->context) {
        mtnt__hasher_free(hasher);
        return unavailable(err);
    }
    *ret_hasher = hasher;
    return 0;
}

void mtnt__hasher_free(mtnt__hasher *hasher)
{
    if (!hasher)
        return;
    EVP_MD_CTX_free(hasher->context);
    EVP_MD_free(hasher->sha256);
    free(hasher);
}

static bool digest_parts(mtnt__hasher *hasher, const char *const *parts, unsigned char *digest)
{
    unsigned int size = 0;

    if (EVP_DigestInit_ex(hasher->context, hasher->sha256, NULL) != 1)
        return false;
    for (size_t i = 0; parts[i]; i++) {
        if (!digest_part(hasher->context, parts[i]))
            return false;
    }
    return EVP_DigestFinal_ex(hasher->context, digest, &size) == 1 && 2 * size + 1 == MTNT__CHECKSUM_SIZE;
}

int mtnt__hasher_sum(mtnt__hasher *hasher, char ret_hex[MTNT__CHECKSUM_SIZE], const char *const *parts, mtnt_error *err)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    bool done;

    ERR_set_mark();
    done = digest_parts(hasher, parts, digest);
    ERR_pop_to_mark();
    if (!done)
        return unavailable(err);
    hex_text(digest, MTNT__CHECKSUM_SIZE / 2, ret_hex);
    return 0;
}

int mtnt__checksum(char ret_hex[MTNT__CHECKSUM_SIZE], const char *const *parts, mtnt_error *err)
{
    mtnt__hasher *hasher = NULL;
    int rc = mtnt__hasher_new(&hasher, err);

    if (rc == 0)
        rc = mtnt__hasher_sum(hasher, ret_hex, parts, err);
    mtnt__hasher_free(hasher);
    return rc;
}

int mtnt__sha1(char ret_hex[MTNT__SHA1_SIZE], const void *bytes, size_t length, mtnt_error *err)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int size = 0;
    int done;

    ERR_set_mark();
    done = EVP_Digest(bytes, length, digest, &size, EVP_sha1(), NULL);
    ERR_pop_to_mark();
    if (done != 1 || 2 * size + 1 != MTNT__SHA1_SIZE)
        return mtnt_error_set(err, MTNT_E_NOMEM,
                              "SHA-1 is not to be had from libcrypto: out of memory, or a provider is missing");
    hex_text(digest, size, ret_hex);
    return 0;
}
