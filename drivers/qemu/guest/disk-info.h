/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* How large the image of a disk is: as QEMU says of a running guest's, else as the image itself says, which is opened with the
 * rights of its domain, and nothing that its header names. */

#include "domain/domain.h"

/* Answers Disk.GetInfo of a domain that is up, or off. */
void disk_info_answer(Domain *domain, const DeviceDefinition *device, Call *call);
