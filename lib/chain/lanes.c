/* Lanes: each is a chain of its own for everything below, with its own name in the records; the whole chain owns its entries. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "chain/chain.h"
#include "chain/names.h"

#define LANE_NAME_MAXIMUM 40
#define KEY_MAXIMUM 100 /* what the models' tables have room for */
#define WORKERS_MAXIMUM 1024
#define FAST_DEADLINE_MS (INT64_C(5) * 60 * 1000)
#define FAST_OPERATION_MS (INT64_C(60) * 1000)
#define FIRST_NAME "fast"
#define SECOND_NAME "slow"

static int out_of_memory(mtnt_error *err)
{
    return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
}

/* ---- asking ---- */

const mtnt_chain *mtnt__chain_first_lane(const mtnt_chain *chain)
{
    return chain->lane_count > 0 ? chain->lanes[0] : chain;
}

static const mtnt_chain *whole_of(const mtnt_chain *chain)
{
    return chain->whole ? chain->whole : chain;
}

const char *mtnt__chain_base(const mtnt_chain *chain)
{
    return whole_of(chain)->name;
}

const char *mtnt__chain_lane_name(const mtnt_chain *chain)
{
    const mtnt_chain *lane = mtnt__chain_first_lane(chain);

    return lane->lane.name ? lane->lane.name : FIRST_NAME;
}

const mtnt_chain *mtnt__chain_lane_of(const mtnt_chain *chain, const char *operation)
{
    const mtnt_chain *whole = whole_of(chain);
    ptrdiff_t index = mtnt_chain_find(whole, operation);

    if (index < 0)
        return NULL;
    return whole->lane_count > 0 ? whole->lanes[whole->entries[index].lane] : whole;
}

const char *mtnt__chain_lane_by_key(const mtnt_chain *chain, const char *key)
{
    const mtnt_chain *whole = whole_of(chain);
    const char *slash = strchr(key, '/');

    for (size_t i = 0; i < whole->lane_count; i++)
        if (mtnt__text_equal(whole->lanes[i]->name, key))
            return whole->lanes[i]->lane.name;
    return slash ? slash + 1 : FIRST_NAME;
}

size_t mtnt_chain_lanes(const mtnt_chain *chain)
{
    return chain->lane_count > 0 ? chain->lane_count : 1;
}

bool mtnt_chain_lane_at(const mtnt_chain *chain, size_t index, mtnt_lane *ret_lane)
{
    if (index >= mtnt_chain_lanes(chain))
        return false;
    if (chain->lane_count > 0)
        *ret_lane = chain->lanes[index]->lane;
    else if (chain->whole)
        *ret_lane = chain->lane;
    else
        *ret_lane = (mtnt_lane){.version = MTNT_LANE_VERSION, .name = FIRST_NAME};
    return true;
}

const mtnt_chain *mtnt_chain_lane(const mtnt_chain *chain, const char *name)
{
    for (size_t i = 0; i < chain->lane_count; i++)
        if (mtnt__text_equal(chain->lanes[i]->lane.name, name))
            return chain->lanes[i];
    return chain->lane_count == 0 && mtnt__text_equal(mtnt__chain_lane_name(chain), name) ? chain : NULL;
}

/* ---- declaring ---- */

static int check_lane(const mtnt_lane *lane, mtnt_error *err)
{
    int rc;

    if (lane->version == 0 || lane->version > MTNT_LANE_VERSION)
        return mtnt_error_set(err, MTNT_E_INVALID, "a lane of unknown version: initialise it with MTNT_LANE_INIT");
    rc = mtnt__name_check("the name of the lane", lane->name, LANE_NAME_MAXIMUM, err);
    if (rc)
        return rc;
    if (!mtnt__name_is_plain(lane->name))
        return mtnt_error_set(err, MTNT_E_CONFIG,
                              "the name of the lane, `%s`, may consist of letters, digits, `.`, `_` and `-` only",
                              lane->name);
    if (lane->workers < 0 || lane->workers > WORKERS_MAXIMUM)
        return mtnt_error_set(err, MTNT_E_CONFIG, "lane `%s` has %d workers: it takes 1 to %d", lane->name,
                              lane->workers, WORKERS_MAXIMUM);
    return 0;
}

