#include "base/sql_scan.h"

#include <string.h>
#include <strings.h>

/* What a token is to the rules about statements. */
enum {
    C_OTHER,
    C_SEMICOLON,
    C_DOT,
    C_ABORT,
    C_AS,
    C_ATOMIC,
    C_ATTACH,
    C_BEGIN,
    C_CASE,
    C_COMMIT,
    C_CREATE,
    C_DETACH,
    C_END,
    C_FUNCTION,
    C_OR,
    C_PREPARE,
    C_PROCEDURE,
    C_REPLACE,
    C_ROLLBACK,
    C_START,
    C_TEMP,
    C_TO,
    C_TRANSACTION,
    C_TRIGGER,
    C_WORK
};

/* What the first words of a statement have said. */
enum {
    S_START,        /* no word yet */
    S_PLAIN,        /* nothing of interest */
    S_CREATE,       /* CREATE, with OR REPLACE or TEMP */
    S_ROUTINE,      /* PostgreSQL: CREATE FUNCTION or PROCEDURE, which may have a body BEGIN ATOMIC … END */
    S_TRIGGER,      /* SQLite: CREATE TRIGGER, which ends with "; END ;" as for sqlite3_complete() */
    S_ROLLBACK,     /* ROLLBACK: of the transaction unless TO follows … */
    S_ROLLBACK_WORK /* … at once or after WORK or TRANSACTION */
};

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool starts_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || ((unsigned char)c & 0x80u);
}

static bool continues_tag(char c)
{
    return starts_word(c) || is_digit(c);
}

static bool continues_word(char c)
{
    return continues_tag(c) || c == '$';
}

/* ---- what is passed over ---- */

/* `at` stands after the opening of a block comment. */
static size_t after_comment(const mtnt__sql_walk *walk, size_t at, bool *ret_ended)
{
    const char *text = walk->text;
    int depth = 1;

    for (; text[at]; at++) {
        if (text[at] == '*' && text[at + 1] == '/') {
            at++;
            if (--depth == 0)
                return at + 1;
        } else if (walk->backend == MTNT_POSTGRES && text[at] == '/' && text[at + 1] == '*') {
            at++;
            depth++;
        }
    }
    *ret_ended = walk->backend == MTNT_SQLITE; /* which lets the text end in a comment */
    return at;
}

static size_t after_line_comment(const mtnt__sql_walk *walk, size_t at)
{
    return at + strcspn(walk->text + at, walk->backend == MTNT_POSTGRES ? "\r\n" : "\n");
}

/* Blanks and comments. *ret_ended is false, and the result the start of the comment, when one does not end. */
static size_t after_blanks(const mtnt__sql_walk *walk, size_t at, bool *ret_ended)
{
    const char *text = walk->text;

    for (;;) {
        if (is_space(text[at])) {
            at++;
        } else if (text[at] == '-' && text[at + 1] == '-') {
            at = after_line_comment(walk, at);
        } else if (text[at] == '/' && text[at + 1] == '*') {
            size_t end = after_comment(walk, at + 2, ret_ended);

            if (!*ret_ended)
                return at;
            at = end;
        } else if ((at == 0 || walk->backend == MTNT_SQLITE) && strncmp(text + at, "\xef\xbb\xbf", 3) == 0) {
            at += 3; /* a byte order mark, which is a blank to SQLite anywhere */
        } else {
            return at;
        }
    }
}

/* ---- quotes ---- */

/* `at` stands after the opening quote; a doubled one is part of the text. 0 = it does not end. */
static size_t after_quoted(const char *text, size_t at, char quote)
{
    for (; text[at]; at++) {
        if (text[at] != quote)
            continue;
        if (text[at + 1] != quote)
            return at + 1;
        at++;
    }
    return 0;
}

/* PostgreSQL goes on with the same string when blanks with a line end, then a quote follow. 0 = no. */
static size_t after_continuation(const mtnt__sql_walk *walk, size_t at)
{
    const char *text = walk->text;
    bool line_end = false;

    for (; is_space(text[at]) || (text[at] == '-' && text[at + 1] == '-'); at++) {
        if (text[at] == '-')
            at = after_line_comment(walk, at);
        if (text[at] == '\n' || text[at] == '\r')
            line_end = true;
        if (text[at] == '\0')
            return 0;
    }
    return line_end && text[at] == '\'' ? at + 1 : 0;
}

