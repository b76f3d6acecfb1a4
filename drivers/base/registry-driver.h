/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The functions of a DriverKind whose DATA is a RegistryDriver: a driver that serves registries, of the machine's. */

#include "base/driver.h"
#include "base/registry.h"

#define REGISTRY_DRIVER_KINDS_MAX 2

typedef struct RegistryDriver {
        struct {
                const RegistryKind *kind; /* NULL: there are no more; all but the first are BESIDE */
                const RegistryFace *face;
        } kinds[REGISTRY_DRIVER_KINDS_MAX];
        /* All are open, in this order: they may get to know each other. Or NULL. */
        void (*opened)(Registry *const *registries);
} RegistryDriver;

void *registry_driver_open(const void *driver, const DriverSetup *setup, GError **error);
void registry_driver_resume(void *registries);
bool registry_driver_is_busy(const void *registries);
void registry_driver_cancel(void *registries);
void registry_driver_close(void *registries);
