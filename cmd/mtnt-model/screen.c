#include "screen.h"

#include <langinfo.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static const char *environment(const char *name)
{
    return getenv(name); /* NOLINT(concurrency-mt-unsafe): nobody changes the environment */
}

/* The locale of the environment, without setting the process's own: numbers stay as they are. */
static bool locale_is_utf8(void)
{
    locale_t locale = newlocale(LC_CTYPE_MASK, "", (locale_t)0);
    bool utf8;

    if (locale == (locale_t)0)
        return false;
    utf8 = strcmp(nl_langinfo_l(CODESET, locale), "UTF-8") == 0;
    freelocale(locale);
    return utf8;
}

void mtnt__screen_init(mtnt__screen *screen, FILE *out, FILE *err, bool quiet)
{
    const char *no_colour = environment("NO_COLOR"), *term = environment("TERM");
    bool smart = term != NULL && *term != '\0' && strcmp(term, "dumb") != 0;
    bool colour = smart && (no_colour == NULL || *no_colour == '\0');

    *screen = (mtnt__screen){
        .out = out,
        .err = err,
        .colour_out = colour && isatty(fileno(out)),
        .colour_err = colour && isatty(fileno(err)),
        .utf8 = locale_is_utf8(),
        .live = smart && !quiet && isatty(fileno(err)),
    };
}

int mtnt__screen_width(const mtnt__screen *screen)
{
    struct winsize size;
    const char *columns = environment("COLUMNS");
    int64_t width = 80;

    if ((ioctl(fileno(screen->err), TIOCGWINSZ, &size) == 0 && size.ws_col > 0) ||
        (ioctl(fileno(screen->out), TIOCGWINSZ, &size) == 0 && size.ws_col > 0))
        width = size.ws_col;
    else if (columns != NULL)
        (void)mtnt__words_int(columns, 1, 10000, &width);
    return width < 20 ? 20 : (int)width;
}

const char *mtnt__screen_sign(const mtnt__screen *screen, const char *utf8, const char *ascii)
{
    return screen->utf8 ? utf8 : ascii;
}

void mtnt__screen_put(const mtnt__screen *screen, FILE *to, mtnt__style style, const char *text)
{
    static const char *const codes[] = {
        [MTNT__STYLE_GOOD] = "\033[32m",
        [MTNT__STYLE_BAD] = "\033[31m",
        [MTNT__STYLE_FAINT] = "\033[2m",
        [MTNT__STYLE_STRONG] = "\033[1m",
    };
    bool colour = style != MTNT__STYLE_PLAIN && (to == screen->out ? screen->colour_out : screen->colour_err);

    if (colour)
        fputs(codes[style], to);
    mtnt__words_put(to, text);
    if (colour)
        fputs("\033[0m", to);
}

void mtnt__screen_bar(const mtnt__screen *screen, FILE *to, int columns, int64_t done, int64_t total)
{
    int64_t filled = total > 0 ? (int64_t)((double)columns * (double)done / (double)total) : 0;

    for (int64_t i = 0; i < columns; i++)
        fputs(i < filled ? mtnt__screen_sign(screen, "█", "#") : mtnt__screen_sign(screen, "░", "."), to);
}

void mtnt__screen_line(mtnt__screen *screen, const char *line)
{
    if (!screen->live || (line == NULL && !screen->line_shown))
        return;
    fputs("\r\033[K", screen->err);
    if (line != NULL)
        fputs(line, screen->err);
    screen->line_shown = line != NULL;
    fflush(screen->err);
}
