/* Versions as tools for migrations write them: digits, of which some have more than fit into a number, or several of them with dots between. */
#ifndef MTNT_BASE_VERSIONS_H
#define MTNT_BASE_VERSIONS_H

#include <stddef.h>

size_t mtnt__digits(const char *text); /* how many stand there */
/* As numbers, however many digits they have; what follows the digits does not count. */
int mtnt__digits_compare(const char *a, const char *b);
/* Part by part as numbers; an absent part is zero. One without dots is a number. */
int mtnt__versions_compare(const char *a, const char *b);

#endif
