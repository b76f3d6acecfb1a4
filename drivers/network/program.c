/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "network/program.h"

#include <unistd.h>

#include "errors.h"

/* Where administrators' programs are, which are in no user's path. */
static const char *const folders[] = { "/usr/sbin", "/sbin", "/usr/local/sbin" };

char *program_find(const char *name, const char *package, GError **error) {
        char *found = g_find_program_in_path(name);
        for (size_t i = 0; i < G_N_ELEMENTS(folders) && !found; i++) {
                g_autofree char *path = g_build_filename(folders[i], name, NULL);
                found = g_find_program_in_path(path);
        }
        if (!found)
                virtbus_error_set(error, VIRTBUS_ERROR_UNSUPPORTED, "program %s is missing: install package %s", name, package);
        return found;
}

char *program_said(int log) {
        char text[PROGRAM_SAID_MAX + 1] = "";
        ssize_t n = pread(log, text, PROGRAM_SAID_MAX, 0);
        text[n > 0 ? n : 0] = '\0';
        g_strdelimit(text, "\n\t", ' ');
        g_strstrip(text);
        return g_utf8_make_valid(*text ? text : "it says nothing", -1);
}
