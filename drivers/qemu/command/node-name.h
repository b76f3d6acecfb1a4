/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The names of the block nodes of a disk's images. */

#include "domain/device-definition.h"

/* Where the names of the nodes of a disk's image begin to count: a medium is put in while the one before it still has its
 * nodes. The longest chain of images lies between them. */
#define DISK_LAYERS_OTHER 100

/* The name of the node of a disk's top image, such as its "format". To be freed. */
char *node_name_of_top(const DeviceDefinition *disk, const char *what);

/* What they begin with. To be freed. */
char *node_name_prefix(const char *alias);

/* The layer that a node of such a name is of, or -1 where it is not one of that disk's. */
int node_name_layer(const char *prefix, const char *name);
