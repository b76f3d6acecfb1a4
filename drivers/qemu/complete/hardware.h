/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a domain document leaves open is chosen once, as libvirt chooses it, and written into the document, so that a guest
 * sees the same hardware ever after, also where it was moved over from libvirt: the devices that every machine has, models,
 * controllers, and addresses on PCI, drive, USB, virtio-serial and smart card buses. What its author wrote is never changed.
 *
 * Complete documents stay as they are. CAPABILITIES are those of the document's QEMU, for its machines, or NULL. */

#include "domain/definition.h"
#include "qemu/monitor/capabilities.h"

bool hardware_complete(xmlDoc *document, const Capabilities *capabilities, GError **error);

/* The controller element of a type and index that is not a USB companion, or NULL. */
xmlNode *hardware_find_controller(xmlNode *devices, const char *type, unsigned index);

/* The parts of it, in order; each sets an address where there is none. */
bool hardware_place_pci(xmlNode *root, bool q35, GError **error);
bool hardware_place_usb(xmlNode *devices, GError **error);

/* Makes an <address> one on PCI. */
void hardware_set_pci_address(xmlNode *address, unsigned bus, unsigned slot, unsigned function);

/* Adds a controller to the document. */
xmlNode *hardware_add_controller(xmlNode *devices, const char *type, unsigned index, const char *model);

/* The elements of a name as libvirt sorts them: disks by name within each bus, controllers by index within each type. To be
 * freed with g_ptr_array_unref. */
GPtrArray *hardware_sorted(xmlNode *devices, const char *name);

/* The index attribute of a controller, 0 where there is none. */
unsigned hardware_index(const xmlNode *controller);
