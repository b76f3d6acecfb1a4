/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Builds <sysinfo> and os/smbios: what the machine says of itself to its guest, and firmware configuration. */

#include "qemu/command/builder.h"

void build_system_information(Builder *builder);
