/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What is done to a machine: by the tasks of the vSphere API. */

#include "domain/hypervisor.h"

void power_task_start(Operation *operation);
void power_task_reattach(Operation *operation, xmlNode *saved);
void power_task_destroy(Domain *domain);
void power_task_save(const Domain *domain, xmlNode *saved);
extern const HypervisorPower power_task_functions;
