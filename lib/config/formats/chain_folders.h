/* `migrations:` of a chain file. */
#ifndef MTNT_CONFIG_FORMATS_CHAIN_FOLDERS_H
#define MTNT_CONFIG_FORMATS_CHAIN_FOLDERS_H

#include "config/yaml.h"
#include "mtnt/chain.h"

typedef struct mtnt__chain_folder {
    mtnt__yaml_place at;
    mtnt__yaml_text dir, format, environment, lane, table;
    mtnt__yaml_int order;
    mtnt__yaml_texts env, placeholders;
    mtnt__yaml_bool placeholder_replacement, mixed, verify, keep_in_step;
} mtnt__chain_folder;

extern const cyaml_schema_value_t mtnt__chain_folder_schema;

/* Merges the folders into the chain, whose file is `path` in `folder` (absolute). Folders of one format, our own aside, are one history, put in
 * order as their tool does it, unless one says its `order`. A folder that is not there is warned of. CONFIG, IO, NOMEM. */
int mtnt__chain_folders_load(mtnt_chain *chain, const char *path, const char *folder, const mtnt__chain_folder *folders,
                             size_t count, mtnt_error *err);

#endif
