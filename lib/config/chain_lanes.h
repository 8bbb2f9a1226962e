/* The part of a chain file that says which lanes there are. */
#ifndef MTNT_CONFIG_CHAIN_LANES_H
#define MTNT_CONFIG_CHAIN_LANES_H

#include "config/yaml.h"
#include "mtnt/chain.h"

typedef struct mtnt__chain_lane_said {
    mtnt__yaml_place at;
    mtnt__yaml_text name, deadline, operation_timeout;
    mtnt__yaml_int workers;
    mtnt__yaml_bool beside;
} mtnt__chain_lane_said;

typedef MTNT__YAML_LIST(mtnt__chain_lane_said) mtnt__chain_lanes;

extern const cyaml_schema_field_t mtnt__chain_lane_table[];
extern const cyaml_schema_value_t mtnt__chain_lane_schema;

/* Declares what the file names; nothing where it names none. CONFIG with the place, NOMEM. */
int mtnt__chain_lanes_load(mtnt_chain *chain, const char *path, const mtnt__chain_lanes *said, mtnt_error *err);

/* CONFIG when the chain has no lane of that name; one without `lanes` has `fast` and `slow`. what: who asks for it, "operation `a`". */
int mtnt__chain_lanes_check(const mtnt_chain *chain, const char *path, const char *what, const mtnt__yaml_text *lane,
                            mtnt_error *err);

#endif
