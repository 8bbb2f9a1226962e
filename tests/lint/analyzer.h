/* Included before every file that clang-tidy reads. Its analyzer sees one file at a time and cannot know what these
 * return; without that, it follows `return mtnt_error_set(err, MTNT_E_NOMEM, …)` into the caller as a success. */
#ifndef MTNT_LINT_ANALYZER_H
#define MTNT_LINT_ANALYZER_H

#include "mtnt/error.h"
#include "operations/common.h"

static inline int mtnt__analyzer_code(int returned, int code)
{
    (void)returned;
    return code;
}

static inline int mtnt__analyzer_failure(int returned)
{
    if (returned == 0)
        __builtin_unreachable();
    return returned;
}

#define mtnt_error_set(err, code, ...) mtnt__analyzer_code((mtnt_error_set)(err, code, __VA_ARGS__), code)
#define mtnt_error_setv(err, code, ...) mtnt__analyzer_code((mtnt_error_setv)(err, code, __VA_ARGS__), code)
#define mtnt_error_wrap(...) mtnt__analyzer_failure((mtnt_error_wrap)(__VA_ARGS__))
#define mtnt_error_at(...) mtnt__analyzer_failure((mtnt_error_at)(__VA_ARGS__))

#define mtnt__operations_refuse(...) mtnt__analyzer_failure((mtnt__operations_refuse)(__VA_ARGS__))
#define mtnt__operations_nomem(...) mtnt__analyzer_failure((mtnt__operations_nomem)(__VA_ARGS__))

#endif
