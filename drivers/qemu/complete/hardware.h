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
