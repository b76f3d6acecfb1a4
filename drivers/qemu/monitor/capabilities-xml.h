/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* libvirt's documents of capabilities: of the host and all binaries; of one machine of one binary. */

#include "qemu/monitor/capabilities-cache.h"
#include "qemu/monitor/cpu-document.h"

/* What libvirt calls the architecture of a binary. */
const char *capabilities_xml_architecture(const Capabilities *capabilities);

/* HOST is the processor of this machine by MODELS, or NULL. */
char *capabilities_host_xml(CapabilitiesCache *cache, const char *const *emulators, const CpuModels *models, const CpuHost *host);

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

/* MODELS are those of its processors, with KVM or without; NULL: not known. */
char *capabilities_domain_xml(const Capabilities *capabilities, const char *emulator, const char *machine, bool kvm,
                              const CapabilitiesInstalled *installed, const CpuModels *models, GError **error);
