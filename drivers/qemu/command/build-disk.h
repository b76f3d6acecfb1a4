/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Builds disks: the device that the guest sees, over its nodes (build-nodes.h). */

#include "qemu/command/builder-device.h"

void build_disk(Builder *builder, xmlNode *element, const DeviceDefinition *part);

/* The command that sets a disk's limits; all 0 where it has none. */
void build_io_limits(Builder *builder, xmlNode *element, const DeviceDefinition *part);
