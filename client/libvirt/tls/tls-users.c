/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tls/tls-users.h"

#include <stdbool.h>
#include <string.h>

/* "USER NAME"; false where LINE is another. Both are borrowed from it. */
static bool take_apart(char *line, const char **user, const char **name) {
        char *space = strpbrk(line, " \t");
        if (!space)
                return false;
        *space = '\0';
        *user = line;
        *name = g_strchug(space + 1);
        return **name;
}

/* All lines are looked at, so that one that is wrong is told whoever comes. */
char *tls_users_find(const char *text, const char *path, const char *name, GError **error) {
        g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
        const char *found = NULL;
        if (!g_utf8_validate(name, -1, NULL)) { /* patterns are matched by whole characters */
                g_autofree char *shown = g_strescape(name, NULL);
                g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_ACCES, "no user is named for '%s', which is not UTF-8", shown);
                return NULL;
        }
        for (size_t i = 0; lines[i]; i++) {
                char *line = g_strstrip(lines[i]);
                const char *user, *pattern;
                if (*line == '\0' || *line == '#')
                        continue;
                if (!take_apart(line, &user, &pattern)) {
                        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_INVAL,
                                    "%s, line %zu: it is not a user and a certificate's name, as in: alice "
                                    "C=DE,O=Example,CN=laptop",
                                    path, i + 1);
                        return NULL;
                }
                if (!found && g_pattern_match_simple(pattern, name))
                        found = user;
        }
        if (!found) {
                g_autofree char *shown = g_strescape(name, NULL);
                g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_ACCES,
                            "no user is named for the certificate '%s': add a line \"USER %s\" to %s", shown, shown, path);
        }
        return g_strdup(found);
}
