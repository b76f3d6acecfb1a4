/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Devices of the chipset, and those that are where they would be on real hardware. */

#include "qemu/complete/pci-topology.h"

/* Places what the machine's chipset has: PIIX3, or ICH9. */
bool pci_chipset_place(PciTopology *topology, xmlNode *devices, GError **error);

/* The primary card is where firmware and old systems look for it; else it comes first, as libvirt has it. */
bool pci_chipset_place_video(PciTopology *topology, xmlNode *devices, GError **error);
