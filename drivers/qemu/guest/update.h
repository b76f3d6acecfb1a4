/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Devices of a guest that runs and that change: the medium and the limits of a drive, its size, a link, a password. */

#include "qemu/guest/guest.h"

void update_device(Operation *operation);

/* A medium that is being changed when the driver ends is seen to by the next one. */
extern const GuestModule update_module;
