/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The kinds of machines that QEMU has: what a machine's processor and name say of its buses, and of the devices that a document
 * leaves open. One row of a table each: what is true of a machine is asked of its kind, never of its name. */

#include "base/xml.h"

/* Where virtio devices are that have no address. */
typedef enum VirtioBus {
        VIRTIO_ON_PCI,
        VIRTIO_ON_CCW,  /* s390's channels */
        VIRTIO_ON_MMIO, /* places of the board */
} VirtioBus;

/* The PCI host bridges of one machine, and what each is. */
#define HOST_BRIDGES_MAX 31
#define HOST_BRIDGE "spapr-pci-host-bridge"

typedef struct MachineKind {
        const char *architectures; /* words */
        const char *name;          /* of the machine: alone, or before "-VERSION"; "" is any other of the architectures */
        const char *root;          /* the PCI controller with index 0; NULL: it has no PCI */
        const char *usb;           /* the model of the USB controller that it has where the document names none; NULL: none */
        const char *usb_model;     /* that of one without a model */
        const char *serial;        /* the type of a serial port that does not say; NULL: the board's own */
        const char *video, *card;  /* models of a video and a network card that do not say */
        const char *memory;        /* the ID of the board's memory; NULL: its size is all that can be said */
        const char *processor;     /* what it has where the document names none; NULL: QEMU chooses */
        const char *scsi;          /* the model of a SCSI controller that does not say */
        unsigned memory_unit;      /* in MiB, that memory comes in */
        const char *panic;         /* the model of the device that tells of a crash, which it always has; NULL: none */
        VirtioBus virtio;
        bool is_x86;        /* a PC: ISA, PS/2, IDE or AHCI */
        bool is_q35;        /* with an ICH9 */
        bool has_balloon;   /* where the document names none */
        bool has_acpi;      /* which can be turned on and off */
        bool takes_devices; /* while it runs */
        bool has_bridges;   /* it may have more than one bridge to PCI, each a root */
        bool has_usb_keys;  /* a keyboard and a mouse on USB, where there is a display */
} MachineKind;

/* The kind of a machine, or NULL where the driver knows none of that architecture. MACHINE may be empty: the usual one. */
const MachineKind *machine_kind(const char *architecture, const char *machine);
const MachineKind *machine_kind_of(const xmlNode *root);

/* The machine of an architecture that is meant where none is named. */
const char *machine_kind_usual(const char *architecture);

/* Refuses a document of an architecture without kinds: nothing else that is put right in it would help. */
bool machine_kind_check(const xmlNode *root, GError **error);

/* The processor that a machine of a kind has where the document names none, by its version; NULL: QEMU chooses. */
const char *machine_kind_processor(const MachineKind *kind, const char *machine);

bool machine_kind_is_express(const MachineKind *kind);
