#include "base/system.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/text.h"

static int64_t clock_ms(clockid_t clock)
{
    struct timespec now;

    if (clock_gettime(clock, &now) != 0)
        return 0;
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int64_t real_boot_ms(void *data)
{
    (void)data;
    return clock_ms(CLOCK_BOOTTIME);
}

static int64_t real_wall_ms(void *data)
{
    (void)data;
    return clock_ms(CLOCK_REALTIME);
}

static void real_sleep_ms(void *data, int64_t ms)
{
    struct timespec left = {(time_t)(ms / 1000), (long)(ms % 1000) * 1000000};

    (void)data;
    if (ms <= 0)
        return;
    while (nanosleep(&left, &left) != 0 && errno == EINTR)
        ;
}

static int real_random(void *data, void *ret_bytes, size_t size)
{
    unsigned char *bytes = ret_bytes;

    (void)data;
    while (size > 0) {
        ssize_t got = getrandom(bytes, size, 0);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return MTNT_E_IO;
        bytes += got;
        size -= (size_t)got;
    }
    return MTNT_OK;
}

const mtnt__system *mtnt__system_default(void)
{
    static const mtnt__system real = {real_boot_ms, real_wall_ms, real_sleep_ms, real_random, NULL};

    return &real;
}

mtnt__deadline_ms mtnt__deadline_in(const mtnt__system *system, int64_t timeout_ms)
{
    mtnt__deadline_ms deadline;

    if (timeout_ms <= 0)
        return 0;
    if (__builtin_add_overflow(system->boot_ms(system->data), timeout_ms, &deadline))
        return INT64_MAX;
    return deadline;
}

int mtnt__deadline_left(const mtnt__system *system, mtnt__deadline_ms deadline)
{
    int64_t left;

    if (deadline == 0)
        return -1;
    left = deadline - system->boot_ms(system->data);
    if (left < 0)
        return 0;
    return left > INT_MAX ? INT_MAX : (int)left;
}

mtnt__deadline_ms mtnt__deadline_earlier(mtnt__deadline_ms a, mtnt__deadline_ms b)
{
    if (a == 0)
        return b;
    return b == 0 || a < b ? a : b;
}

int mtnt__random_id(const mtnt__system *system, char ret_id[MTNT__ID_SIZE], mtnt_error *err)
{
    static const char digits[] = "0123456789abcdef";
    unsigned char bytes[(MTNT__ID_SIZE - 1) / 2];

    if (system->random(system->data, bytes, sizeof(bytes)) != 0)
        return mtnt_error_set(err, MTNT_E_IO, "the system gave no random bytes");
    for (size_t i = 0; i < sizeof(bytes); i++) {
        ret_id[2 * i] = digits[bytes[i] >> 4];
        ret_id[2 * i + 1] = digits[bytes[i] & 15];
    }
    ret_id[MTNT__ID_SIZE - 1] = '\0';
    return MTNT_OK;
}

void mtnt__time_text(int64_t wall_ms, char ret_text[MTNT__TIME_SIZE])
{
    int64_t seconds = wall_ms / 1000, ms = wall_ms % 1000;
    struct tm broken;
    time_t time;

    if (ms < 0) {
        ms += 1000;
        seconds--;
    }
    time = (time_t)seconds;
    /* A year of more than four digits has no RFC 3339 form. */
    if (!gmtime_r(&time, &broken) || broken.tm_year < -1900 || broken.tm_year > 9999 - 1900) {
        mtnt__text_copy(ret_text, MTNT__TIME_SIZE, "1970-01-01T00:00:00.000Z");
        return;
    }
    snprintf(ret_text, MTNT__TIME_SIZE, "%04u-%02u-%02uT%02u:%02u:%02u.%03uZ",
             (unsigned)(broken.tm_year + 1900) % 10000u, (unsigned)(broken.tm_mon + 1) % 100u,
             (unsigned)broken.tm_mday % 100u, (unsigned)broken.tm_hour % 100u, (unsigned)broken.tm_min % 100u,
             (unsigned)broken.tm_sec % 100u, (unsigned)ms % 1000u);
}

/* ---- processes ---- */

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
    return MTNT__PROCESS_ALIVE;
}
