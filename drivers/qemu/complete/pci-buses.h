/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The PCI controllers of a document: the buses that they make. */

#include "qemu/complete/pci-topology.h"

/* Reads them into a topology, with the highest index that the document gives; gaps are filled. */
bool pci_buses_read(PciTopology *topology, xmlNode *devices, unsigned *max, GError **error);

/* Refuses one that is not reached from the machine's, as it is plugged into what is behind itself. */
bool pci_buses_check_reached(xmlNode *devices, GError **error);

/* Writes the numbers that bridges and ports have of their own. */
bool pci_buses_number(xmlNode *root, xmlNode *devices, GError **error);
