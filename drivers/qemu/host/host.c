/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/host/host.h"

#include "qemu/host/cgroup.h"
#include "qemu/host/guest-user.h"
#include "qemu/host/host-device.h"
#include "qemu/host/port.h"

Host *host_of(const Connection *connection) {
        return connection->data;
}

void host_register_claims(void) {
        static const ClaimKind *const kinds[] = {
                &host_device_pci_claims, &host_device_usb_claims, &cgroup_claims, &port_claims, &guest_user_claims, NULL,
        };
        claims_register(kinds);
}
