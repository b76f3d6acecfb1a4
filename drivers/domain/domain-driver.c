/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/domain-driver.h"

#include "base/driver.h"
#include "domain/connection.h"

/* A hypervisor's driver: its connections, each with folders, threads and counters of its own. */
typedef struct DomainDriver {
        const Hypervisor *hypervisor;
        DriverSetup setup;
        sd_bus *bus;
        GHashTable *connections; /* by name; that of this machine is one of them */
} DomainDriver;

static void add(DomainDriver *driver, Connection *connection) {
        connection->answer_timeout = driver->setup.answer_timeout;
        connection->idle = driver->setup.idle;
        connection->idle_data = driver->setup.idle_data;
        connection->bus = driver->bus;
        g_hash_table_insert(driver->connections, connection->name, connection);
}

static void *open_driver(const void *hypervisor, const DriverSetup *setup, GError **error) {
        Connection *connection = connection_open(hypervisor, setup->event, setup->objects, setup->state, setup->runtime,
                                                 setup->log, error);
        if (!connection)
                return NULL;
        DomainDriver *driver = g_new0(DomainDriver, 1);
        driver->hypervisor = hypervisor;
        driver->setup = *setup;
        driver->connections = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, (GDestroyNotify) connection_close);
        add(driver, connection);
        return driver;
}

static void serve(void *self, sd_bus *bus) {
        DomainDriver *driver = self;
        GHashTableIter iterator;
        void *connection;
        driver->bus = bus;
        g_hash_table_iter_init(&iterator, driver->connections);
        while (g_hash_table_iter_next(&iterator, NULL, &connection))
                ((Connection *) connection)->bus = bus;
}

static void resume(void *self) {
        GHashTableIter iterator;
        void *connection;
        g_hash_table_iter_init(&iterator, ((DomainDriver *) self)->connections);
        while (g_hash_table_iter_next(&iterator, NULL, &connection))
                connection_resume(connection);
}

static bool is_busy(const void *self) {
        GHashTableIter iterator;
        void *connection;
        g_hash_table_iter_init(&iterator, ((const DomainDriver *) self)->connections);
        while (g_hash_table_iter_next(&iterator, NULL, &connection))
                if (connection_is_busy(connection))
                        return true;
        return false;
}

static void cancel(void *self) {
        GHashTableIter iterator;
        void *connection;
        g_hash_table_iter_init(&iterator, ((DomainDriver *) self)->connections);
        while (g_hash_table_iter_next(&iterator, NULL, &connection)) {
                ((Connection *) connection)->idle = NULL;
                connection_cancel(connection, "the driver is ending");
        }
}

static void close_driver(void *self) {
        DomainDriver *driver = self;
        g_hash_table_unref(driver->connections);
        g_free(driver);
}

int domain_driver_main(const Hypervisor *hypervisor, int argc, char *argv[]) {
        const DriverKind kind = {
                .name = hypervisor->connection,
                .bus_name = hypervisor->bus_name,
                .data = hypervisor,
                .open = open_driver,
                .serve = serve,
                .resume = resume,
                .is_busy = is_busy,
                .cancel = cancel,
                .close = close_driver,
        };
        return driver_main(&kind, argc, argv);
}
