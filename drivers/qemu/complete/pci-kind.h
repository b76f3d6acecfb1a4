/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a device is on PCI: what it is plugged into. */

#include "qemu/complete/machine-kind.h"

/* What a bus accepts, and what a device is. */
/* What a bus accepts, and what a device is. */
enum {
        PCI_CONVENTIONAL = 1 << 0,
        PCI_EXPRESS = 1 << 1,
        PCI_ROOT_PORT = 1 << 2,
        PCI_UPSTREAM_PORT = 1 << 3,
        PCI_DOWNSTREAM_PORT = 1 << 4,
        PCI_DMI_BRIDGE = 1 << 5,
        PCI_BRIDGE = 1 << 6,
        PCI_EXPRESS_BRIDGE = 1 << 7,
        PCI_EXPANDER = 1 << 8,
        PCI_EXPRESS_EXPANDER = 1 << 9,
        PCI_HOTPLUG = 1 << 10,   /* wanted, or possible */
        PCI_AGGREGATE = 1 << 11, /* shares a slot with others of its kind */
};

#define PCI_KINDS \
        (PCI_CONVENTIONAL | PCI_EXPRESS | PCI_ROOT_PORT | PCI_UPSTREAM_PORT | PCI_DOWNSTREAM_PORT | PCI_DMI_BRIDGE | \
         PCI_BRIDGE | PCI_EXPRESS_BRIDGE | PCI_EXPANDER | PCI_EXPRESS_EXPANDER)

/* What each controller is plugged into as, and what it accepts in which slots. */
typedef struct PciModel {
        const char *name;
        unsigned is, accepts, first, last;
} PciModel;

/* That of a name (NULL: none), or NULL. */
const PciModel *pci_model_find(const char *name);

/* What a device is plugged in as in a machine of a kind: 0 for what is not a PCI device. */
unsigned pci_kind(const MachineKind *machine, const xmlNode *element);

/* Whether a device is one of virtio's. */
bool pci_is_virtio(const xmlNode *element);

/* Whether an element is a bridge, a port, or the root. */
bool pci_is_controller(const xmlNode *element);
