/* The selected tenants as the controller knows them. */
#ifndef MTNT_COMMAND_SURVEY_H
#define MTNT_COMMAND_SURVEY_H

#include "work.h"

/* Called for each; may query the controller. model: NULL where no tenants are named and the controller's own
 * list is shown. info->state is never NULL. Not 0 ends the survey with this exit code. */
typedef int (*mtnt__survey_fn)(void *data, const mtnt_tenant_info *info, const mtnt_model *model);

/* Loads the chain, opens the controller to be read and looks every selected tenant up. Without a tenants
 * file: all that the controller knows, less --exclude. 0 or an exit code after a message. */
int mtnt__survey(mtnt__work *work, mtnt__survey_fn each, void *data);

/* The same in two steps, for a controller that is open already. */
int mtnt__survey_prepare(mtnt__work *work);
int mtnt__survey_tenants(mtnt__work *work, mtnt__survey_fn each, void *data);

/* Operations of one tenant; without a controller those of the chain, never met. 0 or an exit code. */
int mtnt__survey_operations(mtnt__work *work, const char *tenant, mtnt_operation_info_fn each, void *data);

/* Each tenant is one of four: interrupted, else failed, else current, else pending. */
bool mtnt__survey_is_interrupted(const mtnt_tenant_info *info);
bool mtnt__survey_is_failed(const mtnt_tenant_info *info);

#endif
