/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* VMware's hypervisors elsewhere: ESX hosts (esx://HOST/) and those of a vCenter (vpx://HOST/...). */

#include "domain/hypervisor.h"

extern const Hypervisor esx_hypervisor;
