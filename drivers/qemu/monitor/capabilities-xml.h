/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* libvirt's documents of capabilities: of the host and all binaries; of one machine of one binary. */

#include "qemu/monitor/capabilities-cache.h"

char *capabilities_host_xml(CapabilitiesCache *cache, const char *const *emulators);

/* What is installed beside QEMU. */
typedef struct CapabilitiesInstalled {
        const char *const *loaders; /* paths of UEFI firmware for such machines, NULL at the end */
        bool secure;                /* one of it checks signatures */
        bool tpm;                   /* an emulator of TPMs */
} CapabilitiesInstalled;

char *capabilities_domain_xml(const Capabilities *capabilities, const char *emulator, const char *machine, bool kvm,
                              const CapabilitiesInstalled *installed, GError **error);
