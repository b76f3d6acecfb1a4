/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Containers of the Linux kernel. */

#include "domain/hypervisor.h"

extern const Hypervisor lxc_hypervisor;
