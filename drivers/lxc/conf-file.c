/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lxc/conf-file.h"

#include <string.h>

#include "base/xml.h"

static void line_free(void *data) {
        ConfLine *line = data;
        g_free(line->key);
        g_free(line->value);
        g_free(line);
}

static bool fail_va(const ConfLine *line, GError **error, VirtbusError code, const char *format, va_list arguments) {
        g_autofree char *text = g_strdup_vprintf(format, arguments);
        return virtbus_error_set(error, code, "line %u: %.64s: %s", line->number, line->key, text);
}

bool conf_file_fail(const ConfLine *line, GError **error, VirtbusError code, const char *format, ...) {
        va_list arguments;
        va_start(arguments, format);
        fail_va(line, error, code, format, arguments);
        va_end(arguments);
        return false;
}

bool conf_file_invalid(const ConfLine *line, GError **error, const char *format, ...) {
        va_list arguments;
        va_start(arguments, format);
        fail_va(line, error, VIRTBUS_ERROR_INVALID_ARGUMENT, format, arguments);
        va_end(arguments);
        return false;
}

bool conf_file_unsupported(const ConfLine *line, GError **error, const char *format, ...) {
        va_list arguments;
        va_start(arguments, format);
        fail_va(line, error, VIRTBUS_ERROR_UNSUPPORTED, format, arguments);
        va_end(arguments);
        return false;
}

/* A line without its end; true and no line for an empty one, or a comment. */
static bool parse_line(unsigned number, char *text, GPtrArray *lines, GError **error) {
        g_strstrip(text);
        if (!*text || *text == '#')
                return true;
        char *equals = strchr(text, '=');
        if (!equals)
                return virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT, "line %u is not KEY = VALUE", number);
        *equals = '\0';
        g_strstrip(text);
        g_strstrip(equals + 1);
        if (!*text || strpbrk(text, " \t\"'"))
                return virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT, "line %u: '%.64s' is not a key", number, text);
        ConfLine *line = g_new0(ConfLine, 1);
        *line = (ConfLine){ number, g_strdup(text), g_strdup(equals + 1) };
        g_ptr_array_add(lines, line);
        return true;
}

GPtrArray *conf_file_parse(const char *text, GError **error) {
        g_autoptr(GPtrArray) lines = g_ptr_array_new_with_free_func(line_free);
        unsigned number = 0;
        if (strlen(text) > CONF_BYTES_MAX) {
                virtbus_error_set(error, VIRTBUS_ERROR_LIMIT_EXCEEDED, "the configuration has more than %d bytes",
                                  CONF_BYTES_MAX);
                return NULL;
        }
        if (!xml_is_text(text)) {
                virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                  "the configuration has characters that no document can have");
                return NULL;
        }
        for (const char *start = text; *start; start += strcspn(start, "\n"), start += *start == '\n') {
                g_autofree char *line = g_strndup(start, strcspn(start, "\n"));
                if (++number > CONF_LINES_MAX) {
                        virtbus_error_set(error, VIRTBUS_ERROR_LIMIT_EXCEEDED, "the configuration has more than %d lines",
                                          CONF_LINES_MAX);
                        return NULL;
                }
                if (!parse_line(number, line, lines, error))
                        return NULL;
        }
        return g_steal_pointer(&lines);
}

char **conf_file_words(const char *text) {
        g_autoptr(GPtrArray) words = g_ptr_array_new();
        for (const char *c = text; *c;) {
                size_t length = strcspn(c, " \t\r");
                if (length > 0)
                        g_ptr_array_add(words, g_strndup(c, length));
                c += length + strspn(c + length, " \t\r");
        }
        g_ptr_array_add(words, NULL);
        return (char **) g_ptr_array_free(g_steal_pointer(&words), FALSE);
}

bool conf_file_number(const char *text, guint64 max, guint64 *number) {
        return g_ascii_isdigit(*text) && g_ascii_string_to_unsigned(text, 10, 0, max, number, NULL);
}