static int check_lanes(const mtnt_chain *chain, const mtnt_lane *lanes, size_t count, mtnt_error *err)
{
    const mtnt__chain_entry *deleter = mtnt__chain_deleter(chain);
    int rc = 0;

    if (chain->whole || count == 0)
        return mtnt_error_set(err, MTNT_E_INVALID, "lanes are declared for a whole chain, at least one");
    if (chain->lane_count > 0)
        return mtnt_error_set(err, MTNT_E_CONFIG, "the lanes of chain %s have been declared already", chain->name);
    if (deleter && count > 1)
        return mtnt_error_set(err, MTNT_E_CONFIG,
                              "operation `%s` deletes the model, and its chain has lanes: make it a chain of its own",
                              deleter->name);
    for (size_t i = 0; rc == 0 && i < count; i++) {
        rc = check_lane(&lanes[i], err);
        for (size_t j = 0; rc == 0 && j < i; j++)
            if (mtnt__text_equal(lanes[i].name, lanes[j].name))
                rc = mtnt_error_set(err, MTNT_E_CONFIG, "there are two lanes `%s`", lanes[i].name);
    }
    return rc;
}

/* The chain's own name for the first. */
static int make_key(const char *chain, const char *lane, bool first, char **ret_key, mtnt_error *err)
{
    char *key = NULL;

    if ((first ? asprintf(&key, "%s", chain) : asprintf(&key, "%s/%s", chain, lane)) < 0)
        return out_of_memory(err);
    if (strlen(key) > KEY_MAXIMUM) {
        mtnt_error_set(err, MTNT_E_CONFIG,
                       "the names of the chain and of its lane, `%s`, have %zu bytes together; at most %d are allowed",
                       key, strlen(key), KEY_MAXIMUM);
        free(key);
        return MTNT_E_CONFIG;
    }
    *ret_key = key;
    return 0;
}

static void lane_free(mtnt_chain *lane)
{
    if (!lane)
        return;
    free((void *)(uintptr_t)lane->lane.name);
    free(lane->entries);
    free(lane->name);
    free(lane);
}

static int lane_new(mtnt_chain **ret_lane, mtnt_chain *whole, const mtnt_lane *said, bool first, mtnt_error *err)
{
    mtnt_chain *lane = calloc(1, sizeof(*lane));
    int rc;

    if (!lane)
        return out_of_memory(err);
    lane->whole = whole;
    lane->lane = *said;
    lane->lane.name = strdup(said->name);
    if (said->deadline_ms == 0)
        lane->lane.deadline_ms = first ? FAST_DEADLINE_MS : -1;
    if (said->operation_timeout_ms == 0)
        lane->lane.operation_timeout_ms = first ? FAST_OPERATION_MS : -1;
    rc = lane->lane.name ? make_key(whole->name, said->name, first, &lane->name, err) : out_of_memory(err);
    for (size_t i = 0; rc == 0 && first && i < whole->count; i++) {
        rc = mtnt__entries_reserve(lane, err);
        if (rc == 0)
            mtnt__entries_insert(lane, &whole->entries[i]);
    }
    if (rc)
        lane_free(lane);
    else
        *ret_lane = lane;
    return rc;
}

int mtnt_chain_set_lanes(mtnt_chain *chain, const mtnt_lane *lanes, size_t count, mtnt_error *err)
{
    mtnt_chain **views;
    int rc = check_lanes(chain, lanes, count, err);

    if (rc)
        return rc;
    views = calloc(count, sizeof(mtnt_chain *));
    if (!views)
        return out_of_memory(err);
    for (size_t i = 0; rc == 0 && i < count; i++)
        rc = lane_new(&views[i], chain, &lanes[i], i == 0, err);
    if (rc) {
        for (size_t i = 0; i < count; i++)
            lane_free(views[i]);
        free(views);
        return rc;
    }
    chain->lanes = views;
    chain->lane_count = count;
    return 0;
}

