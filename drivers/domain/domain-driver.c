/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/domain-driver.h"

#include "base/driver.h"
#include "domain/connection.h"

static void *open_connection(const void *hypervisor, const DriverSetup *setup, GError **error) {
        Connection *connection = connection_open(hypervisor, setup->event, setup->objects, setup->state, setup->runtime,
                                                 setup->log, error);
        if (connection) {
                connection->answer_timeout = setup->answer_timeout;
                connection->idle = setup->idle;
                connection->idle_data = setup->idle_data;
        }
        return connection;
}

static void serve(void *self, sd_bus *bus) {
        ((Connection *) self)->bus = bus;
}

static void resume(void *self) {
        connection_resume(self);
}

static bool is_busy(const void *self) {
        return connection_is_busy(self);
}

static void cancel(void *self) {
        Connection *connection = self;
        connection->idle = NULL;
        connection_cancel(connection);
}

static void close_connection(void *self) {
        connection_close(self);
}

int domain_driver_main(const Hypervisor *hypervisor, int argc, char *argv[]) {
        const DriverKind kind = {
                .name = hypervisor->connection,
                .bus_name = hypervisor->bus_name,
                .data = hypervisor,
                .open = open_connection,
                .serve = serve,
                .resume = resume,
                .is_busy = is_busy,
                .cancel = cancel,
                .close = close_connection,
        };
        return driver_main(&kind, argc, argv);
}
