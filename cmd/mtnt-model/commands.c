#include "commands.h"

#include <string.h>

enum {
    PROJECT = MTNT__TAKES_ALL | MTNT__TAKES_FILES,
    FLEET = PROJECT | MTNT__TAKES_CONTROLLER | MTNT__TAKES_TENANTS | MTNT__TAKES_FORMAT,
    RUN = FLEET | MTNT__TAKES_RUN,
};

/* In the order of the help. */
const mtnt__command mtnt__commands[] = {
    {
        .name = "migrate",
        .alias = "up",
        .takes = RUN | MTNT__TAKES_TO | MTNT__TAKES_STEPS | MTNT__TAKES_FORWARD | MTNT__TAKES_YES | MTNT__TAKES_LANE |
                 MTNT__TAKES_PLAN,
        .lanes = MTNT__LANES_FORWARD,
        .run = mtnt__command_migrate,
        .summary = "bring tenants to the end of the chain",
        .about =
            "Brings the selected tenants to the end of the chain, or to the operation named by "
            "--to. All pending operations of a tenant commit together, in its model and in the "
            "controller, or none does. One tenant's failure disturbs no other. A migration that "
            "was interrupted is settled first. Tenants that are current are not opened at all.\n\n"
            "A chain that ends with delete_model needs --yes: the models are put away then, and "
            "removed for good by a later migrate or recover when their time of grace is over; "
            "until then rewind --steps 1 puts them back.\n\n"
            "With --plan FILE it does what `plan --save FILE` has shown: each tenant is migrated "
            "from where the plan has it, or not at all. When a tenant or the chain has moved on, "
            "nothing is done, and it exits with 2.\n\n"
            "With --isolate operations run in child processes, one for each worker: one that crashes, calls exit() "
            "or never returns costs its tenant, which fails and is settled at once, and not the run. It costs the start of "
            "this program for each worker.\n\n"
            "A chain's lanes run one after another, and those that are `beside: true` at the same time "
            "as the ones before them, with workers, a rate and a failure budget each; the summaries come "
            "at the end, and jsonl says with each event whose it is. After a spent budget no further lane "
            "is begun; --on-error stop stops all of them. With --plan or --isolate all run one after another.\n\n"
            "The first Ctrl-C lets running tenants finish and starts no new one; the second "
            "interrupts them and rolls them back. The next run takes up where this one stopped.\n",
        .examples = "mtnt-model migrate --tenants tenants.yaml\n"
                    "mtnt-model migrate --to plan --where tier=gold\n"
                    "mtnt-model migrate --tenant acme --tenant globex -j 2\n"
                    "list-tenants | mtnt-model migrate --tenants - --format jsonl\n",
    },
    {
        .name = "rewind",
        .alias = "down",
        .takes = RUN | MTNT__TAKES_TO | MTNT__TAKES_STEPS | MTNT__TAKES_OF_RUN | MTNT__TAKES_YES | MTNT__TAKES_LANE,
        .lanes = MTNT__LANES_BACKWARD,
        .run = mtnt__command_rewind,
        .summary = "take applied operations back",
        .about = "Takes applied operations back, last first: all of them, those after --to NAME, the "
                 "last --steps N, or only what a run has applied (--run ID). Taking back everything "
                 "needs --yes. The operations of a tenant are taken back together, or none is.\n",
        .examples = "mtnt-model rewind --steps 1\n"
                    "mtnt-model rewind --to contacts --tenant acme\n"
                    "mtnt-model rewind --run 17\n"
                    "mtnt-model rewind --yes\n",
    },
    {
        .name = "do",
        .takes = RUN | MTNT__TAKES_FORWARD | MTNT__TAKES_YES | MTNT__TAKES_LANE,
        .lanes = MTNT__LANES_ONE,
        .run = mtnt__command_do,
        .summary = "one operation forward",
        .about = "Runs the next pending operation of each selected tenant.\n",
        .examples = "mtnt-model do --tenant acme\n",
    },
    {
        .name = "undo",
        .takes = RUN | MTNT__TAKES_LANE,
        .lanes = MTNT__LANES_ONE,
        .run = mtnt__command_undo,
        .summary = "one operation back",
        .about = "Takes back the last applied operation of each selected tenant.\n",
        .examples = "mtnt-model undo --tenant acme\n",
    },
    {
        .name = "reset",
        .takes = RUN | MTNT__TAKES_YES | MTNT__TAKES_LANE,
        .run = mtnt__command_reset,
        .summary = "take everything back, then migrate",
        .about = "Takes back every operation of the selected tenants and then runs the whole chain "
                 "again: two runs, one after the other. Data that only lives in what the operations "
                 "made is lost, hence --yes.\n",
        .examples = "mtnt-model reset --tenant acme --yes\n",
    },
    {
        .name = "join",
        .takes = RUN | MTNT__TAKES_OF_RUN | MTNT__TAKES_LANE,
        .lanes = MTNT__LANES_ONE,
        .run = mtnt__command_join,
        .summary = "work on a running run from another process or host",
        .about = "Works on a run that another process has begun: on the newest that processes are at work "
                 "on, or on the one named by --run. Any number of processes may, on any number of hosts "
                 "with a PostgreSQL controller; with a SQLite controller, on its host. Each reads the same "
                 "project and the same tenants. What the run does, up to which operation and how, is as it "
                 "was begun; another chain is refused. Its canary, waves, soak and failure budget hold over all "
                 "processes, and win over what is said here; a run with groups is not to be joined.\n\n"
                 "No tenant is done twice: each process takes what no other has, comes back to what another "
                 "one had, and takes over what a killed process or host has left once its lease is over. A "
                 "tenant that has failed is not tried again in this run. Progress and summary are those of "
                 "the whole run; the process's own part is said besides.\n",
        .examples = "mtnt-model join\n"
                    "mtnt-model join --run 17 -j 16\n",
    },
    {
        .name = "baseline",
        .takes = RUN | MTNT__TAKES_TO | MTNT__TAKES_FORWARD | MTNT__TAKES_BASELINE | MTNT__TAKES_LANE,
        .lanes = MTNT__LANES_FORWARD,
        .run = mtnt__command_baseline,
        .summary = "take over databases that another tool has migrated",
        .about =
            "Records what another tool has applied to the selected tenants, so that migrate goes on from there. "
            "The chain has that tool's folder (migrations: in the chain file); its own table in each model "
            "(goose_db_version, schema_migrations, flyway_schema_history …) is read and compared with the folder, "
            "and what it says is applied is recorded, in the model and in the controller. No operation is run, and "
            "the table is left alone.\n\n"
            "A tenant is refused, and left as it is, when its table has what the folder lacks, says that something "
            "has failed or is half done, or was written with another text of a script than the folder has. What "
            "comes before an applied operation and is not applied needs --allow-out-of-order, here and for the "
            "migrate that runs it. Where no table tells, --to NAME does: everything up to that operation is taken "
            "as applied. An empty model is left for migrate. It may be run again at any time: what the other tool "
            "has done meanwhile is added.\n\n"
            "With --keep-in-step, or keep_in_step: true beside the folder in the chain file, the tool's table "
            "follows every later migrate and rewind, too, so that the tool can be gone back to.\n",
        .examples = "mtnt-model baseline\n"
                    "mtnt-model baseline --tenant acme\n"
                    "mtnt-model baseline --to 0042_invoices --where source=legacy\n",
    },
    {
        .name = "recover",
        .takes = FLEET | MTNT__TAKES_LANE | MTNT__TAKES_AUDIT,
        .lanes = MTNT__LANES_FORWARD,
        .run = mtnt__command_recover,
        .summary = "settle interrupted migrations",
        .about = "Settles the migrations of the selected tenants that a crash, a kill or a lost "
                 "connection has interrupted: each is completed or rolled back, as its decision "
                 "register says, and no operation is run. migrate does the same for the tenants that "
                 "it takes. Prepared transactions and unfinished models that arrived after their migration "
                 "was given up are settled and removed too, on the servers of the controller and of the "
                 "selected tenants. Models that delete_model has put away, and whose time of grace is over, are "
                 "removed for good. It may be run again at any time.\n\n"
                 "--audit is for a controller that has failed over to an asynchronous standby, or was restored from a "
                 "backup: its newest commits are lost, and the models keep theirs. Every selected model is opened and "
                 "compared. Where only bookkeeping was lost the controller is told (exit 3, and migrate goes on from "
                 "there); where an operation's half in the controller was lost, the tenant is marked as diverged, with "
                 "the next step, and nothing is touched (exit 1).\n",
        .examples = "mtnt-model recover\n"
                    "mtnt-model recover --audit\n"
                    "mtnt-model recover --tenant acme\n",
    },
    {
        .name = "resolve",
        .takes = FLEET | MTNT__TAKES_YES | MTNT__TAKES_WORD | MTNT__TAKES_REASON | MTNT__TAKES_LANE,
        .lanes = MTNT__LANES_ONE,
        .run = mtnt__command_resolve,
        .summary = "settle by your word what recovery cannot",
        .about = "Ends the migration of one tenant that only a person can end, because its state is "
                 "rollback_failed, diverged, blocked or in_doubt (status shows them, with the next step). "
                 "See to both databases first, then say what they hold: --as committed, all of it; --as "
                 "aborted, none of it; --as retry, after rollback_failed, tries the rollbacks again.\n\n"
                 "The word is written into the decision register where that says nothing, a prepared "
                 "transaction that is left is finished accordingly, and who has said it, when and why, is "
                 "kept in the controller (mtnt_audit). Without --yes it says what it would do.\n",
        .examples = "mtnt-model resolve --tenant acme --as aborted\n"
                    "mtnt-model resolve --tenant acme --as aborted --yes --reason 'restored both'\n"
                    "mtnt-model resolve --tenant acme --as retry --yes\n",
    },
    {
        .name = "adopt",
        .takes = RUN | MTNT__TAKES_YES | MTNT__TAKES_REASON | MTNT__TAKES_ADOPT | MTNT__TAKES_LANE,
        .lanes = MTNT__LANES_FORWARD,
        .run = mtnt__command_adopt,
        .summary = "take models over from another controller",
        .about = "Models bear the identity of the controller that has migrated them, and refuse any other. adopt "
                 "takes the selected ones over: each becomes this controller's in one transaction, or stays as it "
                 "is. What is applied to it is read from the model, checked against the chain and told to this "
                 "controller; no operation runs. Who has done it, when, from whom and why (--reason) is kept in "
                 "the controller (mtnt_audit). The other controller is refused by the models from then on.\n\n"
                 "A tenant that the other controller has not finished with is refused. Name that controller with "
                 "--from, so that it can be asked, unless it is gone: a model by itself shows no more than "
                 "transactions that are prepared in it. What operations have written into the other controller's "
                 "database stays there. A model that bears another tenant's id is refused, unless "
                 "--as-renamed says that it is meant. Without --yes it says what it would do.\n",
        .examples = "mtnt-model adopt --from postgresql://old/fleet\n"
                    "mtnt-model adopt --from postgresql://old/fleet --yes --reason 'fleet moved'\n"
                    "mtnt-model adopt --tenant acme --yes\n",
    },
    {
        .name = "pending",
        .takes = FLEET | MTNT__TAKES_EXIT_CODE | MTNT__TAKES_LANE,
        .lanes = MTNT__LANES_FORWARD,
        .run = mtnt__command_pending,
        .summary = "list operations that are to be run",
        .about = "Lists order and name of the operations that each selected tenant lacks, as the "
                 "controller knows it. No model is opened.\n",
        .examples = "mtnt-model pending --tenant acme\n"
                    "mtnt-model pending --format json\n",
    },
    {
        .name = "executed",
        .takes = FLEET | MTNT__TAKES_LANE,
        .lanes = MTNT__LANES_FORWARD,
        .run = mtnt__command_executed,
        .summary = "list operations that have been run",
        .about = "Lists order, name and times of the operations that are applied to each selected "
                 "tenant, as the controller knows it. No model is opened.\n",
        .examples = "mtnt-model executed --tenant acme\n",
    },
    {
        .name = "status",
        .takes = FLEET | MTNT__TAKES_EXIT_CODE | MTNT__TAKES_LANE,
        .lanes = MTNT__LANES_FORWARD,
        .run = mtnt__command_status,
        .summary = "the fleet: versions, failures, what is pending",
        .about = "Sums up the selected tenants, or all that the controller knows when no tenants are "
                 "named: how many are at which version, and which failures there are, the same ones "
                 "together. Answered from the controller. --format json lists every tenant.\n",
        .examples = "mtnt-model status\n"
                    "mtnt-model status --exit-code --quiet\n"
                    "mtnt-model status --format json | jq .summary\n",
    },
    {
        .name = "plan",
        .takes = RUN | MTNT__TAKES_TO | MTNT__TAKES_STEPS | MTNT__TAKES_FORWARD | MTNT__TAKES_EXIT_CODE |
                 MTNT__TAKES_LANE | MTNT__TAKES_SAVE,
        .lanes = MTNT__LANES_FORWARD,
        .run = mtnt__command_plan,
        .summary = "what migrate would do, with the SQL",
        .about =
            "Says what migrate would do, tenants with the same work together: the operations, "
            "their SQL, the locks that it takes, warnings of known dangers, and the guarantee "
            "under which they would commit, which one tenant of each such group is opened for. "
            "Locks and warnings are read from the SQL's words; `-- mtnt:allow NAME` in a "
            "statement says that a warning's danger is meant. Changes nothing.\n\n"
            "--rehearse then really does it to each selected tenant (with --canary N, to the first N "
            "of each group), and rolls it back: what would fail fails, and on PostgreSQL the locks are those that were "
            "held. What a rollback does not undo (operations outside a transaction, programs, "
            "steps of a saga, deleting the model) is passed over, and said. Tenants wait for it as "
            "for a migration. It exits with 1 when some would fail.\n\n"
            "--save FILE keeps the plan for migrate --plan FILE.\n",
        .examples = "mtnt-model plan\n"
                    "mtnt-model plan --to plan --tenant acme\n"
                    "mtnt-model plan --rehearse -j 8\n"
                    "mtnt-model plan --save release-12.plan\n",
    },
    {
        .name = "verify",
        .takes = FLEET | MTNT__TAKES_VERIFY | MTNT__TAKES_REASON | MTNT__TAKES_FORWARD | MTNT__TAKES_YES |
                 MTNT__TAKES_EXIT_CODE,
        .run = mtnt__command_verify,
        .summary = "look into every model: drift, swaps, restored backups",
        .about = "Opens every selected model, changes nothing, and compares what it holds with what the "
                 "controller says of it, with the chain, with the fingerprint of its schema that its last "
                 "migration has left, and with the schemas of the other models at its version: what differs is "
                 "shown, once for all that differ alike. Finds models that were restored from a "
                 "backup, changed by hand, swapped, replaced or lost.\n\n"
                 "With --repair --yes the controller's rows are brought in step with the models, under "
                 "each tenant's lease and with an audit row; no model is touched. Where the controller has lost what "
                 "a migration wrote in it, the tenant is marked as diverged instead, for a person. Without --yes it "
                 "says what it would do. Exits with 1 when a model could not be looked at, and with "
                 "--exit-code with 3 when something was found.\n",
        .examples = "mtnt-model verify\n"
                    "mtnt-model verify --exit-code --format json\n"
                    "mtnt-model verify --tenant acme --repair --yes --reason \"restored on Monday\"\n",
    },
    {
        .name = "wait",
        .takes = FLEET | MTNT__TAKES_LANE | MTNT__TAKES_WAIT,
        .run = mtnt__command_wait,
        .summary = "until a lane is complete, or has failed",
        .about = "For an application's start: waits until the lanes that --lane names, or all, are complete for "
                 "the selected tenants (exit 0), or have failed (exit 1, with the failures), or --timeout is over "
                 "(exit 3). Runs nothing: it asks the controller now and then. A failure counts when nothing is "
                 "at work in its lane. Programs read the same from the controller's views mtnt_lane and "
                 "mtnt_lane_tenant.\n",
        .examples = "mtnt-model wait --lane fast --timeout 2m\n"
                    "mtnt-model wait --lane slow --tenant acme\n",
    },
    {
        .name = "export",
        .takes = PROJECT | MTNT__TAKES_CONTROLLER | MTNT__TAKES_TENANTS | MTNT__TAKES_OUTPUT,
        .run = mtnt__command_export,
        .summary = "write a tenant's data as a model description",
        .about =
            "Writes the rows of a tenant's model, and those of the controller that the chain's import "
            "operation names, as one YAML document: as they were at one moment between two "
            "migrations. The same data give the same bytes, on SQLite and on PostgreSQL. Give it as "
            "`description:` to a new tenant of the same chain, and an operation `import: {}` loads it "
            "there, on either backend. Reads only; a row at a time, however many there are.\n\n"
            "A file appears whole or not at all, and belongs to its owner alone (mode 0600). The schema is not part of it: "
            "the chain makes that.\n",
        .examples = "mtnt-model export --tenant acme > acme.yaml\n"
                    "mtnt-model export --tenant acme -o acme.yaml --force\n"
                    "mtnt-model export --where tier=gold --output-dir descriptions\n",
    },
    {
        .name = "import-project",
        .argument = "[DIR]",
        .takes = MTNT__TAKES_ALL | MTNT__TAKES_CONTROLLER | MTNT__TAKES_FORMAT | MTNT__TAKES_IMPORT,
        .run = mtnt__command_import_project,
        .summary = "write a project for what another tool has begun",
        .about = "Writes mtnt.yaml, tenants.yaml and chain.yaml into DIR (default: here) for a folder of migrations "
                 "and databases that are there already. Whose migrations they are is told by the files, and where "
                 "those of several tools look alike, by the tables that the tenants bear, or by --from-format. "
                 "Tenants are files (--glob), or databases or schemas of a PostgreSQL server (--server with "
                 "--database-like or --schema-like).\n\n"
                 "Nothing is overwritten, no database is changed, and no password is written. What is written "
                 "passes validate. Then baseline records what the other tool has applied.\n",
        .examples = "mtnt-model import-project --glob 'tenants/*.db'\n"
                    "mtnt-model import-project --from-dir db/migrations \\\n"
                    "    --server postgresql://db-1/postgres --database-like 'tenant_%'\n",
    },
    {
        .name = "new",
        .argument = "NAME",
        .takes = PROJECT,
        .run = mtnt__command_new,
        .summary = "add an operation to the chain",
        .about = "Writes sql/NNNN_NAME.up.sql and sql/NNNN_NAME.down.sql beside the chain file, from "
                 "templates/operation.up.sql and templates/operation.down.sql beside it when they are "
                 "there ({name} and {order} are filled in), and adds the operation at the end of the "
                 "chain file. Nothing that exists is overwritten; comments in the chain file stay.\n",
        .examples = "mtnt-model new loyalty_points\n",
    },
    {
        .name = "checksums",
        .takes = PROJECT | MTNT__TAKES_FORMAT | MTNT__TAKES_YES | MTNT__TAKES_LOCK,
        .run = mtnt__command_checksums,
        .summary = "the chain's checksums, and its lock file",
        .about = "Prints order, checksum and name of every operation. --write puts them into CHAIN.lock beside "
                 "the chain file: commit it when you release. Where it is there, every command compares the chain "
                 "with it, and refuses (exit 78) when an operation that is locked has been changed, renamed, moved "
                 "or taken away, or one was put before it. Operations added at the end are fine, and --check exits "
                 "with 3 until they are written down, too. Repeatable operations may change. --write --yes writes "
                 "down a changed history.\n",
        .examples = "mtnt-model checksums --write\n"
                    "mtnt-model checksums --check\n",
    },
    {
        .name = "validate",
        .takes = PROJECT | MTNT__TAKES_CONTROLLER | MTNT__TAKES_TENANTS | MTNT__TAKES_FORMAT,
        .run = mtnt__command_validate,
        .summary = "check the files, opening no database",
        .about = "Reads the project file, the chain, the plugin and the tenants, and reports each file "
                 "that is wrong, with the line. Checks the SQL's quotes and names for every tenant, and warns "
                 "of statements that are dangerous in a database in use, which does not change the exit code. "
                 "Opens no database, so tenants that come from a query are not looked at.\n",
        .examples = "mtnt-model validate\n"
                    "mtnt-model validate --chain chain.yaml\n",
    },
    {
        .name = "doctor",
        .takes = FLEET | MTNT__TAKES_LANE,
        .lanes = MTNT__LANES_FORWARD,
        .run = mtnt__command_doctor,
        .summary = "check databases and settings, and say which guarantee holds",
        .about = "Opens the controller and the models, changes nothing, and says whether they can be "
                 "reached, whether their settings can keep a promise, and which guarantee holds for "
                 "this chain: or why it does not, and what to do. Tenants of which the same is to be said "
                 "are counted together; -v lists each.\n",
        .examples = "mtnt-model doctor\n"
                    "mtnt-model doctor --tenant acme\n",
    },
    {
        .name = "help",
        .argument = "[COMMAND]",
        .takes = MTNT__TAKES_ALL,
        .run = mtnt__command_help,
        .summary = "this list, or more about one command",
        .about = "Shows all commands, or what one of them does and takes.\n",
        .examples = "mtnt-model help migrate\n",
    },
    {.name = NULL},
};

/* Their names are taken: a script that uses them should hear why it fails. */
static const char *const later[] = {"history", "report", "serve", NULL};

const mtnt__command *mtnt__commands_find(const char *name)
{
    for (const mtnt__command *command = mtnt__commands; command->name != NULL; command++)
        if (strcmp(command->name, name) == 0 || (command->alias != NULL && strcmp(command->alias, name) == 0))
            return command;
    return NULL;
}

bool mtnt__commands_is_later(const char *name)
{
    for (size_t i = 0; later[i] != NULL; i++)
        if (strcmp(later[i], name) == 0)
            return true;
    return false;
}

const char *mtnt__commands_nearest(const char *name)
{
    const char *names[2 * sizeof mtnt__commands / sizeof mtnt__commands[0]];
    size_t count = 0;

    for (const mtnt__command *command = mtnt__commands; command->name != NULL; command++) {
        names[count++] = command->name;
        if (command->alias != NULL)
            names[count++] = command->alias;
    }
    names[count] = NULL;
    return mtnt__words_nearest(name, names);
}
