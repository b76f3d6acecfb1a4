/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What resize_class does to a document: memory, processors and I/O threads, where they are on the host, and what they may use. */

#include "domain/domain.h"
#include "domain/operations/device-edit.h"

/* Changes the domain element ROOT of a document whose definition is BASE; refuses what the domain cannot have. */
bool resize_apply(const Domain *domain, const DeviceChange *change, const Definition *base, xmlNode *root, GError **error);
