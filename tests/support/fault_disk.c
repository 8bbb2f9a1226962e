#include "fault_disk.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOG_SIZE ((size_t)64 << 20)
#define NAME_SIZE 112
#define NAMES 64
#define FILES 4096
#define SECTOR 512

typedef enum event {
    EVENT_FILE = 1, /* there from the beginning, durable */
    EVENT_CREATE,
    EVENT_WRITE,
    EVENT_TRUNCATE,
    EVENT_SYNC,
    EVENT_SYNC_FAILED,
    EVENT_DELETE,
    EVENT_RENAME,
    EVENT_SYNC_FOLDER
} event;

/* In the log, the bytes after it. */
typedef struct record {
    event what;
    uint32_t file;
    uint64_t at, size;
    char name[NAME_SIZE], to[NAME_SIZE];
} record;

typedef struct entry {
    char name[NAME_SIZE];
    uint32_t file;
} entry;

/* Shared by a test and the processes that it makes, of which one works at a time. */
static struct disk {
    pthread_mutex_t mutex;
    char folder[256];
    bool watched, broken, full;
    pid_t armed;
    fault_kind kind;
    int at, calls;
    char place[NAME_SIZE + 32];
    entry entries[NAMES]; /* as processes see them */
    size_t entry_count;
    uint32_t files;
    size_t length;
    unsigned char log[LOG_SIZE];
} * disk;

/* A test that cannot go on must not look like one that found something. */
static void give_up(const char *why)
{
    fprintf(stderr, "fault_disk: %s\n", why);
    abort();
}

static void *must(void *memory)
{
    if (memory == NULL)
        give_up("out of memory");
    return memory;
}

const char *fault_kind_name(fault_kind kind)
{
    static const char *const names[FAULT_KINDS] = {"no fault",           "kill",        "power loss", "I/O error",
                                                   "I/O error and kill", "broken disk", "full disk"};

    return names[kind];
}

/* ---- the log ---- */

static void log_event(const record *r, const void *bytes, size_t size)
{
    size_t needed = (sizeof(*r) + size + 7) & ~(size_t)7;

    if (disk->length + needed > LOG_SIZE)
        give_up("the log is full");
    memcpy(disk->log + disk->length, r, sizeof(*r));
    if (size > 0)
        memcpy(disk->log + disk->length + sizeof(*r), bytes, size);
    disk->length += needed;
}

static void name_record(char target[NAME_SIZE], const char *name)
{
    if ((size_t)snprintf(target, NAME_SIZE, "%s", name) >= NAME_SIZE)
        give_up("a name is too long");
}

static size_t bytes_of(const record *r)
{
    return r->what == EVENT_WRITE || r->what == EVENT_FILE ? (size_t)r->size : 0;
}

/* ---- names as processes see them ---- */

static entry *find(entry *entries, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(entries[i].name, name) == 0)
            return entries + i;
    return NULL;
}

static void put(entry *entries, size_t *count, const char *name, uint32_t file)
{
    entry *e = find(entries, *count, name);

    if (e == NULL) {
        if (*count == NAMES)
            give_up("too many files");
        e = entries + (*count)++;
        name_record(e->name, name);
    }
    e->file = file;
}

static void take(entry *entries, size_t *count, const char *name)
{
    entry *e = find(entries, *count, name);

    if (e != NULL)
        *e = entries[--*count];
}

static void move(entry *entries, size_t *count, const char *from, const char *to)
{
    entry *e = find(entries, *count, from);
    uint32_t file = e == NULL ? 0 : e->file;

    if (file == 0)
        return;
    take(entries, count, from);
    put(entries, count, to, file);
}

static uint32_t new_file(void)
{
    if (++disk->files >= FILES)
        give_up("too many files have been made");
    return disk->files;
}

/* ---- begin and end ---- */

static void add_durable(const char *name)
{
    record r = {.what = EVENT_FILE, .file = new_file()};
    char path[512];
    struct stat status;
    FILE *file;
    void *bytes;

    snprintf(path, sizeof(path), "%s/%s", disk->folder, name);
    file = fopen(path, "rbe");
    if (file == NULL || fstat(fileno(file), &status) != 0)
        give_up("a file cannot be read");
    r.size = (uint64_t)status.st_size;
    bytes = must(malloc((size_t)r.size + 1));
    if (fread(bytes, 1, (size_t)r.size, file) != r.size)
        give_up("a file cannot be read");
    fclose(file);
    name_record(r.name, name);
    put(disk->entries, &disk->entry_count, name, r.file);
    log_event(&r, bytes, (size_t)r.size);
    free(bytes);
}

