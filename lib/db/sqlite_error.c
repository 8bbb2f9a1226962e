/* What a result code of SQLite means: decided here, once. */
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "db/sqlite.h"

#define NAMED(code) \
    {               \
        code, #code \
    }

const char *mtnt__sqlite_code_name(int code)
{
    static const struct {
        int code;
        const char *name;
    } names[] = {
        NAMED(SQLITE_ERROR),
        NAMED(SQLITE_INTERNAL),
        NAMED(SQLITE_PERM),
        NAMED(SQLITE_ABORT),
        NAMED(SQLITE_BUSY),
        NAMED(SQLITE_LOCKED),
        NAMED(SQLITE_NOMEM),
        NAMED(SQLITE_READONLY),
        NAMED(SQLITE_INTERRUPT),
        NAMED(SQLITE_IOERR),
        NAMED(SQLITE_CORRUPT),
        NAMED(SQLITE_NOTFOUND),
        NAMED(SQLITE_FULL),
        NAMED(SQLITE_CANTOPEN),
        NAMED(SQLITE_PROTOCOL),
        NAMED(SQLITE_SCHEMA),
        NAMED(SQLITE_TOOBIG),
        NAMED(SQLITE_CONSTRAINT),
        NAMED(SQLITE_MISMATCH),
        NAMED(SQLITE_MISUSE),
        NAMED(SQLITE_NOLFS),
        NAMED(SQLITE_AUTH),
        NAMED(SQLITE_RANGE),
        NAMED(SQLITE_NOTADB),
        NAMED(SQLITE_ERROR_MISSING_COLLSEQ),
        NAMED(SQLITE_ERROR_RETRY),
        NAMED(SQLITE_ERROR_SNAPSHOT),
        NAMED(SQLITE_IOERR_READ),
        NAMED(SQLITE_IOERR_SHORT_READ),
        NAMED(SQLITE_IOERR_WRITE),
        NAMED(SQLITE_IOERR_FSYNC),
        NAMED(SQLITE_IOERR_DIR_FSYNC),
        NAMED(SQLITE_IOERR_TRUNCATE),
        NAMED(SQLITE_IOERR_FSTAT),
        NAMED(SQLITE_IOERR_UNLOCK),
        NAMED(SQLITE_IOERR_RDLOCK),
        NAMED(SQLITE_IOERR_DELETE),
        NAMED(SQLITE_IOERR_NOMEM),
        NAMED(SQLITE_IOERR_ACCESS),
        NAMED(SQLITE_IOERR_CHECKRESERVEDLOCK),
        NAMED(SQLITE_IOERR_LOCK),
        NAMED(SQLITE_IOERR_CLOSE),
        NAMED(SQLITE_IOERR_DIR_CLOSE),
        NAMED(SQLITE_IOERR_SHMOPEN),
        NAMED(SQLITE_IOERR_SHMSIZE),
        NAMED(SQLITE_IOERR_SHMLOCK),
        NAMED(SQLITE_IOERR_SHMMAP),
        NAMED(SQLITE_IOERR_SEEK),
        NAMED(SQLITE_IOERR_DELETE_NOENT),
        NAMED(SQLITE_IOERR_MMAP),
        NAMED(SQLITE_IOERR_GETTEMPPATH),
        NAMED(SQLITE_IOERR_CONVPATH),
        NAMED(SQLITE_IOERR_BEGIN_ATOMIC),
        NAMED(SQLITE_IOERR_COMMIT_ATOMIC),
        NAMED(SQLITE_IOERR_ROLLBACK_ATOMIC),
        NAMED(SQLITE_IOERR_DATA),
        NAMED(SQLITE_IOERR_CORRUPTFS),
        NAMED(SQLITE_LOCKED_SHAREDCACHE),
        NAMED(SQLITE_LOCKED_VTAB),
        NAMED(SQLITE_BUSY_RECOVERY),
        NAMED(SQLITE_BUSY_SNAPSHOT),
        NAMED(SQLITE_BUSY_TIMEOUT),
        NAMED(SQLITE_CANTOPEN_NOTEMPDIR),
        NAMED(SQLITE_CANTOPEN_ISDIR),
        NAMED(SQLITE_CANTOPEN_FULLPATH),
        NAMED(SQLITE_CANTOPEN_CONVPATH),
        NAMED(SQLITE_CANTOPEN_SYMLINK),
        NAMED(SQLITE_CORRUPT_VTAB),
        NAMED(SQLITE_CORRUPT_SEQUENCE),
        NAMED(SQLITE_CORRUPT_INDEX),
        NAMED(SQLITE_READONLY_RECOVERY),
        NAMED(SQLITE_READONLY_CANTLOCK),
        NAMED(SQLITE_READONLY_ROLLBACK),
        NAMED(SQLITE_READONLY_DBMOVED),
        NAMED(SQLITE_READONLY_CANTINIT),
        NAMED(SQLITE_READONLY_DIRECTORY),
        NAMED(SQLITE_ABORT_ROLLBACK),
        NAMED(SQLITE_CONSTRAINT_CHECK),
        NAMED(SQLITE_CONSTRAINT_COMMITHOOK),
        NAMED(SQLITE_CONSTRAINT_FOREIGNKEY),
        NAMED(SQLITE_CONSTRAINT_FUNCTION),
        NAMED(SQLITE_CONSTRAINT_NOTNULL),
        NAMED(SQLITE_CONSTRAINT_PRIMARYKEY),
        NAMED(SQLITE_CONSTRAINT_TRIGGER),
        NAMED(SQLITE_CONSTRAINT_UNIQUE),
        NAMED(SQLITE_CONSTRAINT_VTAB),
        NAMED(SQLITE_CONSTRAINT_ROWID),
        NAMED(SQLITE_CONSTRAINT_PINNED),
        NAMED(SQLITE_CONSTRAINT_DATATYPE),
        NAMED(SQLITE_AUTH_USER),
    };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (names[i].code == code)
            return names[i].name;
    return (code & 0xff) == code ? "SQLITE_UNKNOWN" : mtnt__sqlite_code_name(code & 0xff);
}

