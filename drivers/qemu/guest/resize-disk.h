/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The size of a disk's image: QEMU changes that of a running guest, qemu-img that of a domain that is off. */

#include "qemu/guest/guest.h"

void resize_disk(Domain *domain, const DeviceDefinition *device, const DiskSize *size, Call *call);
