/* libmtnt: brings databases-per-tenant from one version to the next, together with what the controller says of them. */
#ifndef MTNT_H
#define MTNT_H

#include "mtnt/audit.h"
#include "mtnt/chain.h"
#include "mtnt/command.h"
#include "mtnt/controller.h"
#include "mtnt/coordinator.h"
#include "mtnt/db.h"
#include "mtnt/description.h"
#include "mtnt/discover.h"
#include "mtnt/ensure.h"
#include "mtnt/error.h"
#include "mtnt/executor.h"
#include "mtnt/export.h"
#include "mtnt/isolate.h"
#include "mtnt/lint.h"
#include "mtnt/lock.h"
#include "mtnt/model.h"
#include "mtnt/operation.h"
#include "mtnt/operations.h"
#include "mtnt/process.h"
#include "mtnt/project.h"
#include "mtnt/reporter.h"
#include "mtnt/rollout.h"
#include "mtnt/scope.h"
#include "mtnt/tenants.h"
#include "mtnt/verify.h"

#endif
