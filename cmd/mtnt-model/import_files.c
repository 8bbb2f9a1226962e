#include "import_files.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "disk.h"

static const char *const files[] = {"chain.yaml", "tenants.yaml", "mtnt.yaml"};
enum { CHAIN, TENANTS, PROJECT, FILES };

static int out_of_memory(mtnt__work *work)
{
    return mtnt__work_fail(work, MTNT__EXIT_FATAL, "out of memory");
}

/* ---- paths ---- */

/* An absolute path without `.`, `..` and empty parts, ending without a slash: "" for the root. */
static char *plain_path(const char *path)
{
    char *here = *path == '/' ? strdup("") : getcwd(NULL, 0), *plain = NULL;
    size_t length;

    if (here == NULL || (plain = calloc(strlen(here) + strlen(path) + 2, 1)) == NULL) {
        free(here);
        return NULL;
    }
    length = strcmp(here, "/") == 0 ? 0 : strlen(here);
    memcpy(plain, here, length);
    free(here);
    for (const char *part = path; *part != '\0';) {
        size_t size = strcspn(part, "/");

        if (size == 2 && strncmp(part, "..", 2) == 0) {
            while (length > 0 && plain[--length] != '/')
                ;
        } else if (size > 0 && !(size == 1 && *part == '.')) {
            plain[length++] = '/';
            memcpy(plain + length, part, size);
            length += size;
        }
        part += size;
        part += *part == '/';
    }
    plain[length] = '\0';
    return plain;
}

static char *relative(const char *from, const char *to)
{
    size_t same = 0;
    char *text = NULL;
    size_t length;
    FILE *out = open_memstream(&text, &length);

    if (out == NULL)
        return NULL;
    for (size_t i = 0;; i++) {
        bool end = (from[i] == '\0' || from[i] == '/') && (to[i] == '\0' || to[i] == '/');

        if (end)
            same = i;
        if (from[i] != to[i] || from[i] == '\0')
            break;
    }
    for (const char *c = from + same; *c != '\0'; c++)
        if (*c == '/')
            fputs("../", out);
    fputs(to[same] == '/' ? to + same + 1 : to[same] == '\0' ? "." : to + same, out);
    return fclose(out) == 0 ? text : NULL;
}

char *mtnt__import_path(const char *folder, const char *path)
{
    char *from, *to, *result = NULL;

    if (*path == '/')
        return strdup(path);
    from = plain_path(folder);
    to = plain_path(path);
    if (from != NULL && to != NULL)
        result = relative(from, to);
    free(from);
    free(to);
    return result;
}

/* ---- texts ---- */

/* In double quotes, which hold everything. */
static void put_text(FILE *out, const char *text)
{
    fputc('"', out);
    for (const unsigned char *c = (const unsigned char *)text; *c != '\0'; c++)
        if (*c == '"' || *c == '\\')
            fprintf(out, "\\%c", *c);
        else if (*c < 0x20 || *c == 0x7f)
            fprintf(out, "\\x%02X", *c);
        else
            fputc(*c, out);
    fputc('"', out);
}

static void put_tenants(FILE *out, const mtnt__import *import)
{
    if (import->model != NULL) {
        fputs("defaults:\n  model: ", out);
        put_text(out, import->model);
        fputc('\n', out);
    }
    if (import->glob != NULL) {
        fputs(
            "# A tenant's id is its file's name without the extension; new files are found by themselves.\nsource:\n  glob: ",
            out);
        put_text(out, import->glob);
        fputc('\n', out);
        return;
    }
    if (import->query != NULL) {
        fputs("# With a controller on the same server, new ones are found by themselves by this in place of the list:\n"
              "#   source: {query: ",
              out);
        put_text(out, import->query);
        fputs("}\n", out);
    }
    fputs(import->count == 0 ? "tenants: []   # - {id: acme, model: \"sqlite:tenants/acme.db\"}   or postgresql://…\n"
                             : "tenants:\n",
          out);
    for (size_t i = 0; i < import->count; i++) {
        fputs("  - {id: ", out);
        put_text(out, import->tenants[i].id);
        if (import->tenants[i].dsn != NULL) {
            fputs(", model: ", out);
            put_text(out, import->tenants[i].dsn);
        }
        if (import->schemas) {
            fputs(", schema: ", out);
            put_text(out, import->tenants[i].id);
        }
        fputs("}\n", out);
    }
}

