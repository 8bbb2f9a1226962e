/* Writes lib/state/STATES.md, all of it from the tables in lib/state/transitions.c, to standard output. */
#include <stdio.h>

#include "state/transitions.h"

/* What neither a table nor a transition says: what a state asks of the person on call. */
static const char *to_do(mtnt__migration_state state)
{
    if (state == MTNT__STATE_NONE)
        return "not claimed yet";
    if (mtnt__migration_state_ended(state))
        return "an end";
    if (mtnt__migration_state_waits_for_a_person(state))
        return "waits for a person: `mtnt-model resolve`";
    return "the next `migrate` of the tenant goes on with it, or `recover`";
}

static const char *node(mtnt__migration_state state)
{
    return state == MTNT__STATE_NONE ? "[*]" : mtnt__migration_state_name(state);
}

/* mermaid ends a label at a second colon. */
static void put_label(const char *text)
{
    for (; *text != '\0'; text++)
        putchar(*text == ':' ? ',' : *text);
    putchar('\n');
}

static void put_migrations(void)
{
    size_t count;
    const mtnt__transition *edges = mtnt__transitions(&count);

    puts("## A migration\n");
    puts("| state | |\n|---|---|");
    for (mtnt__migration_state state = MTNT__STATE_EXECUTING; state <= MTNT__STATE_DIVERGED; state++)
        printf("| `%s` | %s |\n", mtnt__migration_state_name(state), to_do(state));
    puts("\n```mermaid\nstateDiagram-v2");
    for (size_t i = 0; i < count; i++) {
        printf("    %s --> %s: ", node(edges[i].from), node(edges[i].to));
        put_label(mtnt__migration_event_name(edges[i].event));
    }
    for (mtnt__migration_state state = MTNT__STATE_EXECUTING; state <= MTNT__STATE_DIVERGED; state++)
        if (mtnt__migration_state_ended(state))
            printf("    %s --> [*]\n", node(state));
    puts("```\n");
    puts("| from | event | to | what it means |\n|---|---|---|---|");
    for (size_t i = 0; i < count; i++)
        printf("| %s | %s | `%s` | %s |\n",
               edges[i].from == MTNT__STATE_NONE ? "" : mtnt__migration_state_name(edges[i].from),
               mtnt__migration_event_name(edges[i].event), mtnt__migration_state_name(edges[i].to),
               edges[i].operator_text);
    puts("\nAn event that has no edge from a state changes nothing there.\n");
}

static void put_operations(void)
{
    size_t count;
    const mtnt__status_transition *edges = mtnt__status_transitions(&count);

    puts("## An operation, for one tenant\n");
    puts("```mermaid\nstateDiagram-v2");
    for (size_t i = 0; i < count; i++)
        printf("    %s --> %s: %s\n", edges[i].from == MTNT_STATUS_NONE ? "[*]" : mtnt_status_name(edges[i].from),
               mtnt_status_name(edges[i].to), edges[i].event);
    puts("```\n");
    puts("| from | event | to | what it means |\n|---|---|---|---|");
    for (size_t i = 0; i < count; i++)
        printf("| %s | %s | `%s` | %s |\n", mtnt_status_name(edges[i].from), edges[i].event,
               mtnt_status_name(edges[i].to), edges[i].operator_text);
}

int main(void)
{
    puts("# States\n");
    puts(
        "Made of the tables in `transitions.c` by `cmake --build build/dev --target states`; a test fails where the two differ.\n");
    put_migrations();
    put_operations();
    return fflush(stdout) == 0 ? 0 : 1;
}