static int meaning(const mtnt__sqlite *s, int code)
{
    if (code == SQLITE_IOERR_NOMEM)
        return MTNT_E_NOMEM;
    switch (code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_PROTOCOL: return MTNT_E_BUSY;
    case SQLITE_NOMEM: return MTNT_E_NOMEM;
    case SQLITE_INTERRUPT: return MTNT_E_CANCELLED;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB: return MTNT_E_CORRUPT;
    case SQLITE_READONLY: return s->read_only && code == SQLITE_READONLY ? MTNT_E_INVALID : MTNT_E_IO;
    case SQLITE_IOERR:
    case SQLITE_FULL:
    case SQLITE_PERM:
    case SQLITE_NOLFS:
    case SQLITE_CANTOPEN: return MTNT_E_IO;
    case SQLITE_AUTH:
    case SQLITE_MISUSE: return MTNT_E_INVALID;
    default: return MTNT_E_DATABASE;
    }
}

static const char *explanation(int meaning, int code)
{
    if (meaning == MTNT_E_BUSY)
        return ": somebody else holds the lock, and it was not to be had in the time allowed";
    if (meaning == MTNT_E_INVALID && (code & 0xff) == SQLITE_READONLY)
        return ": this side is read-only here, because nothing has declared that it writes to it";
    if (code == SQLITE_CANTOPEN)
        return ": it, or the journal beside it, cannot be opened or made";
    return "";
}

int mtnt__sqlite_fail(mtnt__sqlite *s, int code, mtnt_error *err)
{
    int ours = meaning(s, code), ended;

    if ((code & 0xff) == SQLITE_AUTH && s->denial[0])
        return mtnt__sqlite_denied(s, err);
    if (ours == MTNT_E_CANCELLED || ours == MTNT_E_BUSY) {
        ended = mtnt__call_check(&s->call, err);
        if (ended != 0)
            goto out;
    }
    ended = mtnt_error_set(err, ours, "%s%s", s->raw ? sqlite3_errmsg(s->raw) : sqlite3_errstr(code),
                           explanation(ours, code));
    if (err)
        err->retryable = ours == MTNT_E_BUSY;
out:
    if (err)
        mtnt__text_copy(err->state, sizeof(err->state), mtnt__sqlite_code_name(code));
    return ended;
}
