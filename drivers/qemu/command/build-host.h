/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Builds what the host gives to the guest beside its devices: folders, memory; and watchdogs, balloons and the like. */

#include "qemu/command/builder-device.h"

/* The size of shared memory where the document gives none. */
#define SHARED_MEMORY_DEFAULT (UINT64_C(4) << 20)

void build_filesystem(Builder *builder, xmlNode *element, const DeviceDefinition *part);
void build_memory_device(Builder *builder, xmlNode *element, const DeviceDefinition *part);
void build_memballoon(Builder *builder, xmlNode *element, const DeviceDefinition *part);
void build_shmem(Builder *builder, xmlNode *element, const DeviceDefinition *part);
void build_watchdog(Builder *builder, xmlNode *element, const DeviceDefinition *part);
void build_nvram(Builder *builder, xmlNode *element, const DeviceDefinition *part);
void build_panic(Builder *builder, xmlNode *element, const DeviceDefinition *part);
void build_crypto(Builder *builder, xmlNode *element, const DeviceDefinition *part);
void build_lease(Builder *builder, xmlNode *element, const DeviceDefinition *part);
void build_vsock(Builder *builder, xmlNode *element, const DeviceDefinition *part);
