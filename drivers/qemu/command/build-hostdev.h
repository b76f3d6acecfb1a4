/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Builds devices of the host that the guest is given: PCI, USB, SCSI, mediated devices. */

#include "qemu/command/builder-device.h"

void build_hostdev(Builder *builder, xmlNode *element, const DeviceDefinition *part);