static int declare_usual(mtnt_chain *chain, mtnt_error *err)
{
    mtnt_lane lanes[2] = {MTNT_LANE_INIT, MTNT_LANE_INIT};

    lanes[0].name = FIRST_NAME;
    lanes[1].name = SECOND_NAME;
    return mtnt_chain_set_lanes(chain, lanes, 2, err);
}

int mtnt__lanes_choose(mtnt_chain *chain, const char *name, const char *operation, size_t *ret_lane, mtnt_error *err)
{
    int rc = 0;

    if (!name || (chain->lane_count == 0 && strcmp(name, FIRST_NAME) == 0)) {
        *ret_lane = 0;
        return 0;
    }
    if (chain->lane_count == 0 && strcmp(name, SECOND_NAME) == 0)
        rc = declare_usual(chain, err);
    if (rc)
        return rc;
    for (size_t i = 0; i < chain->lane_count; i++)
        if (strcmp(chain->lanes[i]->lane.name, name) == 0) {
            *ret_lane = i;
            return 0;
        }
    return mtnt_error_set(err, MTNT_E_CONFIG,
                          "operation `%s` is in lane `%.80s`, which the chain does not have: name it under `lanes`",
                          operation, name);
}

int mtnt__lanes_rename(mtnt_chain *chain, const char *name, mtnt_error *err)
{
    char **keys = calloc(chain->lane_count + 1, sizeof(char *));
    int rc = keys ? 0 : out_of_memory(err);

    for (size_t i = 0; rc == 0 && i < chain->lane_count; i++)
        rc = make_key(name, chain->lanes[i]->lane.name, i == 0, &keys[i], err);
    for (size_t i = 0; keys && i < chain->lane_count; i++) {
        if (rc == 0) {
            free(chain->lanes[i]->name);
            chain->lanes[i]->name = keys[i];
        } else {
            free(keys[i]);
        }
    }
    free(keys);
    return rc;
}

void mtnt__lanes_free(mtnt_chain *chain)
{
    for (size_t i = 0; i < chain->lane_count; i++)
        lane_free(chain->lanes[i]);
    free(chain->lanes);
}

/* ---- environments ---- */

static bool is_in(const char *const *names, const char *name)
{
    for (; *names; names++)
        if (strcmp(*names, name) == 0)
            return true;
    return false;
}

int mtnt__chain_note_environment(mtnt_chain *chain, const char *name, mtnt_error *err)
{
    char **names = reallocarray(chain->environments, chain->environment_count + 1, sizeof(*names)), *copy;

    if (!names)
        return out_of_memory(err);
    chain->environments = names;
    copy = strdup(name);
    if (!copy)
        return out_of_memory(err);
    chain->environments[chain->environment_count++] = copy;
    return 0;
}

static int find_environment(const mtnt_chain *chain, const char *name, mtnt_error *err)
{
    for (size_t i = 0; i < chain->environment_count; i++)
        if (strcmp(chain->environments[i], name) == 0)
            return 0;
    for (size_t i = 0; i < chain->count; i++)
        if (mtnt__text_equal(chain->entries[i].environment, name))
            return 0;
    return mtnt_error_set(err, MTNT_E_NOT_FOUND, "the chain %s has no environment `%s`", chain->name, name);
}

static void switch_off(mtnt_chain *chain, const char *const *names)
{
    for (size_t i = 0; i < chain->count; i++)
        if (chain->entries[i].environment && !is_in(names, chain->entries[i].environment))
            chain->entries[i].disabled = true;
}

int mtnt_chain_select_environments(mtnt_chain *chain, const char *const *names, mtnt_error *err)
{
    for (size_t i = 0; names[i]; i++) {
        int rc = find_environment(chain, names[i], err);

        if (rc)
            return rc;
    }
    switch_off(chain, names);
    for (size_t i = 0; i < chain->lane_count; i++)
        switch_off(chain->lanes[i], names);
    return 0;
}
