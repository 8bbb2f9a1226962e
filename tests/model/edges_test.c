/* The models' moves of a migration's state against the table that the code goes by: neither may have one that the other lacks. */
#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "state/transitions.h"

#define STATES (MTNT__STATE_DIVERGED + 1)
#define EVENTS (MTNT__EVENT_RESOLVE_ABORT + 1)
#define NAME "%31[a-z_]"

/* What the code does and no model shows, and why. Whoever adds an edge here says what holds it instead. */
static const struct exception {
    mtnt__migration_state from;
    mtnt__migration_event event;
    const char *reason;
} not_modelled[] = {
    {MTNT__STATE_BLOCKED, MTNT__EVENT_ABORT,
     "blocked is entered after the commit has been decided, which m3 asserts; kept for rows that a person has changed"},
    {MTNT__STATE_COMPENSATING, MTNT__EVENT_COMMIT,
     "m4 has no step that only goes forward: what stands before such a step was committed by m1 and m2, and is not touched"},
    {MTNT__STATE_EXECUTING, MTNT__EVENT_DISAGREE,
     "needs somebody who writes our tables by hand: the models have nobody"},
    {MTNT__STATE_IN_DOUBT, MTNT__EVENT_DISAGREE, "likewise"},
    {MTNT__STATE_BLOCKED, MTNT__EVENT_DISAGREE, "likewise"},
};

static bool by_a_person(mtnt__migration_event event)
{
    return event == MTNT__EVENT_RETRY || event == MTNT__EVENT_RESOLVE_COMMIT || event == MTNT__EVENT_RESOLVE_ABORT;
}

/* seen[from][event] is set; `moves` counts them. */
struct moves {
    bool seen[STATES][EVENTS];
    int moves;
};

/* "lose the answer" is lose_the_answer in a model. */
static int event_of(const char *word)
{
    for (int event = 1; event < EVENTS; event++) {
        const char *name = mtnt__migration_event_name((mtnt__migration_event)event), *at = word;

        for (; *name != '\0' && *at == (isalnum((unsigned char)*name) ? *name : '_'); name++)
            at++;
        if (*name == '\0' && *at == '\0')
            return event;
    }
    return 0;
}

static mtnt__migration_state state_of(const char *word)
{
    mtnt__migration_state state = mtnt__migration_state_parse(word);

    if (state == MTNT__STATE_NONE && strcmp(word, "none") != 0)
        fail_msg("`%s` is no state of a migration", word);
    return state;
}

static void read_move(const char *file, const char *text, struct moves *moves)
{
    char from[32], event[32], to[32];
    const mtnt__transition *edge;

    if (sscanf(text, "MOVE(%*[^,], " NAME ", " NAME ", " NAME ")", from, event, to) != 3)
        fail_msg("%s: not understood: %.60s", file, text);
    edge = mtnt__transition_find(state_of(from), (mtnt__migration_event)event_of(event));
    if (edge == NULL || edge->to != state_of(to))
        fail_msg("%s moves from %s by %s to %s: lib/state/transitions.c has no such edge", file, from, event, to);
    moves->seen[edge->from][edge->event] = true;
    moves->moves++;
}

/* A state is assigned by the macros, returns to `none` (a mutation), or to what a power loss leaves of it. */
static void check_assignment(const char *file, const char *text)
{
    const char *value = text + strlen("state");

    value += strspn(value, " ");
    if (*value != '=' || value[1] == '=')
        return;
    value += 1 + strspn(value + 1, " ");
    if (strncmp(value, "none", 4) != 0 && strncmp(value, "g[", 2) != 0)
        fail_msg("%s sets a state without MOVE: %.60s", file, text);
    if (strncmp(value, "g[", 2) == 0 && strncmp(value + strcspn(value, "]"), "].state_d", 9) != 0)
        fail_msg("%s sets a state without MOVE: %.60s", file, text);
}

static bool begins_word(const char *text, const char *at)
{
    return at == text || !(isalnum((unsigned char)at[-1]) || at[-1] == '_');
}

static void read_model(const char *path, struct moves *moves)
{
    FILE *file = fopen(path, "re");
    char line[512];

    assert_non_null(file);
    while (fgets(line, sizeof(line), file) != NULL) {
        /* Comments at the top of a file speak of states too. */
        if (line[strspn(line, " ")] == '*' || strncmp(line, "#define MOVE(", 13) == 0 ||
            strncmp(line, "#define WRONG_MOVE(", 19) == 0)
            continue;
        for (const char *at = line; (at = strstr(at, "MOVE(")) != NULL; at++)
            if (begins_word(line, at))
                read_move(path, at, moves);
        for (const char *at = line; (at = strstr(at, "state")) != NULL; at++)
            if (begins_word(line, at))
                check_assignment(path, at);
    }
    assert_int_equal(fclose(file), 0);
}

static void read_models(struct moves *ret_moves)
{
    const char *top = getenv("MTNT_TEST_SOURCE_DIR");
    char folder[512], path[1024];
    struct dirent *entry;
    int files = 0;
    DIR *dir;

    assert_non_null(top);
    memset(ret_moves, 0, sizeof(*ret_moves));
    snprintf(folder, sizeof(folder), "%s/tests/model", top);
    dir = opendir(folder);
    assert_non_null(dir);
    while ((entry = readdir(dir)) != NULL) {
        const char *end = strrchr(entry->d_name, '.');

        if (end == NULL || strcmp(end, ".pml") != 0)
            continue;
        snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
        read_model(path, ret_moves);
        files++;
    }
    closedir(dir);
    assert_int_equal(files, 5);
    assert_true(ret_moves->moves > 20);
}

static void models_have_no_edge_of_their_own(void **state)
{
    struct moves moves;

    (void)state;
    read_models(&moves); /* fails at the first */
}

static const struct exception *exception_for(const mtnt__transition *edge)
{
    for (size_t i = 0; i < sizeof(not_modelled) / sizeof(*not_modelled); i++)
        if (not_modelled[i].from == edge->from && not_modelled[i].event == edge->event)
            return not_modelled + i;
    return NULL;
}

static void what_programs_do_is_modelled(void **state)
{
    struct moves moves;
    size_t count, excused = 0;
    const mtnt__transition *edges = mtnt__transitions(&count);

    (void)state;
    read_models(&moves);
    for (size_t i = 0; i < count; i++) {
        const struct exception *exception = exception_for(edges + i);
        bool seen = moves.seen[edges[i].from][edges[i].event];

        excused += exception != NULL;
        if (!seen && exception == NULL && !by_a_person(edges[i].event))
            fail_msg("no model moves from %s by `%s`: model it, or say in not_modelled why not",
                     mtnt__migration_state_name(edges[i].from), mtnt__migration_event_name(edges[i].event));
        if (seen && (exception != NULL || by_a_person(edges[i].event)))
            fail_msg("%s by `%s` is modelled, and is said not to be", mtnt__migration_state_name(edges[i].from),
                     mtnt__migration_event_name(edges[i].event));
    }
    /* Each exception is one of an edge that there is. */
    assert_int_equal(excused, sizeof(not_modelled) / sizeof(*not_modelled));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(models_have_no_edge_of_their_own),
        cmocka_unit_test(what_programs_do_is_modelled),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
