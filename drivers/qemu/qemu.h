/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The QEMU hypervisor: one process for each active domain, which outlives this driver.
 *
 * The driver listens on the monitor's socket before QEMU exists and passes it on, so that it can connect at once and only
 * waits for QEMU's greeting; files are opened here and passed as descriptors, so that QEMU, which runs as user virtbus-qemu
 * in its seccomp sandbox, needs leave for no path. */

#include "domain/hypervisor.h"

extern const Hypervisor qemu_hypervisor;
