#include "quote.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void put_word(FILE *out, const char *word)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:@%+=,";

    if (*word != '\0' && word[strspn(word, plain)] == '\0') {
        fputs(word, out);
        return;
    }
    fputc('\'', out);
    for (; *word != '\0'; word++)
        if (*word == '\'')
            fputs("'\\''", out);
        else
            fputc(*word, out);
    fputc('\'', out);
}

char *mtnt__quote_word(const char *word)
{
    char *text = NULL;
    size_t length;
    FILE *out = open_memstream(&text, &length);

    if (out == NULL)
        return NULL;
    put_word(out, word);
    if (fclose(out) != 0) {
        free(text);
        return NULL;
    }
    return text;
}

static bool same_file(const char *a, const char *b)
{
    char *a_path = realpath(a, NULL), *b_path = b == NULL ? NULL : realpath(b, NULL);
    bool same = a_path != NULL && b_path != NULL && strcmp(a_path, b_path) == 0;

    free(a_path);
    free(b_path);
    return same;
}

static void put_flag(FILE *out, const mtnt__work *work, const char *name, const char *value, const char *in_project)
{
    if (value == NULL || !mtnt__options_is_flagged(&work->settings, name) ||
        (in_project != NULL && (strcmp(value, in_project) == 0 || same_file(value, in_project))))
        return;
    fprintf(out, " --%s ", name);
    put_word(out, value);
}

char *mtnt__quote_context(const mtnt__work *work)
{
    const mtnt__settings *settings = &work->settings;
    char *text = NULL;
    size_t length;
    FILE *out = open_memstream(&text, &length);

    if (out == NULL)
        return NULL;
    put_flag(out, work, "config", settings->config, NULL);
    put_flag(out, work, "controller", settings->controller, work->project.controller);
    put_flag(out, work, "chain", settings->chain, work->project.chain);
    put_flag(out, work, "plugin", settings->plugin, work->project.plugin);
    put_flag(out, work, "tenants", settings->tenants, work->project.tenants);
    if (fclose(out) != 0) {
        free(text);
        return NULL;
    }
    return text;
}

char *mtnt__quote_near(const char *dsn)
{
    static const char sqlite[] = "sqlite:";
    const char *path = strncmp(dsn, sqlite, sizeof sqlite - 1) == 0 ? dsn + sizeof sqlite - 1 : dsn;
    char *here = getcwd(NULL, 0), *near = NULL;
    size_t length = here == NULL ? 0 : strlen(here);

    if (length > 1 && strncmp(path, here, length) == 0 && path[length] == '/') {
        if (asprintf(&near, "%.*s%s", (int)(path - dsn), dsn, path + length + 1) < 0)
            near = NULL;
    } else {
        near = strdup(strncmp(path, "./", 2) == 0 && path == dsn ? path + 2 : dsn);
    }
    free(here);
    return near;
}
