/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/guest/node-bitmap.h"

#include <string.h>

#include "qemu/command/node-name.h"

JsonObject *node_bitmap_find_node(JsonObject *answer, const char *name) {
        return json_find(json_array(answer, "return"), "node-name", name);
}

JsonObject *node_bitmap_find(JsonObject *node, const char *name) {
        return json_find(json_array(node, "dirty-bitmaps"), "name", name);
}

bool node_bitmap_counts(JsonObject *bitmap) {
        return bitmap && json_object_get_boolean_member_with_default(bitmap, "recording", false) &&
               !json_object_get_boolean_member_with_default(bitmap, "inconsistent", false);
}

char *node_bitmap_disk_node(const Domain *domain, const char *target) {
        const DeviceDefinition *disk = domain->live ? definition_find_disk(domain->live, target) : NULL;
        return disk && disk->source[0] ? node_name_of_top(disk, "format") : NULL;
}

void node_bitmap_add_action(JsonArray *actions, const char *type, JsonObject *data) {
        json_array_add_object_element(actions, json_make("type", 's', type, "data", 'o', data, NULL));
}

void node_bitmap_add_new(JsonArray *actions, const char *node, const char *name) {
        node_bitmap_add_action(actions, "block-dirty-bitmap-add",
                               json_make("node", 's', node, "name", 's', name, "persistent", 'b', TRUE, NULL));
}
