/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A running guest's memory, processors and I/O threads: how many, where on the host, and how much of it they may use. */

#include "qemu/guest/guest.h"

void tuning_resize(Operation *operation);

extern const GuestModule tuning_module;
