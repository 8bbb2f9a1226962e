#include "config/chain_lanes.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "chain/chain.h"

#define WORKERS_MAXIMUM 1024 /* what mtnt_executor_options takes */

const cyaml_schema_field_t mtnt__chain_lane_table[] = {
    MTNT__YAML_TEXT_FIELD("name", MTNT__YAML_REQUIRED, mtnt__chain_lane_said, name, 1),
    MTNT__YAML_TEXT_FIELD("deadline", MTNT__YAML_OPTIONAL, mtnt__chain_lane_said, deadline, 1),
    MTNT__YAML_TEXT_FIELD("operation_timeout", MTNT__YAML_OPTIONAL, mtnt__chain_lane_said, operation_timeout, 1),
    MTNT__YAML_INT_FIELD("workers", MTNT__YAML_OPTIONAL, mtnt__chain_lane_said, workers),
    MTNT__YAML_BOOL_FIELD("beside", MTNT__YAML_OPTIONAL, mtnt__chain_lane_said, beside),
    CYAML_FIELD_END,
};
const cyaml_schema_value_t mtnt__chain_lane_schema = MTNT__YAML_ENTRY(mtnt__chain_lane_said, mtnt__chain_lane_table);

/* 0, "off", becomes a negative time; one that is not said stays 0. */
static int take_time(const char *path, const char *key, const mtnt__yaml_text *said, int64_t *ret_ms, mtnt_error *err)
{
    int64_t ms = 0;

    if (!said->text)
        return 0;
    if (!mtnt__parse_duration_ms(said->text, &ms))
        return mtnt__yaml_refuse(err, path, said->at,
                                 "`%s` must be a time such as 500ms, 5s, 2m or 1h, or 0 for none, not `%.80s`", key,
                                 said->text);
    *ret_ms = ms == 0 ? -1 : ms;
    return 0;
}

static int take_lane(const char *path, const mtnt__chain_lane_said *said, mtnt_lane *ret_lane, mtnt_error *err)
{
    mtnt_lane lane = MTNT_LANE_INIT;
    int rc;

    lane.name = said->name.text;
    lane.beside = said->beside.value;
    if (said->workers.at.line && (said->workers.value < 1 || said->workers.value > WORKERS_MAXIMUM))
        return mtnt__yaml_refuse(err, path, said->workers.at, "`workers` must be 1 to %d, not %lld", WORKERS_MAXIMUM,
                                 (long long)said->workers.value);
    lane.workers = (int)said->workers.value;
    if ((rc = take_time(path, "deadline", &said->deadline, &lane.deadline_ms, err)) ||
        (rc = take_time(path, "operation_timeout", &said->operation_timeout, &lane.operation_timeout_ms, err)))
        return rc;
    *ret_lane = lane;
    return 0;
}

int mtnt__chain_lanes_load(mtnt_chain *chain, const char *path, const mtnt__chain_lanes *said, mtnt_error *err)
{
    mtnt_lane *lanes;
    int rc = 0;

    if (said->count == 0)
        return 0;
    lanes = calloc(said->count, sizeof(*lanes));
    if (!lanes)
        return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
    for (size_t i = 0; rc == 0 && i < said->count; i++)
        rc = take_lane(path, &said->items[i], &lanes[i], err);
    if (rc == 0 && said->items[0].beside.value)
        rc = mtnt__yaml_refuse(err, path, said->items[0].beside.at,
                               "lane `%.80s` is the first: there is none before it that it could be beside",
                               said->items[0].name.text);
    if (rc == 0 && (rc = mtnt_chain_set_lanes(chain, lanes, said->count, err)) == MTNT_E_CONFIG)
        mtnt_error_at(err, path, said->at.line, said->at.column);
    free(lanes);
    return rc;
}

int mtnt__chain_lanes_check(const mtnt_chain *chain, const char *path, const char *what, const mtnt__yaml_text *lane,
                            mtnt_error *err)
{
    mtnt__buffer names = {0};
    int rc;

    if (mtnt_chain_lane(chain, lane->text) || (chain->lane_count == 0 && strcmp(lane->text, "slow") == 0))
        return 0;
    for (size_t i = 0; i < chain->lane_count; i++)
        mtnt__buffer_add_format(&names, "%s`%s`", i > 0 ? ", " : "", chain->lanes[i]->lane.name);
    rc = chain->lane_count > 0
             ? mtnt__yaml_refuse(err, path, lane->at, "%s: there is no lane `%.80s` under `lanes`: there are %s", what,
                                 lane->text, mtnt__buffer_text(&names))
             : mtnt__yaml_refuse(err, path, lane->at,
                                 "%s: there is no lane `%.80s`: without `lanes` there are `fast` and `slow`", what,
                                 lane->text);
    mtnt__buffer_release(&names);
    return rc;
}
