#include "coordinate/templates.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"

int mtnt__templates_init(mtnt__templates *templates, mtnt_error *err)
{
    *templates = (mtnt__templates){.list = NULL};
    return pthread_mutex_init(&templates->mutex, NULL) == 0 ? 0
                                                            : mtnt_error_set(err, MTNT_E_NOMEM, "no mutex to be had");
}

void mtnt__templates_release(mtnt__templates *templates)
{
    for (mtnt__template *template = templates->list, *next; template != NULL; template = next) {
        next = template->next;
        free(template->place);
        free(template);
    }
    pthread_mutex_destroy(&templates->mutex);
}

static mtnt__template *new_template(const char *name, const char *place)
{
    mtnt__template *template = calloc(1, sizeof(*template));

    if (template == NULL || (template->place = strdup(place)) == NULL) {
        free(template);
        return NULL;
    }
    mtnt__text_copy(template->name, sizeof(template->name), name);
    return template;
}

int mtnt__templates_find(mtnt__templates *templates, const char *name, const char *place, mtnt__template **ret_template,
                         mtnt_error *err)
{
    mtnt__template *template;

    pthread_mutex_lock(&templates->mutex);
    template = templates->list;
    while (template != NULL && (strcmp(template->name, name) != 0 || strcmp(template->place, place) != 0))
        template = template->next;
    if (template == NULL && (template = new_template(name, place)) != NULL) {
        template->next = templates->list;
        templates->list = template;
    }
    pthread_mutex_unlock(&templates->mutex);
    *ret_template = template;
    return template == NULL ? mtnt_error_set(err, MTNT_E_NOMEM, "out of memory") : 0;
}

mtnt__template_state mtnt__template_state_of(mtnt__templates *templates, const mtnt__template *template)
{
    mtnt__template_state state;

    pthread_mutex_lock(&templates->mutex);
    state = template->state;
    pthread_mutex_unlock(&templates->mutex);
    return state;
}

bool mtnt__template_move(mtnt__templates *templates, mtnt__template *template, mtnt__template_state from,
                         mtnt__template_state to)
{
    bool moved;

    pthread_mutex_lock(&templates->mutex);
    moved = template->state == from;
    if (moved)
        template->state = to;
    pthread_mutex_unlock(&templates->mutex);
    return moved;
}

void mtnt__template_give_up(mtnt__templates *templates, mtnt__template *template, const mtnt_error *why)
{
    pthread_mutex_lock(&templates->mutex);
    template->state = MTNT__TEMPLATE_GIVEN_UP;
    if (!templates->warned) {
        templates->warned = true;
        templates->warning = *why;
    }
    pthread_mutex_unlock(&templates->mutex);
}

bool mtnt__templates_warning(mtnt__templates *templates, mtnt_error *ret_warning)
{
    bool there;

    pthread_mutex_lock(&templates->mutex);
    there = templates->warned && templates->warning.code != MTNT_OK;
    if (there)
        *ret_warning = templates->warning;
    mtnt_error_clear(&templates->warning);
    pthread_mutex_unlock(&templates->mutex);
    return there;
}
