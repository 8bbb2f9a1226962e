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
        .takes = RUN | MTNT__TAKES_TO | MTNT__TAKES_STEPS | MTNT__TAKES_FORWARD | MTNT__TAKES_YES | MTNT__TAKES_LANE,
        .lanes = MTNT__LANES_FORWARD,
        .run = mtnt__command_migrate,
        .summary = "bring tenants to the end of the chain",
        .about = "Brings the selected tenants to the end of the chain, or to the operation named by "
                 "--to. All pending operations of a tenant commit together, in its model and in the "
                 "controller, or none does. One tenant's failure disturbs no other. A migration that "
                 "was interrupted is settled first. Tenants that are current are not opened at all.\n\n"
                 "A chain that ends with delete_model needs --yes: the models are put away then, and "
                 "removed for good by a later migrate or recover when their time of grace is over; "
                 "until then rewind --steps 1 puts them back.\n\n"
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
                 "was begun; another chain is refused.\n\n"
                 "No tenant is done twice: each process takes what no other has, comes back to what another "
                 "one had, and takes over what a killed process or host has left once its lease is over. A "
                 "tenant that has failed is not tried again in this run. Progress and summary are those of "
                 "the whole run; the process's own part is said besides.\n",
        .examples = "mtnt-model join\n"
                    "mtnt-model join --run 17 -j 16\n",
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
        .takes = FLEET | MTNT__TAKES_YES | MTNT__TAKES_WORD | MTNT__TAKES_LANE,
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
        .takes =
            FLEET | MTNT__TAKES_TO | MTNT__TAKES_STEPS | MTNT__TAKES_FORWARD | MTNT__TAKES_EXIT_CODE | MTNT__TAKES_LANE,
        .lanes = MTNT__LANES_FORWARD,
        .run = mtnt__command_plan,
        .summary = "what migrate would do, with the SQL",
        .about = "Says what migrate would do, tenants with the same work together: the operations, "
                 "their SQL, and the guarantee under which they would commit, which one tenant of each "
                 "such group is opened for. Changes nothing.\n",
        .examples = "mtnt-model plan\n"
                    "mtnt-model plan --to plan --tenant acme\n",
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
        .name = "validate",
        .takes = PROJECT | MTNT__TAKES_CONTROLLER | MTNT__TAKES_TENANTS | MTNT__TAKES_FORMAT,
        .run = mtnt__command_validate,
        .summary = "check the files, opening no database",
        .about = "Reads the project file, the chain, the plugin and the tenants, and reports each file "
                 "that is wrong, with the line. Checks the SQL's quotes and names for every tenant. "
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
static const char *const later[] = {"verify", "baseline", "adopt", "history", "report", "serve", NULL};

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
