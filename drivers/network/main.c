/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/driver.h"
#include "network/networks-bus.h"
#include "paths.h"

static void *open_networks(const void *unused, const DriverSetup *setup, GError **error) {
        (void) unused;
        Networks *networks = networks_open(setup->event, setup->state, error);
        if (networks) {
                networks_publish(networks, setup->objects, HOST_PATH);
                networks->idle = setup->idle;
                networks->idle_data = setup->idle_data;
        }
        return networks;
}

static bool is_busy(const void *self) {
        return networks_is_busy(self);
}

static void cancel(void *self) {
        Networks *networks = self;
        networks->idle = NULL;
        networks_cancel(networks);
}

static void close_networks(void *self) {
        networks_withdraw(self);
        networks_close(self);
}

int main(int argc, char *argv[]) {
        static const DriverKind kind = {
                .name = "network",
                .bus_name = DRIVER_NAME_PREFIX "Network",
                .open = open_networks,
                .is_busy = is_busy,
                .cancel = cancel,
                .close = close_networks,
        };
        return driver_main(&kind, argc, argv);
}
