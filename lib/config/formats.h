/* The formats of the files that users write, as tables: for their loaders, and for what keeps the JSON
 * Schemas in step. */
#ifndef MTNT_CONFIG_FORMATS_H
#define MTNT_CONFIG_FORMATS_H

#include "config/yaml.h"

extern const mtnt__yaml_format mtnt__project_format;
extern const mtnt__yaml_format mtnt__tenants_format;
extern const mtnt__yaml_format mtnt__chain_format;
extern const mtnt__yaml_format mtnt__description_format;

#endif
