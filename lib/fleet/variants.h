/* Schemas of models that ought to be alike: how many have which, and which one is the others' measure. */
#ifndef MTNT_FLEET_VARIANTS_H
#define MTNT_FLEET_VARIANTS_H

#include "coordinate/inspect.h"

#define MTNT__VARIANT_EXAMPLES 100
#define MTNT__CATALOGUES_KEPT 64

typedef struct mtnt__schema_seen {
    char schema[MTNT__CHECKSUM_SIZE];
    int64_t tenants, changed, unrecorded; /* unrecorded: of the tenants, those without a record of their own */
    char *examples[MTNT__VARIANT_EXAMPLES];
    size_t example_count;
    mtnt__catalogue catalogue;
    bool kept; /* the catalogue is there */
} mtnt__schema_seen;

typedef struct mtnt__siblings {
    char key[MTNT__CHECKSUM_SIZE]; /* hash of what they have in common */
    int64_t version;
    mtnt_backend backend;
    mtnt__schema_seen *seen;
    size_t count;
} mtnt__siblings;

typedef struct mtnt__variants {
    mtnt__siblings *groups;
    size_t count, kept;
} mtnt__variants;
void mtnt__variants_release(mtnt__variants *variants);

/* Counts a model whose schema was read; takes its catalogue over where it is the first of its kind and there is room. Models with findings about who they are do not
 * count. NOMEM. */
int mtnt__variants_add(mtnt__variants *variants, mtnt__inspection *inspection, mtnt_error *err);

/* The measure of a group: what most have, those that were changed by hand not counted; *ret_undecided: as many have another. */
const mtnt__schema_seen *mtnt__siblings_measure(const mtnt__siblings *siblings, bool *ret_undecided);

#endif
