/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Builds what is in libvirt's namespace for QEMU: arguments and variables of the author's own, and what QEMU does with what
 * will go away. */

#include "qemu/command/builder.h"

/* After all devices: each device that is overridden must have been made. */
void build_passthrough_arguments(Builder *builder);
