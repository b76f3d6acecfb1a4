/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Builds controllers, hubs and the IOMMU: what other devices are plugged into. */

#include "qemu/command/builder-device.h"

void build_controller(Builder *builder, xmlNode *element, const DeviceDefinition *part);
void build_hub(Builder *builder, xmlNode *element, const DeviceDefinition *part);
void build_iommu(Builder *builder, xmlNode *element, const DeviceDefinition *part);
