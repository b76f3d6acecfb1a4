/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The size of a disk's image: its QEMU changes that of a running guest, one without a guest that of a domain that is off. */

#include "qemu/guest/guest.h"

void resize_disk(Domain *domain, const DeviceDefinition *device, const DiskSize *size, Call *call);

/* Ends what is at work on images, and frees the list of it: the driver is ending. */
void resize_disk_end(GPtrArray *resizings);
