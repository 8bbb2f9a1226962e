#include "base/versions.h"

#include <string.h>

size_t mtnt__digits(const char *text)
{
    return strspn(text, "0123456789");
}

int mtnt__digits_compare(const char *a, const char *b)
{
    size_t length_a, length_b;

    a += strspn(a, "0");
    b += strspn(b, "0");
    length_a = mtnt__digits(a);
    length_b = mtnt__digits(b);
    if (length_a != length_b)
        return length_a < length_b ? -1 : 1;
    return strncmp(a, b, length_a);
}

/* The next part of a version as a number; an absent one is zero. */
static const char *next_part(const char *version, const char **ret_part)
{
    *ret_part = version;
    version += mtnt__digits(version);
    return *version ? version + 1 : version;
}

int mtnt__versions_compare(const char *a, const char *b)
{
    int order = 0;

    while (order == 0 && (*a || *b)) {
        const char *part_a, *part_b;

        a = next_part(a, &part_a);
        b = next_part(b, &part_b);
        order = mtnt__digits_compare(part_a, part_b);
    }
    return order;
}
