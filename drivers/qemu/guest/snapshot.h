/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Snapshots as QEMU has them: what is done, by what the domain does. */

#include "domain/hypervisor.h"

extern const HypervisorSnapshots snapshot_functions;
