/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The documents of containers: libvirt's of the type lxc. What they can say is a table; what is not there is refused by name. */

#include <libxml/tree.h>
#include <stdbool.h>

#include "errors.h"

/* The namespace of what containers alone have, and its customary prefix. */
#define LXC_NAMESPACE "http://libvirt.org/schemas/domain/lxc/1.0"

/* How many filesystems a container may have, and ranges of users or groups: the kernel takes no more than 340 of these. */
#define LXC_FILESYSTEMS_MAX 256
#define LXC_RANGES_MAX 340

/* How many arguments and settings of its environment its first program may be given. */
#define LXC_ARGUMENTS_MAX 1024

/* Where a filesystem is in the container: a path without doubled slashes, to be freed. */
char *lxc_document_target(const xmlNode *filesystem);

/* Fills in what a document leaves out: a UUID, and what its consoles are. */
void lxc_document_complete(xmlDoc *document);

/* Refuses what no container can be, with Unsupported or InvalidXML; LATER: also what cannot be started yet. */
bool lxc_document_check(const xmlDoc *document, bool later, GError **error);
