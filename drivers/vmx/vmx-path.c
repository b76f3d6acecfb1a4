/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmx/vmx-path.h"

#include <string.h>

#define VOLUMES "/vmfs/volumes/"

char *vmx_path_to_document(const char *path) {
        const char *store = g_str_has_prefix(path, VOLUMES) ? path + strlen(VOLUMES) : NULL,
                   *slash = store ? strchr(store, '/') : NULL;
        if (!slash || slash == store || !slash[1] || memchr(store, ']', (size_t) (slash - store)))
                return g_strdup(path);
        return g_strdup_printf("[%.*s] %s", (int) (slash - store), store, slash + 1);
}

char *vmx_path_from_document(const char *path) {
        const char *end = path[0] == '[' ? strchr(path, ']') : NULL;
        if (!end || end == path + 1 || memchr(path, '/', (size_t) (end - path)))
                return g_strdup(path);
        const char *rest = end + 1 + strspn(end + 1, " ");
        return *rest ? g_strdup_printf(VOLUMES "%.*s/%s", (int) (end - path - 1), path + 1, rest) : g_strdup(path);
}
