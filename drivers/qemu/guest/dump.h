/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The memory of a guest as an ELF file. */

#include "qemu/guest/guest.h"

void dump_memory(Operation *operation);

extern const GuestModule dump_module;
