#include "who.h"

#include <pwd.h>
#include <stdio.h>
#include <unistd.h>

void mtnt__who(char ret_who[MTNT__WHO_SIZE])
{
    char buffer[1024], host[65] = "?";
    struct passwd entry, *found = NULL;

    if (gethostname(host, sizeof host) != 0)
        host[0] = '?';
    host[sizeof host - 1] = '\0';
    if (getpwuid_r(getuid(), &entry, buffer, sizeof buffer, &found) == 0 && found != NULL)
        snprintf(ret_who, MTNT__WHO_SIZE, "%s@%s", entry.pw_name, host);
    else
        snprintf(ret_who, MTNT__WHO_SIZE, "uid %lu@%s", (unsigned long)getuid(), host);
}
