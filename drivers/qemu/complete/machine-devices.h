/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Devices that every machine has, or that others stand for, and the models that a document leaves open. */

#include "qemu/complete/machine-kind.h"

void machine_devices_add(xmlNode *devices, const MachineKind *kind);
void machine_devices_choose_models(xmlNode *devices, const MachineKind *kind);
