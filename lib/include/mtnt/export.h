/* Visibility of public symbols. Everything that is not marked MTNT_API stays inside libmtnt. */
#ifndef MTNT_EXPORT_H
#define MTNT_EXPORT_H

#if defined(__GNUC__)
#define MTNT_API __attribute__((visibility("default")))
#define MTNT_PRINTF(format_index, first_argument) __attribute__((format(printf, format_index, first_argument)))
#else
#define MTNT_API
#define MTNT_PRINTF(format_index, first_argument)
#endif

#ifdef __cplusplus
#define MTNT_BEGIN_DECLS extern "C" {
#define MTNT_END_DECLS }
#else
#define MTNT_BEGIN_DECLS
#define MTNT_END_DECLS
#endif

/* Version of the interface that a plugin was compiled against; see mtnt/chain.h. */
#define MTNT_ABI_VERSION 1

#endif
