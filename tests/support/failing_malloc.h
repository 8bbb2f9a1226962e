/* Memory that runs out on purpose, in this process and all its libraries. Linking failing_malloc.c replaces malloc and its
 * family (glibc allows that). Under a sanitizer, which has an allocator of its own, nothing fails: MALLOC_CAN_FAIL is 0. */
#ifndef MTNT_TESTS_FAILING_MALLOC_H
#define MTNT_TESTS_FAILING_MALLOC_H

#include <stdbool.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define MALLOC_CAN_FAIL 0
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define MALLOC_CAN_FAIL 0
#endif
#ifndef MALLOC_CAN_FAIL
#define MALLOC_CAN_FAIL 1
#endif

/* The n-th allocation of the calling thread from now on fails, and no other; 0 = none. */
void malloc_fail_at(long n);
/* Whether that has happened. */
bool malloc_has_failed(void);
/* Allocations of the whole process that have not been freed. */
long malloc_live(void);

#endif
