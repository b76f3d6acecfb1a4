/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Where VMware has drives: the keys of their slots, and what documents call them. */

#include <glib.h>
#include <stdbool.h>

typedef struct VmxBus {
        const char *key, *bus, *prefix;        /* "scsi0:1", bus='scsi', "sd" */
        unsigned n_controllers, units;         /* of each of those */
        int reserved;                          /* a unit that is the controller's own; -1: none */
        bool is_one;                           /* its controllers are one in a document, with so many buses */
        const char *hard_disk, *hard_disk_old; /* deviceType of a hard disk */
} VmxBus;

extern const VmxBus vmx_buses[];
extern const unsigned vmx_n_buses;

/* The number of a drive, and the name that one has: 15, "sdp" for scsi1:0. To be freed. */
unsigned vmx_bus_index(const VmxBus *bus, unsigned controller, unsigned unit);
char *vmx_bus_target(const VmxBus *bus, unsigned index);

/* Where a drive of that name is; false where no slot has it. */
bool vmx_bus_find_target(const VmxBus *bus, const char *target, unsigned *controller, unsigned *unit);

/* The model of a SCSI controller in a document, and its virtualDev; NULL where there is none. */
const char *vmx_scsi_model(const char *device);
const char *vmx_scsi_device(const char *model);
