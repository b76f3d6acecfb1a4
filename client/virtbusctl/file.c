/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Files that a person names. D-Bus has texts in UTF-8 only; documents are in whatever their first bytes or their XML declaration
 * say (https://www.w3.org/TR/xml/#sec-guessing). */

#include <string.h>
#include <unistd.h>

#include "ctl.h"

/* First bytes that tell of an encoding, whether they are a mark to be left out, and where there is no mark, those of "<". */
static const struct {
        const char *bytes;
        gsize length;
        const char *encoding;
        bool is_mark;
} beginnings[] = {
        { "\xef\xbb\xbf", 3, "UTF-8", true }, { "\xff\xfe\0\0", 4, "UTF-32LE", true }, { "\0\0\xfe\xff", 4, "UTF-32BE", true },
        { "\xff\xfe", 2, "UTF-16LE", true },  { "\xfe\xff", 2, "UTF-16BE", true },     { "<\0", 2, "UTF-16LE", false },
        { "\0<", 2, "UTF-16BE", false },
};

/* The encoding that an XML declaration names, or NULL; to be freed. */
static char *declared(const char *text) {
        g_autoptr(GRegex) regex =
                        g_regex_new("^<\\?xml[^>]*\\bencoding\\s*=\\s*[\"']([A-Za-z0-9._-]+)[\"']", G_REGEX_RAW, 0, NULL);
        g_autoptr(GMatchInfo) match = NULL;
        return g_regex_match(regex, text, 0, &match) ? g_match_info_fetch(match, 1) : NULL;
}

/* TEXT (taken) as UTF-8, or NULL. */
static char *to_utf8(char *text, gsize length, const char *path, GError **error) {
        g_autofree char *bytes = text, *encoding = NULL;
        gsize mark = 0;
        for (gsize i = 0; i < G_N_ELEMENTS(beginnings) && !encoding; i++)
                if (length >= beginnings[i].length && memcmp(bytes, beginnings[i].bytes, beginnings[i].length) == 0) {
                        encoding = g_strdup(beginnings[i].encoding);
                        mark = beginnings[i].is_mark ? beginnings[i].length : 0;
                }
        /* What is UTF-8 stays, whatever it declares: programs write declarations that are not true of what they hand on. */
        if ((!encoding || strcmp(encoding, "UTF-8") == 0) && g_utf8_validate(bytes + mark, (gssize) (length - mark), NULL))
                return g_strndup(bytes + mark, length - mark);
        if (!encoding && !memchr(bytes, 0, length))
                encoding = declared(bytes);
        char *converted = NULL;
        g_autoptr(GError) reason = NULL;
        if (encoding)
                converted = g_convert(bytes + mark, (gssize) (length - mark), "UTF-8", encoding, NULL, NULL, &reason);
        if (!converted)
                g_set_error(error, VIRTBUS_ERROR, VIRTBUS_ERROR_INVALID_ARGUMENT, "%s is not %s%s%s; write it in UTF-8", path,
                            encoding ? encoding : "UTF-8, and declares no other encoding", reason ? ": " : "",
                            reason ? reason->message : "");
        return converted;
}

bool ctl_read_file(const char *path, char **text, GError **error) {
        g_autofree char *bytes = NULL;
        gsize length = 0;
        const bool is_input = strcmp(path, "-") == 0;
        if (is_input) {
                g_autoptr(GIOChannel) channel = g_io_channel_unix_new(STDIN_FILENO);
                g_io_channel_set_encoding(channel, NULL, NULL);
                if (g_io_channel_read_to_end(channel, &bytes, &length, error) != G_IO_STATUS_NORMAL)
                        return false;
        } else if (!g_file_get_contents(path, &bytes, &length, error))
                return false;
        *text = to_utf8(g_steal_pointer(&bytes), length, is_input ? "standard input" : path, error);
        return *text != NULL;
}

bool ctl_invalid(GError **error, const char *format, ...) {
        va_list arguments;
        va_start(arguments, format);
        g_autofree char *text = g_strdup_vprintf(format, arguments);
        va_end(arguments);
        g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, text);
        return false;
}
