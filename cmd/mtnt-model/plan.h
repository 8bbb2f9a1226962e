/* A plan: the selected tenants by what would be done to them, and what that would be. */
#ifndef MTNT_COMMAND_PLAN_H
#define MTNT_COMMAND_PLAN_H

#include "lint.h"
#include "plan_saved.h"
#include "rehearsal.h"
#include "work.h"

enum { MTNT__PLAN_EXAMPLES = 3 };

/* What tenants need who have the same operations applied: asked for once. */
typedef struct mtnt__plan_needs {
    char *digest;    /* of what is applied */
    size_t *indices; /* entries of the chain that are to be run, in order */
    size_t count;
    int64_t last_applied;
    char *refusal; /* why nothing would be done; NULL = it would */
} mtnt__plan_needs;

/* Tenants for which the same would be done. */
typedef struct mtnt__plan_group {
    const mtnt__plan_needs *needs;
    int64_t version;
    int backend;           /* of the models; 0 = not known */
    const char *guarantee; /* static text; NULL = not known */
    bool known;            /* the controller has met them */
    bool examined;         /* with the first of its tenants: what follows is what that one's databases say */
    mtnt_examination found;
    char *problem; /* why the guarantee does not hold; NULL = it does */
    mtnt__findings findings;
    int64_t tenants;
    char **examples; /* the first of them, with -v all; more than are shown where a sample is to be rehearsed */
    size_t example_count, example_size;
} mtnt__plan_group;

typedef struct mtnt__plan {
    mtnt__work *work;
    mtnt__plan_needs **needs;
    size_t needs_count, needs_size;
    mtnt__plan_group *groups;
    size_t group_count, group_size;
    int64_t tenants, current, to_do, refused;
    mtnt__saved_states states; /* for a plan that is to be saved */
    mtnt__rehearsal rehearsal;
    json_t *rehearsed; /* format json: the result of the run */
} mtnt__plan;

/* The operation's SQL for that side on that backend (0 = not known: all that there is). NULL = none. Borrowed. */
const char *mtnt__plan_sql(const mtnt_entry_info *info, bool on_controller, int backend);
/* What was seen knows more than what was expected. */
const char *mtnt__plan_guarantee(const mtnt__plan_group *group);
/* So many of the group's examples are to be shown. */
size_t mtnt__plan_shown(const mtnt__plan *plan, const mtnt__plan_group *group);

void mtnt__plan_put_text(const mtnt__plan *plan);
void mtnt__plan_put_json(const mtnt__plan *plan);

#endif
