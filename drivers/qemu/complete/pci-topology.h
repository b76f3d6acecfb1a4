/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The buses of a machine, and which of their places are taken. */

#include "qemu/complete/machine-kind.h"
#include "qemu/complete/pci-kind.h"

#define PCI_BUSES_MAX 256
#define PCI_SLOTS 32
#define PCI_FUNCTIONS 8

typedef struct PciBus {
        const char *model;
        unsigned accepts, first, last;
        uint8_t functions[PCI_SLOTS];
        bool reserved[PCI_SLOTS]; /* for the machine's own */
        bool aggregate[PCI_SLOTS];
        bool is_new;
} PciBus;

typedef struct PciPlace {
        unsigned bus, slot, function;
} PciPlace;

typedef struct PciTopology {
        PciBus buses[PCI_BUSES_MAX];
        unsigned n_buses;
        const MachineKind *kind;
        bool dry;
        GHashTable *placed; /* elements that have a place in a dry run */
} PciTopology;

/* Addresses in the document */

/* Whether the document says where a device is. All zeros are the bridge to the host: such an address is one that is not chosen
 * yet, as libvirt reads it. */
bool pci_is_given(const xmlNode *element);

/* Whether a device waits for a place. */
bool pci_is_wanted(const PciTopology *topology, const xmlNode *element);

bool pci_read_place(const xmlNode *element, PciPlace *place, GError **error);
/* Writes where a device is; in a dry run it is just known to have a place. */
void pci_write_place(const PciTopology *topology, xmlNode *element, const PciPlace *place, bool multifunction);

/* Makes an <address> one on PCI. */
void pci_set_address(xmlNode *address, unsigned bus, unsigned slot, unsigned function);

/* Places */

/* Makes a bus one of this model, and what it accepts; false where there is no such model. */
bool pci_bus_set_model(PciBus *bus, const char *model);

/* Whether nothing is in a slot; takes a place for a kind of device. */
bool pci_is_free(const PciTopology *topology, PciPlace place);
void pci_take(PciTopology *topology, PciPlace place, unsigned kind);

/* Makes room for a kind of device in a dry run: another bridge or port. Where nothing takes a bridge yet, as on PCI Express, the
 * first one comes with a port of its own. */
bool pci_grow(PciTopology *topology, unsigned kind);

/* Finds the next place for a kind of device; FUNCTION is used of it. */
bool pci_next_place(PciTopology *topology, unsigned kind, unsigned function, PciPlace *place);

/* Puts an element at the next place for its kind; the second one leaves alone what has a place, or is not a PCI device. */
bool pci_place_next(PciTopology *topology, xmlNode *element, unsigned kind, unsigned function, GError **error);
bool pci_place_if_wanted(PciTopology *topology, xmlNode *element, GError **error);

/* Puts an element at a place of its own, if it waits for one and nothing else is there. */
bool pci_place_at(PciTopology *topology, xmlNode *element, PciPlace place, bool multifunction);
