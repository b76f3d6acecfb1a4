/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Checkpoints as QEMU has them: persistent bitmaps in the images that the guest writes, which are made, and removed, all at one
 * instant. */

#include "domain/hypervisor.h"
#include "qemu/guest/guest.h"

extern const HypervisorCheckpoints checkpoint_functions;
extern const GuestModule checkpoint_module;
