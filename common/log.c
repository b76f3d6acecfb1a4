/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "log.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* As SYSTEMD_LOG_LEVEL names them, by number. */
static const char *const level_names[] = { "emerg", "alert", "crit", "err", "warning", "notice", "info", "debug" };

#define LEVEL_UNKNOWN (-1)
static int max_level = LEVEL_UNKNOWN;

static int level_of_environment(void) {
        const char *text = g_getenv("SYSTEMD_LOG_LEVEL");
        for (int i = 0; text && i < (int) G_N_ELEMENTS(level_names); i++)
                if (strcmp(text, level_names[i]) == 0 || (text[0] == '0' + i && !text[1]))
                        return i;
        return LOG_INFO;
}

void log_set_level(int level) {
        g_atomic_int_set(&max_level, level);
}

bool log_has_level(int level) {
        if (g_atomic_int_get(&max_level) == LEVEL_UNKNOWN)
                g_atomic_int_compare_and_exchange(&max_level, LEVEL_UNKNOWN, level_of_environment());
        return level <= g_atomic_int_get(&max_level);
}

/* systemd says which stream it has made stderr; what this process was started from may have made it another one since. */
static bool is_journal(const char *stream) {
        struct stat status;
        if (!stream || fstat(STDERR_FILENO, &status) < 0)
                return false;
        g_autofree char *own = g_strdup_printf("%ju:%ju", (uintmax_t) status.st_dev, (uintmax_t) status.st_ino);
        return strcmp(stream, own) == 0;
}

bool log_is_journal(void) {
        static gsize answer; /* 1: no, 2: yes */
        if (g_once_init_enter(&answer))
                g_once_init_leave(&answer, is_journal(g_getenv("JOURNAL_STREAM")) ? 2 : 1);
        return answer == 2;
}

void log_write(int level, const char *format, ...) {
        if (!log_has_level(level))
                return;
        va_list arguments;
        va_start(arguments, format);
        g_autofree char *line = g_strdup_vprintf(format, arguments);
        va_end(arguments);
        if (log_is_journal())
                fprintf(stderr, "<%d>%s\n", level, line);
        else
                fprintf(stderr, "%s\n", line);
}
