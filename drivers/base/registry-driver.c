/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/registry-driver.h"

#include "paths.h"

void *registry_driver_open(const void *data, const DriverSetup *setup, GError **error) {
        const RegistryDriver *driver = data;
        Registry *registry = registry_open(driver->kind, setup->event, setup->state, setup->runtime, error);
        if (registry) {
                registry_publish(registry, setup->objects, HOST_PATH, driver->face);
                registry->idle = setup->idle;
                registry->idle_data = setup->idle_data;
        }
        return registry;
}

void registry_driver_resume(void *data) {
        Registry *registry = data;
        if (registry->kind->resume)
                registry->kind->resume(registry);
}

bool registry_driver_is_busy(const void *registry) {
        return registry_is_busy(registry);
}

void registry_driver_cancel(void *data) {
        Registry *registry = data;
        registry->idle = NULL;
        registry_cancel(registry);
}

void registry_driver_close(void *registry) {
        registry_withdraw(registry);
        registry_close(registry);
}
