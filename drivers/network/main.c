/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/registry-driver.h"
#include "network/filters-bus.h"
#include "log.h"
#include "network/guard.h"
#include "network/interfaces-bus.h"
#include "network/networks-bus.h"
#include "network/port-bus.h"
#include "paths.h"

static void connect_registries(Registry *const *registries) {
        Networks *networks = (Networks *) registries[0];
        g_autoptr(GError) error = NULL;
        guard_open(networks, (Filters *) registries[1]);
        ports_publish_host(networks->ports, port_vtables_of_ports, port_vtables_of_host);
        networks->interfaces = interfaces_open(networks->registry.event, networks->registry.objects, HOST_PATH, &interfaces_face,
                                               &error);
        if (!networks->interfaces)
                log_error("there are no objects of the host's interfaces: %s", error->message);
}

int main(int argc, char *argv[]) {
        static const RegistryDriver driver = { { { &networks_kind, &networks_face }, { &filters_kind, &filters_face } },
                                               connect_registries };
        static const DriverKind kind = {
                .name = "network",
                .bus_name = DRIVER_NAME_PREFIX "Network",
                .data = &driver,
                .open = registry_driver_open,
                .resume = registry_driver_resume,
                .is_busy = registry_driver_is_busy,
                .cancel = registry_driver_cancel,
                .close = registry_driver_close,
        };
        return driver_main(&kind, argc, argv);
}
