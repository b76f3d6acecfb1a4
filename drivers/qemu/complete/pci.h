/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Places on PCI, and the bridges and ports that they need. */

#include "qemu/complete/machine-kind.h"

/* Sets an address where there is none. */
bool pci_place(xmlNode *root, const MachineKind *kind, GError **error);
