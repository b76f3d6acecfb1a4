/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A machine's document, from what the vSphere API tells of it: by way of the configuration that VMware would write. */

#include "domain/definition.h"

#define MACHINE_SHARES "config.cpuAllocation.shares"

/* VALUES: property -> text. DEVICES: lines of hardware_write. */
Definition *machine_document_read(GHashTable *values, const char *devices, GError **error);
