/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Builds the machine itself: -machine, -accel, and all that is neither a device nor memory nor firmware. */

#include "qemu/command/builder.h"

void build_machine(Builder *builder);
