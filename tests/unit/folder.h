/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A folder of a test's own, which goes away with all that is in it. */

#include <ftw.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <sys/stat.h>

static inline char *folder_new(void) {
        g_autoptr(GError) error = NULL;
        char *folder = g_dir_make_tmp("virtbus-unit-XXXXXX", &error);
        g_assert_no_error(error);
        return folder;
}

static inline int folder_remove_one(const char *path, const struct stat *info, int kind, struct FTW *walk) {
        (void) info;
        (void) kind;
        (void) walk;
        return remove(path);
}

/* Takes the folder's name. */
static inline void folder_free(char *folder) {
        g_assert_cmpint(nftw(folder, folder_remove_one, 16, FTW_DEPTH | FTW_PHYS), ==, 0);
        g_free(folder);
}

/* Writes a file of the folder. */
static inline void folder_write(const char *folder, const char *name, const char *text, gssize size) {
        g_autofree char *path = g_build_filename(folder, name, NULL);
        g_autoptr(GError) error = NULL;
        g_file_set_contents(path, text, size, &error);
        g_assert_no_error(error);
}

static inline gboolean folder_has(const char *folder, const char *name) {
        g_autofree char *path = g_build_filename(folder, name, NULL);
        return g_file_test(path, G_FILE_TEST_EXISTS);
}

/* The text of a file of the folder, to be freed; NULL where there is none. */
static inline char *folder_read(const char *folder, const char *name) {
        g_autofree char *path = g_build_filename(folder, name, NULL);
        char *text = NULL;
        return g_file_get_contents(path, &text, NULL, NULL) ? text : NULL;
}

static inline guint folder_count(const char *folder) {
        g_autoptr(GDir) listing = g_dir_open(folder, 0, NULL);
        guint n = 0;
        while (g_dir_read_name(listing))
                n++;
        return n;
}
