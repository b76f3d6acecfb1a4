/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/host/descriptions.h"

#include <string.h>
#include <unistd.h>

static const char *const folders[] = { "/etc/qemu", "/usr/share/qemu" };

/* A description is a page of text; a larger file is not one. */
#define DESCRIPTION_BYTES_MAX (256 * 1024)

static int compare_names(const void *a, const void *b) {
        return strcmp(*(const char *const *) a, *(const char *const *) b);
}

/* Their names, sorted as the format wants it, without a folder. */
static GPtrArray *list_names(const char *kind) {
        g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
        GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
        for (size_t i = 0; i < G_N_ELEMENTS(folders); i++) {
                g_autofree char *path = g_build_filename(folders[i], kind, NULL);
                g_autoptr(GDir) folder = g_dir_open(path, 0, NULL);
                for (const char *name; folder && (name = g_dir_read_name(folder));)
                        if (g_str_has_suffix(name, ".json") && !g_hash_table_contains(seen, name)) {
                                g_ptr_array_add(names, g_strdup(name));
                                g_hash_table_add(seen, names->pdata[names->len - 1]);
                        }
        }
        g_ptr_array_sort(names, compare_names);
        return names;
}

static JsonNode *read_one(const char *path) {
        g_autofree char *text = NULL;
        gsize length;
        if (!g_file_get_contents(path, &text, &length, NULL) || length > DESCRIPTION_BYTES_MAX)
                return NULL;
        return json_parse(text, (gssize) length, NULL);
}

static void free_node(void *node) {
        json_node_unref(node);
}

GPtrArray *descriptions_read(const char *kind) {
        g_autoptr(GPtrArray) names = list_names(kind);
        GPtrArray *list = g_ptr_array_new_with_free_func(free_node);
        for (guint i = 0; i < names->len; i++)
                for (size_t k = 0; k < G_N_ELEMENTS(folders); k++) {
                        g_autofree char *path = g_build_filename(folders[k], kind, names->pdata[i], NULL);
                        if (access(path, F_OK) < 0)
                                continue;
                        g_ptr_array_add(list, read_one(path));
                        break;
                }
        return list;
}
