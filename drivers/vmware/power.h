/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What is done to a machine: by vmrun's start, stop, reset, pause and unpause. */

#include "domain/hypervisor.h"

void power_start(Operation *operation);
void power_reattach(Operation *operation, xmlNode *saved);
void power_destroy(Domain *domain);
void power_save(const Domain *domain, xmlNode *saved);
extern const HypervisorPower power_functions;
