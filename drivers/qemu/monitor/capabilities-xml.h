/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* libvirt's documents of capabilities: of the host and all binaries; of one machine of one binary. */

#include "qemu/monitor/capabilities-cache.h"

char *capabilities_host_xml(CapabilitiesCache *cache, const char *const *emulators);

/* LOADERS are the UEFI firmware that is installed for such machines: paths, and whether one checks signatures. */
typedef struct CapabilitiesLoaders {
        const char *const *paths; /* NULL at the end */
        bool secure;
} CapabilitiesLoaders;

char *capabilities_domain_xml(const Capabilities *capabilities, const char *emulator, const char *machine, bool kvm,
                              const CapabilitiesLoaders *loaders, GError **error);