/* E'…': with backslashes, which a continued part has too. */
static size_t after_escape_string(const mtnt__sql_walk *walk, size_t at)
{
    const char *text = walk->text;

    while (text[at]) {
        if ((text[at] == '\\' && text[at + 1]) || (text[at] == '\'' && text[at + 1] == '\'')) {
            at += 2;
        } else if (text[at] != '\'') {
            at++;
        } else {
            size_t more = after_continuation(walk, at + 1);

            if (more == 0)
                return at + 1;
            at = more;
        }
    }
    return 0;
}

/* $tag$…$tag$, `at` on the first dollar. 0 = it does not end; `at` = it is none. */
static size_t after_dollar_quoted(const char *text, size_t at)
{
    size_t tag = at + 1, body, length;

    if (!is_digit(text[tag]))
        while (continues_tag(text[tag]))
            tag++;
    if (text[tag] != '$')
        return at;
    length = tag + 1 - at;
    for (body = tag + 1; text[body]; body++)
        if (text[body] == '$' && strncmp(text + body, text + at, length) == 0)
            return body + length;
    return 0;
}

/* Names may have what ids, labels and variables have. 0 = it is no :'name'. */
static size_t after_name(const char *text, size_t at)
{
    char quote = text[at + 1];
    size_t end = at + 2;

    if (quote != '\'' && quote != '"')
        return 0;
    while (continues_tag(text[end]) || text[end] == '-' || text[end] == '.')
        end++;
    return end > at + 2 && text[end] == quote ? end + 1 : 0;
}

/* ---- tokens ---- */

static mtnt__sql_token quoted_token(const char *text, size_t start, size_t end)
{
    if (end == 0)
        return (mtnt__sql_token){MTNT__SQL_UNENDED, start, strlen(text + start)};
    return (mtnt__sql_token){MTNT__SQL_OTHER, start, end - start};
}

static mtnt__sql_token word_token(const mtnt__sql_walk *walk, size_t at)
{
    const char *text = walk->text;
    size_t end = at;

    while (continues_word(text[end]))
        end++;
    if (walk->backend == MTNT_POSTGRES && end == at + 1 && (text[at] == 'E' || text[at] == 'e') && text[end] == '\'')
        return quoted_token(text, at, after_escape_string(walk, end + 1));
    return (mtnt__sql_token){MTNT__SQL_WORD, at, end - at};
}

static mtnt__sql_token dollar_token(const mtnt__sql_walk *walk, size_t at)
{
    const char *text = walk->text;
    size_t end = at + 1;

    if (walk->backend == MTNT_POSTGRES && !is_digit(text[end])) {
        size_t after = after_dollar_quoted(text, at);

        return after == at ? (mtnt__sql_token){MTNT__SQL_OTHER, at, 1} : quoted_token(text, at, after);
    }
    while (continues_word(text[end]))
        end++;
    return (mtnt__sql_token){MTNT__SQL_OTHER, at, end - at};
}

static mtnt__sql_token colon_token(const char *text, size_t at)
{
    size_t end = after_name(text, at);
    mtnt__sql_token_kind kind = text[at + 1] == '\'' ? MTNT__SQL_LITERAL_NAME : MTNT__SQL_IDENTIFIER_NAME;

    if (text[at + 1] == ':')
        return (mtnt__sql_token){MTNT__SQL_OTHER, at, 2};
    if (end == 0)
        return (mtnt__sql_token){MTNT__SQL_OTHER, at, 1};
    return (mtnt__sql_token){kind, at, end - at};
}

static mtnt__sql_token number_token(const char *text, size_t at)
{
    size_t end = at;

    while (is_digit(text[end]) || text[end] == '.')
        end++;
    return (mtnt__sql_token){MTNT__SQL_OTHER, at, end - at};
}

static mtnt__sql_token bracketed_token(const char *text, size_t at)
{
    const char *end = strchr(text + at, ']');

    return quoted_token(text, at, end ? (size_t)(end - text) + 1 : 0);
}

