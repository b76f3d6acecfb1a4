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

/* An entry is one line, whatever the words of strangers in it are: a guest's, a QEMU's, a document's. What is not a plain
 * character could begin another entry, of any level, or tell a terminal that shows the log what to do. */
static char *one_line(const char *text) {
        g_autofree char *valid = g_utf8_make_valid(text, -1);
        GString *line = g_string_sized_new(strlen(valid));
        for (const char *c = valid; *c; c = g_utf8_next_char(c)) {
                gunichar character = g_utf8_get_char(c);
                GUnicodeType type = g_unichar_type(character);
                bool is_plain = type != G_UNICODE_CONTROL && type != G_UNICODE_FORMAT && type != G_UNICODE_LINE_SEPARATOR &&
                                type != G_UNICODE_PARAGRAPH_SEPARATOR;
                if (is_plain)
                        g_string_append_unichar(line, character);
                else
                        g_string_append_printf(line, character < 0x100 ? "\\x%02x" : "\\u%04x", (unsigned) character);
        }
        return g_string_free(line, FALSE);
}

void log_write(int level, const char *format, ...) {
        if (!log_has_level(level))
                return;
        va_list arguments;
        va_start(arguments, format);
        g_autofree char *text = g_strdup_vprintf(format, arguments), *line = one_line(text);
        va_end(arguments);
        if (log_is_journal())
                fprintf(stderr, "<%d>%s\n", level, line);
        else
                fprintf(stderr, "%s\n", line);
}
