/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* PCI and USB devices of the host that are given to a guest. All of these may take their time, and are for a worker's thread.
 *
 * PCI: linux/Documentation/driver-api/vfio.rst; driver_override and drivers_probe: Documentation/ABI/testing/sysfs-bus-pci.
 * A device that is managed leaves the host's driver for vfio-pci, and goes back when it is given back.
 * USB: QEMU gets the descriptor of the device's node. */

#include "qemu/host/claims.h"

typedef struct HostDevice {
        const Connection *connection;
        bool is_usb;
        char *uuid, *alias; /* of the domain and the device */
        unsigned domain, bus, slot, function;
        bool managed;
        unsigned device, vendor, product; /* USB: BUS and DEVICE, VENDOR and PRODUCT, or both; 0 for none */
        uid_t uid;                        /* PCI: who opens it */

        bool absent; /* USB: it was not taken because there is none */
        char *name;  /* the kernel's, once it is taken: to be given back */
        int fd;      /* USB */
} HostDevice;

/* Takes a device: BUS and DEVICE of a USB one are known then. */
bool host_device_take(HostDevice *device, GError **error);

/* Gives back a device whose guest has not come to be. */
void host_device_give_back(const HostDevice *device);

/* How polkit's rules know it: 0000:00:02.0; VENDOR:PRODUCT in hexadecimal digits where these are said, as what is taken has them
 * then, else BUS.DEVICE. To be freed. */
char *host_device_text(const HostDevice *device);

void host_device_free(HostDevice *device);

/* Their claims' NAMEs: as 0000:00:02.0; and as 1-2.4, the kernel's name. */
extern const ClaimKind host_device_pci_claims, host_device_usb_claims;
