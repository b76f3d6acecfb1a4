/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Builds <os>: the firmware, and what it boots. */

#include "qemu/command/builder.h"

/* A loader and its variables: chosen by its features, or named. */
void build_firmware(Builder *builder);

/* A kernel, the boot menu, and the order of boot devices by kind. */
void build_boot(Builder *builder);
