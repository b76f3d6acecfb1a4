/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* libvirt's documents of capabilities: of the host and all binaries; of one machine of one binary. */

#include "qemu/monitor/capabilities-cache.h"

char *capabilities_host_xml(CapabilitiesCache *cache, const char *const *emulators);
char *capabilities_domain_xml(const Capabilities *capabilities, const char *emulator, const char *machine, bool kvm,
                              GError **error);
