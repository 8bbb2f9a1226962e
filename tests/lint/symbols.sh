#!/bin/sh
# What compiled code may call, keep and export.
#   sh symbols.sh objects FILE…   archives or objects of libmtnt: no forbidden call, no mutable global
#   sh symbols.sh exports FILE…   shared libraries: every exported name is mtnt_…, and not mtnt__…
#   sh symbols.sh --self-test     checks that each rule catches an offender (compiles small ones with cc)
set -eu
export LC_ALL=C

# The library lives in somebody else's process: it does not print, exit, fork or touch signals, and
# calls nothing that keeps state of its own or knows no bounds. Fortified and versioned names count too.
forbidden='
printf vprintf puts putchar putc_unlocked perror stdout stderr stdin gets getchar
exit _exit _Exit quick_exit abort __assert_fail atexit on_exit
fork vfork system popen daemon
signal sigaction sigprocmask pthread_sigmask raise alarm setitimer sigsetjmp __sigsetjmp longjmp siglongjmp setjmp _setjmp
strtok strerror localtime gmtime ctime asctime tmpnam tempnam mktemp getlogin gethostbyname
setlocale setenv putenv unsetenv srand rand random srandom drand48
strcpy strcat sprintf vsprintf stpcpy atoi atol atof select chdir fchdir umask
'

# archive:object: name     of what is called and forbidden
forbidden_calls() {
    nm -A --undefined-only "$@" 2>/dev/null | awk -v forbidden="$forbidden" '
        BEGIN {
            count = split(forbidden, names, /[ \n]+/)
            for (i = 1; i <= count; i++)
                if (names[i] != "")
                    bad[names[i]] = 1
        }
        NF {
            name = $NF
            sub(/@.*/, "", name)
            plain = name
            if (plain ~ /^__.*_chk$/) {
                sub(/^__/, "", plain)
                sub(/_chk$/, "", plain)
            }
            if (name in bad || plain in bad)
                print $1 " calls " name ", which a library must not"
        }'
}

# Data that can change, thread-local included. Tables of pointers (.data.rel.ro) are constant once loaded.
mutable_globals() {
    nm -A -f sysv --defined-only "$@" 2>/dev/null | awk -F'|' '
        {
            class = $3
            section = $7
            gsub(/ /, "", class)
            gsub(/ /, "", section)
            if (class ~ /^[BbCcDdGgSs]$/ && section !~ /^\.data\.rel\.ro/) {
                name = $1
                gsub(/ +$/, "", name)
                print name " is mutable global state (" section ")"
            }
        }'
}

wrong_exports() {
    nm -D -A --defined-only "$@" | awk '
        { name = $NF; sub(/@.*/, "", name) }
        name !~ /^mtnt_[a-z]/ { print $1 " exports " name ", which is not of the public interface" }'
}

report() {
    what=$1
    shift
    for file; do
        [ -r "$file" ] || { echo "no such file: $file"; return 1; }
    done
    case $what in
    objects) offences=$(forbidden_calls "$@" && mutable_globals "$@") ;;
    exports) offences=$(wrong_exports "$@") ;;
    esac
    [ -n "$offences" ] || return 0
    echo "$offences"
    return 1
}

compile() {
    printf '%s\n' "$1" >"$scratch/a.c"
    rm -f "$scratch/a.o" "$scratch/a.so"
    "${CC:-cc}" -std=c11 -D_GNU_SOURCE -fPIC -O"${2:-0}" -w -fvisibility=hidden -c -o "$scratch/a.o" "$scratch/a.c"
    "${CC:-cc}" -shared -o "$scratch/a.so" "$scratch/a.o"
}
caught() {
    for level in 0 2; do
        compile "$2" "$level"
        if (report "$1" "$scratch/a.$3" >/dev/null); then
            echo "not caught at -O$level: $2"
            failed=1
        fi
    done
}
fine() {
    compile "$2"
    if ! (report "$1" "$scratch/a.$3"); then
        echo "wrongly refused: $2"
        failed=1
    fi
}

self_test() {
    scratch=$(mktemp -d)
    trap 'rm -rf "$scratch"' EXIT
    failed=0
    caught objects '#include <stdio.h>
        void f(const char *s) { printf("%s!", s); }' o
    caught objects '#include <stdio.h>
        void f(void) { printf("constant\n"); }' o
    caught objects '#include <stdio.h>
        void f(void) { fprintf(stderr, "x"); }' o
    caught objects '#include <stdlib.h>
        void f(void) { exit(1); }' o
    caught objects '#include <assert.h>
        void f(int x) { assert(x); }' o
    caught objects '#include <unistd.h>
        int f(void) { return fork(); }' o
    caught objects '#include <signal.h>
        void f(void) { signal(SIGPIPE, SIG_IGN); }' o
    caught objects '#include <string.h>
        char *f(char *s) { return strtok(s, ","); }' o
    caught objects '#include <string.h>
        char *f(int e) { return strerror(e); }' o
    caught objects '#include <time.h>
        struct tm *f(time_t *t) { return gmtime(t); }' o
    caught objects '#define _FORTIFY_SOURCE 2
        #include <stdio.h>
        void f(char *b, int x) { sprintf(b, "%d", x); }' o
    caught objects 'int counter; int f(void) { return counter++; }' o
    caught objects 'int f(void) { static int calls; return ++calls; }' o
    caught objects 'int f(void) { static int calls = 5; return ++calls; }' o
    caught objects '_Thread_local int last; int *f(void) { return &last; }' o
    caught objects '#include <pthread.h>
        pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; void f(void) { pthread_mutex_lock(&lock); }' o
    caught exports '__attribute__((visibility("default"))) int helper(void) { return 1; }' so
    caught exports '__attribute__((visibility("default"))) int mtnt__inner(void) { return 1; }' so
    fine objects 'extern int g(void); static int (*const table[])(void) = { g, g }; int f(int i) { return table[i](); }' o
    fine objects '#include <stdio.h>
        int f(char *b, int x) { return snprintf(b, 9, "%d", x); }' o
    fine exports '__attribute__((visibility("default"))) int mtnt_version(void) { return 1; } int hidden(void) { return 2; }' so
    return "$failed"
}

case ${1:-} in
--self-test) self_test ;;
objects | exports)
    [ $# -ge 2 ] || { echo "symbols.sh: which files?" >&2 && exit 64; }
    report "$@"
    ;;
*) echo "usage: symbols.sh objects|exports FILE… | --self-test" >&2 && exit 64 ;;
esac
