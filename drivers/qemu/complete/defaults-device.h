/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The part of defaults.h that is about devices. */

#include "qemu/complete/machine-kind.h"

/* Brings modules of memory to sizes that a machine takes: what is summed up later. */
void defaults_device_round_modules(xmlNode *devices, const MachineKind *kind);

void defaults_device_complete(xmlNode *devices, const MachineKind *kind);
