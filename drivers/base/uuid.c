/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/uuid.h"

#include "errors.h"

char *uuid_normalize(const char *text) {
        g_autoptr(GString) uuid = g_string_new(NULL);
        unsigned n = 0;
        for (; *text; text++) {
                if (g_ascii_isxdigit(*text)) {
                        if (n == 8 || n == 12 || n == 16 || n == 20)
                                g_string_append_c(uuid, '-');
                        g_string_append_c(uuid, g_ascii_tolower(*text));
                        n++;
                } else if (*text == '-' ? n == 32 : !g_ascii_isspace(*text)) /* nothing but white space after the last digit */
                        return NULL;
        }
        return n == 32 ? g_string_free(g_steal_pointer(&uuid), FALSE) : NULL;
}

char *uuid_of_argument(const char *text, GError **error) {
        char *uuid = uuid_normalize(text);
        if (!uuid)
                virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT, "'%.64s' is not a UUID: use 32 hexadecimal digits",
                                  text);
        return uuid;
}
