/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Builds <clock>: the time that the guest begins with, and its timers. */

#include "qemu/command/builder.h"

void build_clock(Builder *builder);
