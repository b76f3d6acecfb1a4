/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "paths.h"

#include <string.h>

bool path_is_under(const char *path, const char *base) {
        size_t length = strlen(base);
        return strncmp(path, base, length) == 0 && (path[length] == '\0' || path[length] == '/');
}

bool path_is_plainly_under(const char *path, const char *base) {
        return path_is_under(path, base) && !strstr(path, "//") && !strstr(path, "/../") && !g_str_has_suffix(path, "/..");
}

char *caller_encode(uid_t uid, const char *unique_name, bool own_rights) {
        return g_strdup_printf(":%c%u.%s", own_rights ? 'o' : 'u', (unsigned) uid,
                               unique_name[0] == ':' ? unique_name + 1 : unique_name);
}

bool caller_decode(const char *sender, uid_t *uid, bool *own_rights) {
        if (!sender || sender[0] != ':' || (sender[1] != 'u' && sender[1] != 'o') || !g_ascii_isdigit(sender[2]))
                return false;
        char *end;
        guint64 value = g_ascii_strtoull(sender + 2, &end, 10);
        if (*end != '.' || value > (uid_t) -2)
                return false;
        *uid = (uid_t) value;
        *own_rights = sender[1] == 'o';
        return true;
}

bool caller_is_behind_driver(const char *sender) {
        return sender && strstr(sender, "." CALLER_VIA) != NULL;
}
