/* Which process is which, and the end of one that is given up. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/system.h"
#include "base/text.h"

#define END_WAIT_MS 5000 /* until a killed process is gone: it may be in the middle of a sync */

typedef struct process {
    char host[65];
    char boot[40];
    uint64_t pid_space; /* pids mean something only within one pid namespace (a container has its own) */
    int64_t pid;
    int64_t start; /* clock ticks after boot: tells a recycled pid */
} process;

/* The first line of a small file of /proc. */
static bool read_line(const char *path, char *ret_line, size_t size)
{
    int file = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got;

    if (file < 0)
        return false;
    do
        got = read(file, ret_line, size - 1);
    while (got < 0 && errno == EINTR);
    close(file);
    if (got <= 0)
        return false;
    ret_line[got] = '\0';
    ret_line[strcspn(ret_line, "\n")] = '\0';
    return true;
}

/* State and start time of a process. false: it could not be read; errno ENOENT or ESRCH: there is none. */
static bool read_process(int64_t pid, char *ret_state, int64_t *ret_start)
{
    char path[64], stat[1024], *field, *end;

    snprintf(path, sizeof(path), "/proc/%lld/stat", (long long)pid);
    errno = 0;
    if (!read_line(path, stat, sizeof(stat)))
        return false;
    field = strrchr(stat, ')'); /* the name before it may contain anything */
    if (!field || field[1] != ' ' || field[2] == '\0')
        return false;
    *ret_state = field[2];
    field += 2;
    for (int number = 3; number < 22; number++) {
        field = strchr(field, ' ');
        if (!field)
            return false;
        field++;
    }
    end = strchr(field, ' ');
    if (end)
        *end = '\0';
    return mtnt__parse_int(field, 0, INT64_MAX, ret_start);
}

/* All but pid and start time. */
static bool read_machine(process *ret_process)
{
    struct stat pid_space;

    if (gethostname(ret_process->host, sizeof(ret_process->host)) != 0)
        return false;
    ret_process->host[sizeof(ret_process->host) - 1] = '\0';
    for (char *letter = ret_process->host; *letter; letter++)
        if (*letter == '/')
            *letter = '_';
    if (!read_line("/proc/sys/kernel/random/boot_id", ret_process->boot, sizeof(ret_process->boot)))
        return false;
    ret_process->pid_space = stat("/proc/self/ns/pid", &pid_space) == 0 ? (uint64_t)pid_space.st_ino : 0;
    return true;
}

int mtnt__process_self(char ret_text[MTNT__PROCESS_SIZE], mtnt_error *err)
{
    process self = {.pid = getpid()};
    char state;

    if (!read_machine(&self) || !read_process(self.pid, &state, &self.start))
        return mtnt_error_set(err, MTNT_E_IO, "cannot tell which process this is: /proc is not readable");
    snprintf(ret_text, MTNT__PROCESS_SIZE, "%s/%s/%llu/%lld/%lld", self.host, self.boot,
             (unsigned long long)self.pid_space, (long long)self.pid, (long long)self.start);
    return MTNT_OK;
}

static bool take_part(const char **text, char *ret_part, size_t size)
{
    size_t length = strcspn(*text, "/");

    if (length >= size)
        return false;
    memcpy(ret_part, *text, length);
    ret_part[length] = '\0';
    *text += length;
    if (**text == '/')
        (*text)++;
    return true;
}

static bool parse_process(const char *text, process *ret_process)
{
    char pid_space[24], pid[24], start[24];
    int64_t number;

    if (!take_part(&text, ret_process->host, sizeof(ret_process->host)) ||
        !take_part(&text, ret_process->boot, sizeof(ret_process->boot)) ||
        !take_part(&text, pid_space, sizeof(pid_space)) || !take_part(&text, pid, sizeof(pid)) ||
        !take_part(&text, start, sizeof(start)) || *text != '\0')
        return false;
    if (!mtnt__parse_int(pid_space, 0, INT64_MAX, &number) || !mtnt__parse_int(pid, 1, INT64_MAX, &ret_process->pid) ||
        !mtnt__parse_int(start, 0, INT64_MAX, &ret_process->start))
        return false;
    ret_process->pid_space = (uint64_t)number;
    return true;
}

