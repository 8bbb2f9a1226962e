/* What a scalar of a model description means. */
#ifndef MTNT_CONFIG_DESCRIPTION_VALUE_H
#define MTNT_CONFIG_DESCRIPTION_VALUE_H

#include "config/yaml_nodes.h"
#include "mtnt/description.h"

/* *ret_value borrows from nodes and, for blobs, from `room`, to which it adds: `bytes` of a blob is set only when the room has come to rest, by the
 * caller, from `*ret_offset`. CONFIG with line and column (no file); NOMEM. */
int mtnt__description_value(const mtnt__yaml_nodes *nodes, uint32_t node, mtnt__buffer *room,
                            mtnt_described_value *ret_value, size_t *ret_offset, mtnt_error *err);

#endif