static bool is_shared_memory(const char *name)
{
    size_t length = strlen(name);

    return length > 4 && strcmp(name + length - 4, "-shm") == 0;
}

static void make_disk(void)
{
    pthread_mutexattr_t shared;

    if (disk != NULL)
        return;
    disk = mmap(NULL, sizeof(*disk), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (disk == MAP_FAILED)
        give_up("out of memory");
    pthread_mutexattr_init(&shared);
    pthread_mutexattr_setpshared(&shared, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&shared, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(&disk->mutex, &shared);
    pthread_mutexattr_destroy(&shared);
}

void fault_disk_begin(const char *path)
{
    struct dirent *found;
    DIR *folder;

    make_disk();
    disk->entry_count = disk->length = 0;
    disk->files = 0;
    disk->armed = 0;
    disk->broken = disk->full = false;
    snprintf(disk->folder, sizeof(disk->folder), "%s", path);
    folder = must(opendir(path));
    while ((found = readdir(folder)) != NULL)
        if (found->d_name[0] != '.' && !is_shared_memory(found->d_name))
            add_durable(found->d_name);
    closedir(folder);
    disk->watched = true;
}

void fault_disk_end(void)
{
    if (disk != NULL)
        disk->watched = false;
}

void fault_arm(fault_kind kind, int at)
{
    make_disk();
    disk->kind = kind;
    disk->at = at;
    disk->calls = 0;
    disk->place[0] = '\0';
    disk->broken = disk->full = false;
    disk->armed = getpid();
}

void fault_disarm(void)
{
    disk->armed = 0;
    disk->broken = disk->full = false;
}

int fault_calls(void)
{
    return disk->calls;
}

const char *fault_place(void)
{
    return disk->place;
}

/* ---- calls ---- */

void fault_enter(void)
{
    /* Processes die with it in hand. */
    if (disk != NULL && pthread_mutex_lock(&disk->mutex) == EOWNERDEAD)
        pthread_mutex_consistent(&disk->mutex);
}

void fault_leave(void)
{
    if (disk != NULL)
        pthread_mutex_unlock(&disk->mutex);
}

bool fault_is_folder(const char *path)
{
    return disk != NULL && disk->watched && strcmp(path, disk->folder) == 0;
}

const char *fault_name_of(const char *path)
{
    size_t length;

    if (disk == NULL || !disk->watched || path == NULL)
        return NULL;
    length = strlen(disk->folder);
    if (strncmp(path, disk->folder, length) != 0 || path[length] != '/' || strchr(path + length + 1, '/') != NULL ||
        is_shared_memory(path + length))
        return NULL;
    return path + length + 1;
}

uint32_t fault_file_of(const char *name)
{
    const entry *e = find(disk->entries, disk->entry_count, name);

    return e == NULL ? 0 : e->file;
}

static void die(void)
{
    kill(getpid(), SIGKILL);
    for (;;)
        pause();
}

fault_verdict fault_ask(fault_call call, const char *name, bool grows)
{
    static const char *const verbs[] = {"?", "create", "write", "truncate", "sync", "delete", "rename", "sync folder"};

    if (disk->armed != getpid())
        return FAULT_GO;
    if (++disk->calls == disk->at) {
        snprintf(disk->place, sizeof(disk->place), "%s %s", name, verbs[call]);
        switch (disk->kind) {
        case FAULT_KILL:
        case FAULT_POWER: die(); break;
        case FAULT_IO:
        case FAULT_IO_KILL: return FAULT_FAIL;
        case FAULT_BROKEN: disk->broken = true; break;
        case FAULT_FULL: disk->full = true; break;
        case FAULT_NONE:
        case FAULT_KINDS: break;
        }
    }
    if (disk->kind == FAULT_IO_KILL && disk->at > 0 && disk->calls > disk->at)
        die();
    if (disk->broken)
        return FAULT_FAIL;
    return disk->full && grows ? FAULT_NO_ROOM : FAULT_GO;
}

bool fault_is_full(void)
{
    return disk != NULL && disk->watched && disk->armed == getpid() && disk->full;
}

uint32_t fault_note_create(const char *name)
{
    record r = {.what = EVENT_CREATE, .file = new_file()};

    name_record(r.name, name);
    log_event(&r, NULL, 0);
    put(disk->entries, &disk->entry_count, name, r.file);
    return r.file;
}

void fault_note_write(uint32_t file, const void *bytes, size_t size, uint64_t at)
{
    const record r = {.what = EVENT_WRITE, .file = file, .at = at, .size = size};

    log_event(&r, bytes, size);
}

void fault_note_truncate(uint32_t file, uint64_t size)
{
    const record r = {.what = EVENT_TRUNCATE, .file = file, .size = size};

    log_event(&r, NULL, 0);
}

void fault_note_sync(uint32_t file, bool ok)
{
    const record r = {.what = ok ? EVENT_SYNC : EVENT_SYNC_FAILED, .file = file};

    log_event(&r, NULL, 0);
}

void fault_note_delete(const char *name)
{
    record r = {.what = EVENT_DELETE};

    name_record(r.name, name);
    log_event(&r, NULL, 0);
    take(disk->entries, &disk->entry_count, name);
}

void fault_note_rename(const char *from, const char *to)
{
    record r = {.what = EVENT_RENAME};

    name_record(r.name, from);
    name_record(r.to, to);
    log_event(&r, NULL, 0);
    move(disk->entries, &disk->entry_count, from, to);
}

void fault_note_sync_folder(void)
{
    const record r = {.what = EVENT_SYNC_FOLDER};

    log_event(&r, NULL, 0);
}

/* ---- what is left ---- */

typedef struct content {
    unsigned char *bytes;
    size_t size, room;
    const record **pending;
    size_t pending_count;
} content;

typedef struct image {
    content files[FILES];
    entry entries[NAMES];
    size_t entry_count;
    const record **pending; /* names made, removed and renamed */
    size_t pending_count;
    fault_keep contents, names;
    uint64_t random;
} image;

static uint64_t next_random(image *i)
{
    uint64_t z = i->random += 0x9e3779b97f4a7c15u;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static bool keeps(image *i, fault_keep keep)
{
    return keep == FAULT_KEEP_ALL || (keep == FAULT_KEEP_SOME && next_random(i) % 2 == 0);
}

static void add_pending(const record ***list, size_t *count, const record *r)
{
    if ((*count & (*count - 1)) == 0)
        *list = must(realloc(*list, (*count == 0 ? 1 : *count * 2) * sizeof(**list)));
    (*list)[(*count)++] = r;
}

static void grow(content *c, size_t size, unsigned char with)
{
    if (size > c->room) {
        c->room = size * 2;
        c->bytes = must(realloc(c->bytes, c->room));
    }
    if (size > c->size) {
        memset(c->bytes + c->size, with, size - c->size);
        c->size = size;
    }
}

static void put_bytes(content *c, const unsigned char *bytes, size_t size, size_t at, unsigned char with)
{
    grow(c, at, with);
    grow(c, at + size, with);
    if (size > 0)
        memcpy(c->bytes + at, bytes, size);
}

static void apply_write(image *i, content *c, const record *r, fault_keep keep, unsigned char hole)
{
    const unsigned char *bytes = (const unsigned char *)(r + 1);
    size_t done = 0;

    while (done < r->size) {
        size_t at = (size_t)r->at + done, part = SECTOR - at % SECTOR;

        if (part > r->size - done)
            part = (size_t)r->size - done;
        if (keeps(i, keep))
            put_bytes(c, bytes + done, part, at, hole);
        done += part;
    }
}

static void apply_contents(image *i, content *c, fault_keep keep)
{
    unsigned char hole = keep == FAULT_KEEP_SOME && next_random(i) % 2 == 0 ? 0xa7 : 0;

    for (size_t n = 0; n < c->pending_count; n++) {
        const record *r = c->pending[n];

        if (r->what == EVENT_WRITE) {
            apply_write(i, c, r, keep, hole);
        } else if (keeps(i, keep)) {
            grow(c, (size_t)r->size, 0);
            c->size = (size_t)r->size;
        }
    }
    c->pending_count = 0;
}

static void apply_name(image *i, const record *r)
{
    if (r->what == EVENT_CREATE)
        put(i->entries, &i->entry_count, r->name, r->file);
    else if (r->what == EVENT_DELETE)
        take(i->entries, &i->entry_count, r->name);
    else
        move(i->entries, &i->entry_count, r->name, r->to);
}

static void apply_names(image *i, fault_keep keep)
{
    for (size_t n = 0; n < i->pending_count; n++)
        if (keeps(i, keep))
            apply_name(i, i->pending[n]);
    i->pending_count = 0;
}

static void replay(image *i, const record *r)
{
    content *c = i->files + r->file;

    switch (r->what) {
    case EVENT_FILE:
        put(i->entries, &i->entry_count, r->name, r->file);
        put_bytes(c, (const unsigned char *)(r + 1), (size_t)r->size, 0, 0);
        break;
    case EVENT_WRITE:
    case EVENT_TRUNCATE: add_pending(&c->pending, &c->pending_count, r); break;
    case EVENT_SYNC: apply_contents(i, c, FAULT_KEEP_ALL); break;
    case EVENT_SYNC_FAILED: apply_contents(i, c, i->contents); break;
    case EVENT_CREATE:
    case EVENT_DELETE:
    case EVENT_RENAME: add_pending(&i->pending, &i->pending_count, r); break;
    case EVENT_SYNC_FOLDER: apply_names(i, FAULT_KEEP_ALL); break;
    }
}

static void replay_all(image *i)
{
    for (size_t at = 0; at < disk->length;) {
        const record *r = (const void *)(disk->log + at);

        replay(i, r);
        at += (sizeof(*r) + bytes_of(r) + 7) & ~(size_t)7;
    }
    apply_names(i, i->names);
    for (size_t n = 0; n < FILES; n++)
        apply_contents(i, i->files + n, i->contents);
}

static void path_of(char path[512], const char *name)
{
    snprintf(path, 512, "%s/%.255s", disk->folder, name);
}

/* Where a file waits that may be under another name, or gone. */
static void path_aside(char path[512], uint32_t file)
{
    snprintf(path, 512, "%s/.file-%u", disk->folder, (unsigned)file);
}

static void put_aside(void)
{
    char from[512], to[512];

    for (size_t n = 0; n < disk->entry_count; n++) {
        path_of(from, disk->entries[n].name);
        path_aside(to, disk->entries[n].file);
        if (rename(from, to) != 0)
            give_up("a file that should be there is not");
    }
}

/* What was never durable, shared memory, and files without a name. */
static void empty_folder(void)
{
    DIR *folder = must(opendir(disk->folder));
    struct dirent *found;

    while ((found = readdir(folder)) != NULL)
        if (found->d_name[0] != '.')
            unlinkat(dirfd(folder), found->d_name, 0);
    closedir(folder);
}

static void drop_aside(void)
{
    char path[512];

    for (uint32_t file = 1; file <= disk->files; file++) {
        path_aside(path, file);
        unlink(path);
    }
}

/* A file that has lasted is the same file after it: the library tells a copy from it. */
static void write_file(const image *i, const entry *e)
{
    const content *c = i->files + e->file;
    char aside[512], path[512];
    FILE *file;

    path_aside(aside, e->file);
    path_of(path, e->name);
    rename(aside, path);
    file = fopen(path, "wbe");
    if (file == NULL || (c->size > 0 && fwrite(c->bytes, 1, c->size, file) != c->size) || fclose(file) != 0)
        give_up("a file cannot be written");
}

void fault_power_loss(fault_keep contents, fault_keep names, unsigned int seed)
{
    image *i = must(calloc(1, sizeof(*i)));
    char folder[sizeof(disk->folder)];
    pid_t armed = disk->armed;
    int calls = disk->calls;

    memcpy(folder, disk->folder, sizeof(folder));
    i->contents = contents;
    i->names = names;
    i->random = seed;
    replay_all(i);
    disk->watched = false;
    put_aside();
    empty_folder();
    for (size_t n = 0; n < i->entry_count; n++)
        write_file(i, i->entries + n);
    drop_aside();
    for (size_t n = 0; n < FILES; n++) {
        free(i->files[n].bytes);
        free(i->files[n].pending);
    }
    free(i->pending);
    free(i);
    fault_disk_begin(folder);
    disk->armed = armed;
    disk->calls = calls;
}