static void put_file(FILE *out, const mtnt__import *import, size_t which)
{
    if (which == PROJECT) {
        fputs("controller: ", out);
        put_text(out, import->controller);
        fputs("\nchain: chain.yaml\ntenants: tenants.yaml\n", out);
    } else if (which == CHAIN) {
        fputs("chain: ", out);
        put_text(out, import->name);
        fputs("\nmigrations:\n  - {dir: ", out);
        put_text(out, import->migrations);
        fprintf(out, ", format: %s}\n", import->format);
    } else {
        put_tenants(out, import);
    }
}

/* ---- files ---- */

static char *path_of(const char *folder, size_t which)
{
    char *path = NULL;

    return asprintf(&path, "%s/%s", folder, files[which]) < 0 ? NULL : path;
}

int mtnt__import_check(mtnt__work *work, const char *folder)
{
    int exit_code = 0;

    for (size_t i = 0; i < FILES && exit_code == 0; i++) {
        char *path = path_of(folder, i);

        if (path == NULL)
            exit_code = out_of_memory(work);
        else if (access(path, F_OK) == 0 || errno != ENOENT)
            exit_code = mtnt__work_fail(
                work, MTNT__EXIT_CONFIG,
                "%s is there already, and nothing is overwritten: there is a project. Nothing was written", path);
        free(path);
    }
    return exit_code;
}

static int write_file(mtnt__work *work, const mtnt__import *import, size_t which)
{
    char *path = path_of(import->folder, which), *text = NULL;
    size_t length;
    FILE *out = path == NULL ? NULL : open_memstream(&text, &length);
    int error = ENOMEM;

    if (out != NULL) {
        put_file(out, import, which);
        error = fclose(out) == 0 ? mtnt__disk_create(path, text) : ENOMEM;
    }
    if (error != 0)
        mtnt__work_fail(work, MTNT__EXIT_FATAL, "cannot write %s: %s", path == NULL ? files[which] : path,
                        strerrordesc_np(error));
    free(text);
    free(path);
    return error == 0 ? 0 : error == EEXIST ? MTNT__EXIT_CONFIG : MTNT__EXIT_FATAL;
}

static int try_tenants(const char *path, mtnt_error *err)
{
    mtnt_tenant_source source = {NULL, NULL, NULL, NULL};
    mtnt_model *model = NULL;
    int rc = mtnt_tenants_load(&source, path, NULL, NULL, err);

    while (rc == 0 && (rc = source.next(source.data, &model, err)) == 0 && model != NULL)
        mtnt_model_free(model);
    mtnt_tenant_source_close(&source);
    return rc;
}

/* What is written has to be what validate takes. */
static int load(mtnt__work *work, const char *folder)
{
    char *chain_path = path_of(folder, CHAIN), *tenants_path = path_of(folder, TENANTS);
    mtnt_error err = MTNT_ERROR_INIT;
    mtnt_chain *chain = NULL;
    int rc = MTNT_E_NOMEM, exit_code = 0;

    if (chain_path != NULL && tenants_path != NULL)
        rc = mtnt_chain_new(&chain, "default", &err);
    if (rc == 0)
        rc = mtnt_chain_load_yaml(chain, chain_path, &err);
    for (size_t i = 0; rc == 0 && mtnt_chain_warning(chain, i) != NULL; i++)
        mtnt__work_note(work, "%s", mtnt_chain_warning(chain, i));
    if (rc == 0)
        rc = try_tenants(tenants_path, &err);
    if (rc != 0)
        exit_code = err.code == MTNT_OK ? out_of_memory(work) : mtnt__work_fail_error(work, &err);
    mtnt_chain_free(chain);
    free(chain_path);
    free(tenants_path);
    return exit_code;
}

/* The project file comes last: without it there is no project. */
int mtnt__import_write(mtnt__work *work, const mtnt__import *import)
{
    size_t written = 0;
    int exit_code = 0;

    while (written < FILES && (exit_code = write_file(work, import, written)) == 0)
        written++;
    if (exit_code == 0)
        exit_code = load(work, import->folder);
    if (exit_code == 0)
        return 0;
    while (written > 0) {
        char *path = path_of(import->folder, --written);

        if (path != NULL)
            unlink(path);
        free(path);
    }
    mtnt__work_note(work, "nothing was written");
    return exit_code;
}
