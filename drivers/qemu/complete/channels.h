/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Places of devices of machines that are not PCs, and that are not on PCI: the channels of s390, the registers of pseries'
 * virtual I/O, and the boards' virtio. */

#include "qemu/complete/machine-kind.h"

/* Gives an <address> on PCI the two numbers that s390 knows it by, where it lacks one. */
void channels_number_pci(xmlNode *root, const MachineKind *kind);

/* Gives an <address> to what waits for one of these. */
void channels_place(xmlNode *root, const MachineKind *kind);
