/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* replay FOLDER...: gives a fuzz target every file of the folders, once; each is one test, named after the file. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

static void add_files(GPtrArray *files, const char *folder) {
        g_autoptr(GDir) listing = g_dir_open(folder, 0, NULL);
        for (const char *name; listing && (name = g_dir_read_name(listing));)
                g_ptr_array_add(files, g_build_filename(folder, name, NULL));
}

static int compare(const void *a, const void *b) {
        return strcmp(*(char *const *) a, *(char *const *) b);
}

int main(int argc, char *argv[]) {
        g_autoptr(GPtrArray) files = g_ptr_array_new_with_free_func(g_free);
        for (int i = 1; i < argc; i++)
                add_files(files, argv[i]);
        g_ptr_array_sort(files, compare);
        printf("1..%u\n", files->len);
        for (guint i = 0; i < files->len; i++) {
                g_autofree char *data = NULL, *name = g_path_get_basename(files->pdata[i]);
                gsize size = 0;
                if (!g_file_get_contents(files->pdata[i], &data, &size, NULL))
                        return EXIT_FAILURE;
                g_strdelimit(name, "-.", ' ');
                printf("# %s\n", name); /* for whoever looks after a crash */
                fflush(stdout);
                LLVMFuzzerTestOneInput((const uint8_t *) data, size);
                printf("ok %u - %s\n", i + 1, name);
                fflush(stdout);
        }
        return EXIT_SUCCESS;
}
