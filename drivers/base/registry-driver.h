/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The functions of a DriverKind whose DATA is a RegistryDriver: a driver that serves one registry, of the machine's. */

#include "base/driver.h"
#include "base/registry.h"

typedef struct RegistryDriver {
        const RegistryKind *kind;
        const RegistryFace *face;
} RegistryDriver;

void *registry_driver_open(const void *driver, const DriverSetup *setup, GError **error);
void registry_driver_resume(void *registry);
bool registry_driver_is_busy(const void *registry);
void registry_driver_cancel(void *registry);
void registry_driver_close(void *registry);
