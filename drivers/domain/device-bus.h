/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The objects of a domain's devices: org.virtbus1.Device, and what each class has besides. */

#include "domain/domain.h"

/* Publishes those of the definition that counts now: what stays is told as changed, what is gone as removed. */
void device_bus_publish(Domain *domain);
void device_bus_withdraw(Domain *domain);

/* The disks' property Error, or TrayOpen, may be another. */
void device_bus_announce_errors(Domain *domain);
void device_bus_announce_trays(Domain *domain);