static mtnt__sql_token token_at(const mtnt__sql_walk *walk, size_t at)
{
    const char *text = walk->text;
    bool sqlite = walk->backend == MTNT_SQLITE;

    if (starts_word(text[at]))
        return word_token(walk, at);
    if (is_digit(text[at]))
        return number_token(text, at);
    switch (text[at]) {
    case '\0': return (mtnt__sql_token){MTNT__SQL_END, at, 0};
    case ';': return (mtnt__sql_token){MTNT__SQL_SEMICOLON, at, 1};
    case '(': return (mtnt__sql_token){MTNT__SQL_OPEN, at, 1};
    case ')': return (mtnt__sql_token){MTNT__SQL_CLOSE, at, 1};
    case '\'':
    case '"': return quoted_token(text, at, after_quoted(text, at + 1, text[at]));
    case '`':
        if (sqlite)
            return quoted_token(text, at, after_quoted(text, at + 1, '`'));
        break;
    case '[':
        if (sqlite)
            return bracketed_token(text, at);
        break;
    case '$': return dollar_token(walk, at);
    case ':': return colon_token(text, at);
    default: break;
    }
    return (mtnt__sql_token){MTNT__SQL_OTHER, at, 1};
}

/* ---- statements ---- */

/* Called for every token of every script: most words are none of these by their first letter or their length. */
static int class_of_word(const char *word, size_t length)
{
#define WORD(text, class)             \
    {                                 \
        text, sizeof(text) - 1, class \
    }
    static const struct {
        const char *word;
        size_t length;
        int class;
    } words[] = {
        WORD("abort", C_ABORT),
        WORD("as", C_AS),
        WORD("atomic", C_ATOMIC),
        WORD("attach", C_ATTACH),
        WORD("begin", C_BEGIN),
        WORD("case", C_CASE),
        WORD("commit", C_COMMIT),
        WORD("create", C_CREATE),
        WORD("detach", C_DETACH),
        WORD("end", C_END),
        WORD("function", C_FUNCTION),
        WORD("or", C_OR),
        WORD("prepare", C_PREPARE),
        WORD("procedure", C_PROCEDURE),
        WORD("replace", C_REPLACE),
        WORD("rollback", C_ROLLBACK),
        WORD("start", C_START),
        WORD("temp", C_TEMP),
        WORD("temporary", C_TEMP),
        WORD("to", C_TO),
        WORD("transaction", C_TRANSACTION),
        WORD("trigger", C_TRIGGER),
        WORD("work", C_WORK),
    };
#undef WORD
    const char first = (char)(word[0] | 0x20); /* in lower case, where it is a letter */

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (words[i].word[0] == first && words[i].length == length && strncasecmp(words[i].word, word, length) == 0)
            return words[i].class;
    return C_OTHER;
}

static int class_of(const mtnt__sql_walk *walk, const mtnt__sql_token *token)
{
    if (token->kind == MTNT__SQL_WORD)
        return class_of_word(walk->text + token->start, token->length);
    if (token->kind == MTNT__SQL_SEMICOLON)
        return C_SEMICOLON;
    return token->length == 1 && walk->text[token->start] == '.' ? C_DOT : C_OTHER;
}

static int first_word(mtnt__sql_walk *walk, int class)
{
    bool sqlite = walk->backend == MTNT_SQLITE;

    switch (class) {
    case C_BEGIN: walk->control = "BEGIN"; break;
    case C_START: walk->control = "START TRANSACTION"; break;
    case C_COMMIT: walk->control = "COMMIT"; break;
    case C_END: walk->control = "END"; break;
    case C_ABORT: walk->control = "ABORT"; break;
    case C_ATTACH: walk->control = sqlite ? "ATTACH" : NULL; break;
    case C_DETACH: walk->control = sqlite ? "DETACH" : NULL; break;
    case C_CREATE: return S_CREATE;
    case C_ROLLBACK: return S_ROLLBACK;
    default: break;
    }
    return S_PLAIN;
}

