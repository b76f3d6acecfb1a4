/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/registry-driver.h"

#include "paths.h"

typedef struct Registries {
        Registry *all[REGISTRY_DRIVER_KINDS_MAX];
        size_t n;
} Registries;

static bool open_next(Registries *registries, const RegistryDriver *driver, const DriverSetup *setup, GError **error) {
        const RegistryKind *kind = driver->kinds[registries->n].kind;
        Registry *registry = registry_open(kind, setup->event, setup->state, setup->runtime, error);
        if (!registry)
                return false;
        registry_publish(registry, setup->objects, HOST_PATH, driver->kinds[registries->n].face);
        registry->idle = setup->idle;
        registry->idle_data = setup->idle_data;
        registries->all[registries->n++] = registry;
        return true;
}

void *registry_driver_open(const void *data, const DriverSetup *setup, GError **error) {
        const RegistryDriver *driver = data;
        Registries *registries = g_new0(Registries, 1);
        while (registries->n < REGISTRY_DRIVER_KINDS_MAX && driver->kinds[registries->n].kind)
                if (!open_next(registries, driver, setup, error)) {
                        registry_driver_close(registries);
                        return NULL;
                }
        if (driver->opened)
                driver->opened(registries->all);
        return registries;
}

void registry_driver_resume(void *data) {
        const Registries *registries = data;
        for (size_t i = 0; i < registries->n; i++)
                if (registries->all[i]->kind->resume)
                        registries->all[i]->kind->resume(registries->all[i]);
}

bool registry_driver_is_busy(const void *data) {
        const Registries *registries = data;
        bool is_busy = false;
        for (size_t i = 0; i < registries->n; i++)
                is_busy = is_busy || registry_is_busy(registries->all[i]);
        return is_busy;
}

void registry_driver_cancel(void *data) {
        const Registries *registries = data;
        for (size_t i = 0; i < registries->n; i++) {
                registries->all[i]->idle = NULL;
                registry_cancel(registries->all[i]);
        }
}

void registry_driver_close(void *data) {
        g_autofree Registries *registries = data;
        while (registries->n > 0) {
                Registry *last = registries->all[--registries->n];
                registry_withdraw(last);
                registry_close(last);
        }
}
