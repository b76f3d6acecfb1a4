/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Checks security labels, which are not QEMU's: host/security-label.h reads them when a guest starts. */

#include "qemu/command/builder.h"

void build_security(Builder *builder);
