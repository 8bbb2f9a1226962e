#include "template.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char mtnt__template_up[] =
    "-- {order} {name}: what it does, in one sentence.\n"
    "-- All of it runs in one transaction for each tenant: no BEGIN, no COMMIT.\n"
    "-- :'tenant' is the tenant's id as a quoted literal; so are its vars and labels by their names.\n"
    "\n"
    "CREATE TABLE {name}(id INTEGER PRIMARY KEY);\n";

const char mtnt__template_down[] = "-- {order} {name}: takes back what {name} has done.\n"
                                   "\n"
                                   "DROP TABLE {name};\n";

char *mtnt__template_fill(const char *template, const char *name, int64_t order)
{
    static const char name_mark[] = "{name}", order_mark[] = "{order}";
    char *result = NULL;
    size_t size;
    FILE *out = open_memstream(&result, &size);

    if (out == NULL)
        return NULL;
    while (*template != '\0')
        if (strncmp(template, name_mark, sizeof name_mark - 1) == 0) {
            fputs(name, out);
            template += sizeof name_mark - 1;
        } else if (strncmp(template, order_mark, sizeof order_mark - 1) == 0) {
            fprintf(out, "%" PRId64, order);
            template += sizeof order_mark - 1;
        } else {
            fputc(*template ++, out);
        }
    if (fclose(out) != 0) {
        free(result);
        return NULL;
    }
    return result;
}
