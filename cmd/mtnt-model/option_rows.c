#include "option_rows.h"

#include <stddef.h>

#define SETTING(field) .setting = offsetof(mtnt__settings, field)
#define PROJECT(field) .project = offsetof(mtnt_project, field)
#define KIND(kind_) .kind = MTNT__OPTION_##kind_
#define TAKES(what) .takes = MTNT__TAKES_##what
#define NO_LIMIT_MS (INT64_MAX / 1000000)
#define YEAR_MS (INT64_C(365) * 24 * 60 * 60 * 1000)
#define ANY_DURATION KIND(DURATION), .value = "TIME", .least = 0, .most = NO_LIMIT_MS
#define SOME_DURATION KIND(DURATION), .value = "TIME", .least = 1, .most = NO_LIMIT_MS

static const char *const modes[] = {"auto", "saga", NULL};
static const char *const atomicities[] = {"chain", "operation", NULL};
static const char *const on_failures[] = {"rollback", "keep", NULL};
static const char *const on_errors[] = {"continue", "stop", NULL};
static const char *const fingerprints[] = {"auto", "always", "never", NULL};
static const char *const words[] = {"committed", "aborted", "retry", NULL};
static const char *const formats[] = {"text", "json", "jsonl", NULL};

/* clang-format off */
const mtnt__option_row mtnt__option_rows[] = {
    {.name = "config", KIND(TEXT), .value = "FILE", SETTING(config), TAKES(FILES),
     .help = "project file (default: ./mtnt.yaml when it is there)"},
    {.name = "controller", KIND(TEXT), .value = "DSN", SETTING(controller), PROJECT(controller),
     TAKES(CONTROLLER),
     .help = "sqlite:PATH or postgresql://HOST/DATABASE, without a password"},
    {.name = "chain", KIND(TEXT), .value = "FILE", SETTING(chain), PROJECT(chain), TAKES(FILES),
     .help = "chain of operations, in YAML"},
    {.name = "plugin", KIND(TEXT), .value = "FILE", SETTING(plugin), PROJECT(plugin), TAKES(FILES),
     .help = "shared object with operations in C"},

    {.name = "environment", KIND(LIST), .value = "NAME", SETTING(environments), TAKES(FILES),
     .help = "of the chain's environments only this one (repeatable)"},
    {.name = "lane", KIND(LIST), .value = "NAME", SETTING(lanes), TAKES(LANE),
     .help = "of the chain's lanes only this one (repeatable; default: all, in their order)"},

    {.name = "tenants", KIND(TEXT), .value = "FILE", SETTING(tenants), PROJECT(tenants), TAKES(TENANTS),
     .help = "tenants, in YAML or JSON; - reads standard input"},
    {.name = "tenant", KIND(LIST), .value = "ID", SETTING(only), TAKES(TENANTS),
     .help = "only this tenant (repeatable)"},
    {.name = "where", KIND(LIST), .value = "KEY=VALUE", SETTING(where), TAKES(TENANTS),
     .help = "only tenants with this label (repeatable: all must match)"},
    {.name = "exclude", KIND(LIST), .value = "ID", SETTING(exclude), TAKES(TENANTS),
     .help = "not this tenant (repeatable)"},

    {.name = "workers", .letter = 'j', KIND(INT), .value = "N", SETTING(workers), PROJECT(workers),
     .takes = MTNT__TAKES_RUN | MTNT__TAKES_VERIFY,
     .least = 1, .most = 1024,
     .help = "tenants at the same time (default: twice the processors, at most 16)"},
    {.name = "on-error", KIND(CHOICE), .value = "continue|stop", SETTING(on_error), PROJECT(on_error),
     TAKES(RUN),
     .choices = on_errors,
     .help = "stop: start no new tenant after the first failure (default: continue)"},
    {.name = "max-failures", KIND(CHECKED), .value = "N|P%", SETTING(max_failures), PROJECT(max_failures), TAKES(RUN),
     .check = mtnt_rollout_check_max_failures,
     .help = "when more tenants than these have failed, start no new one and exit with 4; a percentage is of those "
             "that have something to do, and holds for each wave, too"},
    {.name = "canary", KIND(INT), .value = "N", SETTING(canary), PROJECT(canary), TAKES(RUN), .least = 1,
     .most = INT32_MAX,
     .help = "a first wave of so many tenants; the others start when these have succeeded"},
    {.name = "waves", KIND(CHECKED), .value = "1,10%,100%", SETTING(waves), PROJECT(waves), TAKES(RUN),
     .check = mtnt_rollout_check_waves,
     .help = "how far each wave goes; the next one starts when a wave's failures are within --max-failures (none, "
             "without it)"},
    {.name = "soak", ANY_DURATION, SETTING(soak_ms), PROJECT(soak_ms), TAKES(RUN),
     .help = "between a wave that has passed and the next one (default: 0)"},
    {.name = "retries", KIND(INT), .value = "N", SETTING(retries), PROJECT(retries), TAKES(RUN), .least = 0,
     .most = 100,
     .help = "try a tenant again that has failed by what may pass: a deadlock, a lost connection (default: 0)"},
    {.name = "retry-pause", SOME_DURATION, SETTING(retry_pause_ms), PROJECT(retry_pause_ms), TAKES(RUN),
     .help = "before the first retry; doubled each time up to 1m, with jitter (default: 1s)"},
    {.name = "controller-wait", ANY_DURATION, SETTING(controller_wait_ms), PROJECT(controller_wait_ms), TAKES(RUN),
     .zero = -1,
     .help = "how long a run waits for a PostgreSQL controller that is restarted or failed over (default: 1m; 0: not at "
             "all)"},
    {.name = "per-server", KIND(INT), .value = "N", SETTING(per_server), PROJECT(per_server), TAKES(RUN), .least = 1,
     .most = 1024,
     .help = "tenants at the same time on each PostgreSQL server (host and port), those of other processes with this "
             "controller and a limit included"},
    {.name = "connections", KIND(INT), .value = "N", SETTING(connections), PROJECT(connections), TAKES(RUN), .least = 2,
     .most = INT32_MAX,
     .help = "PostgreSQL connections of this process at most; fewer workers where these are not enough for all"},
    {.name = "isolate", KIND(FLAG), SETTING(isolate), PROJECT(isolate), TAKES(RUN),
     .help = "run operations in child processes, one for each worker: one that crashes costs its tenant, not the run"},
    {.name = "rate", KIND(CHECKED), .value = "N/s|m|h", SETTING(rate), PROJECT(rate), TAKES(RUN),
     .check = mtnt_rollout_check_rate,
     .help = "start no more tenants than these in a second, minute or hour"},

    {.name = "to", KIND(TEXT), .value = "NAME", SETTING(to), TAKES(TO),
     .help = "up to and with this operation; rewind: the last one that stays"},
    {.name = "steps", KIND(INT), .value = "N", SETTING(steps), TAKES(STEPS), .least = 1, .most = INT64_MAX,
     .help = "at most so many operations of each tenant"},
    {.name = "run", KIND(TEXT), .value = "ID", SETTING(run), TAKES(OF_RUN),
     .help = "rewind: only what this run has applied; join: this run (default: the newest at work)"},
    {.name = "atomicity", KIND(CHOICE), .value = "chain|operation", SETTING(atomicity), PROJECT(atomicity),
     TAKES(RUN), .choices = atomicities,
     .help = "what commits together: all pending operations of a tenant (default), or each by itself"},
    {.name = "on-failure", KIND(CHOICE), .value = "rollback|keep", SETTING(on_failure), PROJECT(on_failure),
     TAKES(RUN), .choices = on_failures,
     .help = "with --atomicity operation: take the tenant back to where it was (default), or keep what "
             "succeeded"},
    {.name = "mode", KIND(CHOICE), .value = "auto|saga", SETTING(mode), PROJECT(mode), TAKES(RUN), .choices = modes,
     .help = "saga: what writes controller and model commits one side after the other, without prepared "
             "transactions, and is taken back step by step (default: auto)"},
    {.name = "allow-out-of-order", KIND(FLAG), SETTING(allow_out_of_order), PROJECT(allow_out_of_order),
     TAKES(FORWARD),
     .help = "run operations that come before one that is applied; baseline: record the others without them"},
    {.name = "accept-checksums", KIND(FLAG), SETTING(accept_checksums), TAKES(BASELINE),
     .help = "a script that was changed since the other tool applied it is taken as applied all the same"},
    {.name = "keep-in-step", KIND(FLAG), SETTING(keep_in_step), TAKES(RUN),
     .help = "note what is applied or taken back in the other tool's own table, too (always: keep_in_step in the chain "
             "file)"},
    {.name = "rehearse", KIND(FLAG), SETTING(rehearse), TAKES(SAVE),
     .help = "run everything in the real databases, PREPARE included, and roll it back"},
    {.name = "save", KIND(TEXT), .value = "FILE", SETTING(save), TAKES(SAVE),
     .help = "write the plan to a file, for migrate --plan"},
    {.name = "plan", KIND(TEXT), .value = "FILE", SETTING(plan), TAKES(PLAN),
     .help = "do what this plan says, and nothing when the fleet or the chain has moved on since"},
    {.name = "backup", KIND(TEXT), .value = "DIR", SETTING(backup), PROJECT(backup), TAKES(RUN),
     .help = "save each model into DIR/TENANT before its first change (PostgreSQL: with pg_dump)"},
    {.name = "fingerprint", KIND(CHOICE), .value = "auto|always|never", SETTING(fingerprint), PROJECT(fingerprint), TAKES(RUN),
     .choices = fingerprints,
     .help = "record a fingerprint of each model's schema with the commit, for verify (default: auto, on SQLite)"},
    {.name = "yes", KIND(FLAG), SETTING(yes), TAKES(YES),
     .help = "yes to what destroys: taking back everything, deleting models; resolve, adopt, verify --repair: yes to what they would do"},
    {.name = "as", KIND(CHOICE), .value = "committed|aborted|retry", SETTING(as), TAKES(WORD), .choices = words,
     .help = "what both databases hold of the migration: all of it, none of it; or try its rollbacks again"},
    {.name = "repair", KIND(FLAG), SETTING(repair), TAKES(VERIFY),
     .help = "bring the controller's rows in step with the models, which are the truth and stay as they are (with --yes)"},
    {.name = "write", KIND(FLAG), SETTING(write_lock), TAKES(LOCK),
     .help = "write the lock file"},
    {.name = "check", KIND(FLAG), SETTING(check_lock), TAKES(LOCK),
     .help = "exit with 3 when the lock file lacks operations of the chain, or is not there"},
    {.name = "reason", KIND(TEXT), .value = "TEXT", SETTING(reason), TAKES(REASON),
     .help = "why, for the record"},
    {.name = "from", KIND(TEXT), .value = "DSN", SETTING(from), TAKES(ADOPT),
     .help = "the controller that the models bear, asked whether it is done with them; without a password"},
    {.name = "as-renamed", KIND(FLAG), SETTING(as_renamed), TAKES(ADOPT),
     .help = "the models may bear another tenant's id: they are this tenant's from now on"},

    {.name = "output", .letter = 'o', KIND(TEXT), .value = "FILE", SETTING(output), TAKES(OUTPUT),
     .help = "where the description goes (default: standard output)"},
    {.name = "output-dir", KIND(TEXT), .value = "DIR", SETTING(output_dir), TAKES(OUTPUT),
     .help = "a description for each tenant, DIR/TENANT.yaml"},
    {.name = "force", KIND(FLAG), SETTING(force), TAKES(OUTPUT),
     .help = "replace files that are there already"},
    {.name = "from-dir", KIND(TEXT), .value = "DIR", SETTING(from_dir), TAKES(IMPORT),
     .help = "the folder of migrations (default: migrations, db/migrations and the like)"},
    {.name = "from-format", KIND(TEXT), .value = "FORMAT", SETTING(from_format), TAKES(IMPORT),
     .help = "whose it is (goose, dbmate, golang-migrate, morph, flyway, diesel, pop, sqitch, native), where that cannot "
             "be told"},
    {.name = "glob", KIND(TEXT), .value = "PATTERN", SETTING(glob), TAKES(IMPORT),
     .help = "tenants that are SQLite files: 'tenants/*.db'"},
    {.name = "server", KIND(TEXT), .value = "DSN", SETTING(server), TAKES(IMPORT),
     .help = "tenants on a PostgreSQL server: postgresql://HOST/DATABASE, without a password"},
    {.name = "database-like", KIND(TEXT), .value = "PATTERN", SETTING(database_like), TAKES(IMPORT),
     .help = "… that are its databases of such names: 'tenant_%'"},
    {.name = "schema-like", KIND(TEXT), .value = "PATTERN", SETTING(schema_like), TAKES(IMPORT),
     .help = "… that are schemas of that database"},
    {.name = "name", KIND(TEXT), .value = "NAME", SETTING(name), TAKES(IMPORT),
     .help = "of the chain (default: that of the folder it is for)"},
    {.name = "audit", KIND(FLAG), SETTING(audit), TAKES(AUDIT),
     .help = "recover: also open every model and look for migrations that the controller does not know (any more)"},

    {.name = "timeout", ANY_DURATION, SETTING(timeout_ms), TAKES(WAIT),
     .help = "wait: how long (default: 0, as long as it takes)"},
    {.name = "deadline", ANY_DURATION, SETTING(deadline_ms), PROJECT(deadline_ms), TAKES(RUN),
     .zero = NO_LIMIT_MS,
     .help = "for a tenant's whole migration (default: 1h; 5m in the first of several lanes, none in the others; "
             "0: none)"},
    {.name = "operation-timeout", ANY_DURATION, SETTING(operation_timeout_ms), PROJECT(operation_timeout_ms),
     TAKES(RUN), .zero = NO_LIMIT_MS,
     .help = "for one operation (default: none; 1m in the first of several lanes; 0: none)"},
    {.name = "unlock-deadline", SOME_DURATION, SETTING(unlock_deadline_ms), PROJECT(unlock_deadline_ms),
     TAKES(RUN),
     .help = "for rollback and bookkeeping after a failure (default: 2m)"},
    {.name = "heartbeat", KIND(DURATION), .value = "TIME", SETTING(heartbeat_ms), PROJECT(heartbeat_ms),
     TAKES(RUN), .least = 1, .most = YEAR_MS,
     .help = "how often leases are renewed (default: 10s)"},
    {.name = "heartbeat-retries", KIND(INT), .value = "N", SETTING(heartbeat_retries),
     PROJECT(heartbeat_retries), TAKES(RUN), .least = 0, .most = 1000, .zero = -1,
     .help = "failed renewals in a row that are borne (default: 1)"},
    {.name = "lock-timeout", SOME_DURATION, SETTING(lock_timeout_ms), PROJECT(lock_timeout_ms),
     TAKES(CONTROLLER),
     .help = "for a statement that waits for a lock (default: 10s)"},
    {.name = "statement-timeout", ANY_DURATION, SETTING(statement_timeout_ms), PROJECT(statement_timeout_ms),
     TAKES(CONTROLLER),
     .help = "for one statement (default: none)"},

    {.name = "format", KIND(CHOICE), .value = "text|json|jsonl", SETTING(format_name), TAKES(FORMAT),
     .choices = formats,
     .help = "json: one object with the result; jsonl: an object for each event or tenant"},
    {.name = "exit-code", KIND(FLAG), SETTING(exit_code), TAKES(EXIT_CODE),
     .help = "exit with 3 when something is pending, or verify has found something"},
    {.name = "quiet", .letter = 'q', KIND(FLAG), SETTING(quiet), TAKES(ALL),
     .help = "no progress and no notes, only results"},
    {.name = "verbose", .letter = 'v', KIND(FLAG), SETTING(verbose), TAKES(ALL),
     .help = "a line for each tenant and operation"},
    {.name = "log-file", KIND(TEXT), .value = "FILE", SETTING(log_file), TAKES(RUN),
     .help = "append what happens to this file, with times"},
    {.name = "help", .letter = 'h', KIND(FLAG), SETTING(help), TAKES(ALL),
     .help = "this text"},
    {.name = "version", KIND(FLAG), SETTING(version), TAKES(ALL),
     .help = "the version"},
    {.name = NULL},
};
/* clang-format on */
_Static_assert(sizeof mtnt__option_rows / sizeof mtnt__option_rows[0] <= MTNT__OPTION_ROWS_MAX, "a place for each");

const char *const mtnt__options_later[] = {
    NULL,
};
_Static_assert(sizeof mtnt__options_later / sizeof mtnt__options_later[0] <= MTNT__OPTIONS_LATER_MAX, "room");
