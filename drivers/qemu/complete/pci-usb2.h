/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A USB 2 controller and its companions are one device with several functions. */

#include "qemu/complete/pci-topology.h"

/* Puts those of an index into the slot of a place, each at its function. */
void pci_usb2_place_at(PciTopology *topology, xmlNode *devices, unsigned index, PciPlace place);

/* Puts a USB controller beside those that it belongs to, or at the next place. */
bool pci_usb2_place(PciTopology *topology, xmlNode *devices, xmlNode *element, GError **error);
