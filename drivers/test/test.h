/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The test hypervisor: machines made of memory and timers. It does with a definition what a real one does, at once or after
 * the delay that org.virtbus1.Test sets, and fails when it is told to. Its machines live through the driver's death: their
 * status file is all there is of them. */

#include "domain/hypervisor.h"

extern const Hypervisor test_hypervisor;
