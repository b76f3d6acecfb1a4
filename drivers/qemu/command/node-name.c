/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/command/node-name.h"

#include <inttypes.h>
#include <string.h>

/* QEMU's limit on a node's name is 31 bytes. */
#define NODE_PREFIX_BYTES_MAX 18

/* Short enough whatever alias the author chose. */
char *node_name_prefix(const char *alias) {
        if (strlen(alias) <= NODE_PREFIX_BYTES_MAX)
                return g_strdup_printf("%s-", alias);
        g_autofree char *digest = g_compute_checksum_for_string(G_CHECKSUM_SHA256, alias, -1);
        return g_strdup_printf("n%.*s-", NODE_PREFIX_BYTES_MAX - 2, digest);
}

char *node_name_of_top(const DeviceDefinition *disk, const char *what) {
        g_autofree char *prefix = node_name_prefix(disk->alias);
        const DiskImage *top = disk->images ? disk->images->pdata[0] : NULL;
        return g_strdup_printf("%s%" PRIu32 "-%s", prefix, top ? top->index - 1 : 0, what);
}

int node_name_layer(const char *prefix, const char *name) {
        static const char *const kinds[] = { "-cor", "-format", "-slice", "-storage", NULL };
        char *end;
        if (!g_str_has_prefix(name, prefix) || !g_ascii_isdigit(*(name += strlen(prefix))))
                return -1;
        guint64 layer = g_ascii_strtoull(name, &end, 10);
        return layer < 2 * DISK_LAYERS_OTHER && g_strv_contains(kinds, end) ? (int) layer : -1;
}
