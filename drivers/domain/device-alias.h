/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The names of devices, as libvirt chooses them: net0, virtio-disk0, serial0. */

#include "domain/device-definition.h"

/* The alias that the document gives, or libvirt's choice; INDEX: how many of the same prefix are before it. Disks that have
 * none choose theirs by their bus, once that is known. */
bool device_alias_read(const xmlNode *element, DeviceDefinition *device, guint index, GError **error);
char *device_alias_of_disk(const DeviceDefinition *device, const xmlNode *element, int index);

/* How the aliases of a kind begin. */
const char *device_alias_prefix(const xmlNode *element);

/* Libvirt numbers some kinds by their place, and these by the aliases that were given before. */
bool device_alias_is_counted(const char *prefix);

/* What the alias of an element begins with, before its number; NULL for disks and controllers, whose place is in it. */
const char *device_alias_new_prefix(const xmlNode *element);

/* The number of a disk's name: vda is 0, vdb 1, vdaa 26; -1 where it has no such form. */
int disk_index(const char *target);