mtnt__process_state mtnt__process_look(const char *text)
{
    process other, self;
    int64_t start;
    char state;

    if (!parse_process(text, &other) || !read_machine(&self) || strcmp(other.host, self.host) != 0)
        return MTNT__PROCESS_UNKNOWN;
    if (strcmp(other.boot, self.boot) != 0)
        return MTNT__PROCESS_DEAD;
    if (other.pid_space != self.pid_space)
        return MTNT__PROCESS_UNKNOWN;
    if (!read_process(other.pid, &state, &start))
        return errno == ENOENT || errno == ESRCH ? MTNT__PROCESS_DEAD : MTNT__PROCESS_UNKNOWN;
    if (start != other.start || state == 'Z' || state == 'X')
        return MTNT__PROCESS_DEAD;
    return state == 'T' || state == 't' ? MTNT__PROCESS_STOPPED : MTNT__PROCESS_ALIVE;
}

/* ---- what it holds ---- */

/* "1: POSIX  ADVISORY  WRITE 1234 08:01:5678 0 EOF"; one that is waited for has "->" before POSIX. Devices are not compared: some file systems show
 * other ones here than to stat. */
static bool is_lock_of(char *line, int64_t pid, ino_t inode)
{
    enum { KIND = 1, HOLDER = 4, NODE = 5, FIELDS };
    char *fields[FIELDS] = {NULL}, *rest = line;
    int64_t holder, node;

    for (int i = 0; i < FIELDS; i++) {
        fields[i] = strtok_r(rest, " \n", &rest);
        if (fields[i] == NULL)
            return false;
    }
    return strcmp(fields[KIND], "POSIX") == 0 && mtnt__parse_int(fields[HOLDER], 1, INT64_MAX, &holder) &&
           strrchr(fields[NODE], ':') != NULL && mtnt__parse_int(strrchr(fields[NODE], ':') + 1, 0, INT64_MAX, &node) &&
           holder == pid && (ino_t)node == inode;
}

static bool is_locked_by(int64_t pid, ino_t inode)
{
    FILE *locks = fopen("/proc/locks", "re");
    char line[256];
    bool found = false;

    while (locks != NULL && !found && fgets(line, sizeof(line), locks) != NULL)
        found = is_lock_of(line, pid, inode);
    if (locks != NULL)
        fclose(locks);
    return found;
}

static bool is_there(const char *text)
{
    mtnt__process_state state = mtnt__process_look(text);

    return state == MTNT__PROCESS_ALIVE || state == MTNT__PROCESS_STOPPED;
}

bool mtnt__process_locks(const char *text, const char *path)
{
    struct stat file;
    process other;

    return parse_process(text, &other) && is_there(text) && stat(path, &file) == 0 &&
           is_locked_by(other.pid, file.st_ino);
}

/* ---- its end ---- */

/* What the descriptor stands for is the process meant when that one is still there after it was opened: a pid is not given away before. */
static int end_by_descriptor(int descriptor, const char *text, mtnt_error *err)
{
    struct pollfd gone = {.fd = descriptor, .events = POLLIN};

    if (!is_there(text))
        return MTNT_OK;
    if (syscall(SYS_pidfd_send_signal, descriptor, SIGKILL, NULL, 0) != 0 && errno != ESRCH)
        return mtnt_error_set(err, MTNT_E_REFUSED, "it may not be ended: %s",
                              errno == EPERM ? "it is another user's" : "the system says no");
    if (poll(&gone, 1, END_WAIT_MS) == 0)
        return mtnt_error_set(err, MTNT_E_BUSY, "it was killed and is not gone yet");
    return MTNT_OK;
}

int mtnt__process_end(const char *text, mtnt_error *err)
{
    char self[MTNT__PROCESS_SIZE];
    process other;
    int descriptor, rc = mtnt__process_self(self, err);

    if (rc != 0)
        return rc;
    if (strcmp(self, text) == 0)
        return mtnt_error_set(err, MTNT_E_REFUSED, "it is this process itself");
    switch (mtnt__process_look(text)) {
    case MTNT__PROCESS_DEAD: return MTNT_OK;
    case MTNT__PROCESS_UNKNOWN:
        return mtnt_error_set(err, MTNT_E_REFUSED, "it is of another host or another pid namespace");
    case MTNT__PROCESS_ALIVE:
    case MTNT__PROCESS_STOPPED: break;
    }
    if (!parse_process(text, &other))
        return mtnt_error_set(err, MTNT_E_REFUSED, "nobody knows which process it is");
    /* An isolated process acts for the one that has started it, and bears its name in claims. */
    if ((pid_t)other.pid == getppid())
        return mtnt_error_set(err, MTNT_E_REFUSED, "it is the process that has started this one");
    descriptor = (int)syscall(SYS_pidfd_open, (pid_t)other.pid, 0);
    if (descriptor < 0)
        return errno == ESRCH ? MTNT_OK
                              : mtnt_error_set(err, MTNT_E_REFUSED,
                                               "this system cannot end a process without risking to hit another");
    rc = end_by_descriptor(descriptor, text, err);
    close(descriptor);
    return rc;
}
