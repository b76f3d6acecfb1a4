/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The part of defaults.h that is about devices. */

#include "qemu/complete/machine-kind.h"

void defaults_device_complete(xmlNode *devices, const MachineKind *kind);
