/* Commands of psql and of sqlite3's shell in a script. What only changes what is shown is left out; the rest is refused by its name when the SQL is
 * checked. */
#include <string.h>
#include <strings.h>

#include "base/sql_scan.h"
#include "config/formats/reader.h"

static bool is_one_of(const char *text, size_t length, const char *const *words)
{
    for (; *words; words++)
        if (strlen(*words) == length && strncasecmp(text, *words, length) == 0)
            return true;
    return false;
}

/* "\set ON_ERROR_STOP on", "\pset …", ".bail on": how the shell itself works. */
static bool is_harmless(const char *command)
{
    static const char *const commands[] = {"\\echo", "\\qecho", "\\warn", "\\timing", "\\pset",   "\\x",   "\\t", "\\a",
                                           ".bail",  ".echo",   ".print", ".timer",   ".headers", ".mode", NULL};
    static const char *const settings[] = {"ON_ERROR_STOP", "QUIET", "VERBOSITY", "ECHO", "SHOW_CONTEXT", NULL};
    size_t length = strcspn(command, " \t\r\n"), blanks;

    if (is_one_of(command, length, commands))
        return true;
    if (strncmp(command, "\\set", length) != 0 || length != 4)
        return false;
    blanks = strspn(command + length, " \t");
    return is_one_of(command + length + blanks, strcspn(command + length + blanks, " \t\r\n"), settings);
}

static bool begins_line(const char *text, const char *at)
{
    while (at > text && (at[-1] == ' ' || at[-1] == '\t'))
        at--;
    return at == text || at[-1] == '\n';
}

/* Where the first one stands; NULL = there is none, or the text cannot be read. */
static char *first_command(char *text, mtnt_backend backend, bool *ret_readable)
{
    mtnt__sql_walk walk;
    mtnt__sql_token token;

    *ret_readable = true;
    mtnt__sql_walk_init(&walk, text, backend);
    while ((token = mtnt__sql_walk_next(&walk)).kind != MTNT__SQL_END) {
        char *at = text + token.start;

        if (token.kind == MTNT__SQL_UNENDED) {
            *ret_readable = false;
            return NULL;
        }
        if (*at == '\\' || (*at == '.' && walk.starts && begins_line(text, at)))
            return at;
    }
    return NULL;
}

int mtnt__shell_commands_drop(char *text)
{
    static const mtnt_backend backends[] = {MTNT_POSTGRES, MTNT_SQLITE};
    bool readable;
    int count = 0;

    for (size_t i = 0; i < 2; i++) {
        char *at = first_command(text, backends[i], &readable);

        for (; at && begins_line(text, at) && is_harmless(at); at = first_command(text, backends[i], &readable)) {
            memset(at, ' ', strcspn(at, "\r\n"));
            count++;
        }
    }
    return count;
}

const char *mtnt__shell_command(char *text)
{
    bool readable, other_readable;
    const char *command = first_command(text, MTNT_POSTGRES, &readable),
               *other = first_command(text, MTNT_SQLITE, &other_readable);

    /* Which database it is for is not known: one that could run it is enough. */
    if ((readable && !command) || (other_readable && !other))
        return NULL;
    return command ? command : other;
}
