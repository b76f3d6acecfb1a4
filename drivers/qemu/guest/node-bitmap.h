/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Bitmaps in the images of a guest's disks, as query-named-block-nodes tells of them, and actions of a transaction on them. */

#include "qemu/guest/guest.h"

/* The node of an answer; a bitmap of it (NODE may be NULL). Or NULL. */
JsonObject *node_bitmap_find_node(JsonObject *answer, const char *name);
JsonObject *node_bitmap_find(JsonObject *node, const char *name);

/* Whether what it says is true: it has noted all since it was made. BITMAP may be NULL. */
bool node_bitmap_counts(JsonObject *bitmap);

/* The name of the node of a disk's top image, to be freed; NULL: the guest has no such disk, or one that is empty. */
char *node_bitmap_disk_node(const Domain *domain, const char *target);

/* Adds to the actions of a transaction one of TYPE: all of them are done, or none. DATA is taken. */
void node_bitmap_add_action(JsonArray *actions, const char *type, JsonObject *data);

/* The same: one that makes a bitmap that stays in the image. */
void node_bitmap_add_new(JsonArray *actions, const char *node, const char *name);
