/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What is done to a container that runs. */

#include "domain/hypervisor.h"

extern const HypervisorPower container_power;
extern const HypervisorDevices container_devices;
extern const HypervisorStatistics container_statistics;
