/* A model: one tenant's database, with what is known about the tenant. */
#ifndef MTNT_MODEL_H
#define MTNT_MODEL_H

#include <stddef.h>

#include "mtnt/db.h"

MTNT_BEGIN_DECLS

/* Immutable once made; may be read from any thread. */
typedef struct mtnt_model mtnt_model;

/* What a tenant source says of a tenant. All texts are borrowed during mtnt_model_new and copied there. Zero it first. */
typedef struct mtnt_model_options {
    uint32_t version;          /* MTNT_MODEL_OPTIONS_VERSION */
    const char *id;            /* the tenant: 1 to 200 bytes of UTF-8 without control characters; required */
    const char *dsn;           /* "sqlite:PATH" (seen from the working directory) or a postgresql:// URI; required */
    const char *schema;        /* PostgreSQL: schema per tenant; NULL = the whole database is the model */
    const char *description;   /* path of the model description; NULL = none */
    const char *const *labels; /* "key=value", NULL-terminated; NULL = none */
    const char *const *vars;   /* likewise */
    const char *file;          /* where the tenant was read, for errors; NULL = unknown */
    uint32_t line;
} mtnt_model_options;
#define MTNT_MODEL_OPTIONS_VERSION 1
#define MTNT_MODEL_OPTIONS_INIT                                                 \
    {                                                                           \
        MTNT_MODEL_OPTIONS_VERSION, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 0 \
    }

/* *ret_model is the caller's, freed with mtnt_model_free. CONFIG (bad id, DSN, label) with options' file and line, NOMEM. */
MTNT_API int mtnt_model_new(mtnt_model **ret_model, const mtnt_model_options *options, mtnt_error *err);
MTNT_API void mtnt_model_free(mtnt_model *model);

/* Borrowed, valid as long as the model. */
MTNT_API const char *mtnt_model_id(const mtnt_model *model);
MTNT_API mtnt_backend mtnt_model_backend(const mtnt_model *model);
MTNT_API const char *mtnt_model_schema(const mtnt_model *model);                 /* NULL = none */
MTNT_API const char *mtnt_model_description(const mtnt_model *model);            /* NULL = none */
MTNT_API const char *mtnt_model_label(const mtnt_model *model, const char *key); /* NULL = none */
MTNT_API const char *mtnt_model_var(const mtnt_model *model, const char *key);   /* NULL = none */
/* All vars, "key=value", NULL-terminated; never NULL. */
MTNT_API const char *const *mtnt_model_vars(const mtnt_model *model);
/* The DSN as it may be shown to people: without any password. */
MTNT_API const char *mtnt_model_shown(const mtnt_model *model);

/* `tenant`, then the tenant's vars, then its labels: what :'name' means in SQL; an mtnt_variable_fn with data = the model. */
MTNT_API const char *mtnt_model_variable(void *model, const char *name);

MTNT_END_DECLS

#endif