static int word_after_create(const mtnt__sql_walk *walk, int class)
{
    switch (class) {
    case C_OR:
    case C_REPLACE:
    case C_TEMP: return S_CREATE;
    case C_TRIGGER: return walk->backend == MTNT_SQLITE ? S_TRIGGER : S_PLAIN;
    case C_FUNCTION:
    case C_PROCEDURE: return walk->backend == MTNT_POSTGRES ? S_ROUTINE : S_PLAIN;
    default: return S_PLAIN;
    }
}

/* A word may also be a name: after AS or a dot it opens and ends nothing. */
static void word_in_routine(mtnt__sql_walk *walk, int class)
{
    if (walk->before[1] == C_AS || walk->before[1] == C_DOT)
        return;
    if (walk->bodies == 0 && class == C_ATOMIC && walk->before[1] == C_BEGIN)
        walk->bodies = 1;
    else if (walk->bodies > 0 && class == C_CASE)
        walk->bodies++;
    else if (walk->bodies > 0 && class == C_END)
        walk->bodies--;
}

/* The token goes on with the statement, or is its first. */
static void take_class(mtnt__sql_walk *walk, int class)
{
    switch (walk->shape) {
    case S_START: walk->shape = first_word(walk, class); break;
    case S_CREATE: walk->shape = word_after_create(walk, class); break;
    case S_ROUTINE: word_in_routine(walk, class); break;
    case S_ROLLBACK:
    case S_ROLLBACK_WORK:
        if (walk->shape == S_ROLLBACK && (class == C_WORK || class == C_TRANSACTION)) {
            walk->shape = S_ROLLBACK_WORK;
            break;
        }
        if (class != C_TO)
            walk->control = "ROLLBACK";
        walk->shape = S_PLAIN;
        break;
    default: break;
    }
    if (class == C_TRANSACTION && walk->words == 1 && walk->before[1] == C_PREPARE)
        walk->control = "PREPARE TRANSACTION";
}

static bool ends_statement(const mtnt__sql_walk *walk)
{
    if (walk->backend == MTNT_POSTGRES)
        return walk->parentheses == 0 && walk->bodies == 0; /* a rule has its commands in parentheses */
    return walk->shape != S_TRIGGER || (walk->before[0] == C_SEMICOLON && walk->before[1] == C_END);
}

static void begin_statement(mtnt__sql_walk *walk, size_t start)
{
    walk->statement_start = start;
    walk->control = NULL;
    walk->words = walk->parentheses = walk->bodies = 0;
    walk->shape = S_START;
    walk->before[0] = walk->before[1] = C_OTHER;
}

void mtnt__sql_walk_init(mtnt__sql_walk *walk, const char *text, mtnt_backend backend)
{
    memset(walk, 0, sizeof(*walk));
    walk->text = text;
    walk->backend = backend;
    begin_statement(walk, 0);
}

/* The rules about statements, for a token that has been found. */
static void follow(mtnt__sql_walk *walk, const mtnt__sql_token *token, int class)
{
    walk->starts = false;
    if (walk->shape == S_START && walk->words == 0) {
        if (token->kind == MTNT__SQL_SEMICOLON || token->kind == MTNT__SQL_END)
            return;
        begin_statement(walk, token->start);
        walk->starts = true;
    }
    if (token->kind == MTNT__SQL_OPEN)
        walk->parentheses++;
    else if (token->kind == MTNT__SQL_CLOSE && walk->parentheses > 0)
        walk->parentheses--;
    take_class(walk, class);
    walk->words++;
}

mtnt__sql_token mtnt__sql_walk_next(mtnt__sql_walk *walk)
{
    mtnt__sql_token token;
    bool ended = true;
    int class;
    size_t at;

    if (walk->ended)
        begin_statement(walk, walk->at);
    at = after_blanks(walk, walk->at, &ended);
    token = ended ? token_at(walk, at) : quoted_token(walk->text, at, 0);
    class = class_of(walk, &token);
    follow(walk, &token, class);
    walk->ended = token.kind == MTNT__SQL_SEMICOLON && ends_statement(walk);
    walk->before[0] = walk->before[1];
    walk->before[1] = class;
    walk->at = token.start + token.length;
    return token;
}
