/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* libvirt's documents of capabilities: of the host and all binaries; of one machine of one binary. */

#include "qemu/monitor/capabilities-cache.h"

char *capabilities_host_xml(CapabilitiesCache *cache, const char *const *emulators);

/* Programs that help a guest's devices. */
typedef enum InstalledProgram {
        INSTALLED_TPM = 1, /* an emulator of TPMs */
        INSTALLED_PASST = 2,
        INSTALLED_VIRTIOFSD = 4,
} InstalledProgram;

/* What is installed beside QEMU. */
typedef struct CapabilitiesInstalled {
        const char *const *loaders; /* paths of UEFI firmware for such machines, NULL at the end */
        bool secure;                /* one of it checks signatures */
        unsigned programs;          /* InstalledProgram */
} CapabilitiesInstalled;

char *capabilities_domain_xml(const Capabilities *capabilities, const char *emulator, const char *machine, bool kvm,
                              const CapabilitiesInstalled *installed, GError **error);
