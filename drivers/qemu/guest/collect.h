/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a guest uses, and which addresses it has: of its process by /proc, of its taps by netlink, of its disks and its balloon
 * by its monitor. */

#include "qemu/guest/guest.h"

/* How long the sizes of images are taken to be the same, in microseconds: asking is dear, and nothing but a guest's writing
 * changes them unseen. */
#define COLLECT_SIZES_INTERVAL (10 * G_USEC_PER_SEC)

void collect_addresses(Domain *domain, const DeviceDefinition *device, bool agent, Call *call);
void collect_statistics(Domain *domain);

/* What QEMU has said of the guest's processors and balloon is asked anew. */
void collect_forget(Guest *guest);

extern const GuestModule collect_module;
