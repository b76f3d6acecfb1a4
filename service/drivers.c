/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "driver-kept.h"
#include "drivers.h"

#include <errno.h>
#include <string.h>

#include "bus.h"
#include "errors.h"
#include "interfaces.h"
#include "bounds.h"
#include "driver-life.h"
#include "forward.h"
#include "log.h"
#include "paths.h"
#include "settling.h"

#define ENDING "virtbusd is ending; the object's state will show whether it was done"

void drivers_on_call(Drivers *drivers, DriversCall take, void *data) {
        drivers->take_call = take;
        drivers->take_data = data;
}

static void driver_free(Driver *driver) {
        forward_fail_with(driver, FAIL_ALL, VIRTBUS_ERROR_CANCELLED, ENDING);
        driver_close(driver);
        sd_event_source_disable_unref(driver->leaving);
        g_free(driver->bus_name);
        g_free(driver->owner);
        g_free(driver->attached);
        g_free(driver->name);
        g_free(driver->path);
        g_strfreev(driver->schemes);
        driver_kept_free(driver);
        g_free(driver->opened_prefix);
        g_free(driver->job_prefix);
        g_free(driver->failure);
        g_free(driver);
}

static void on_wanted(Driver *driver) {
        if (driver->state == DRIVER_DORMANT || driver->state == DRIVER_NEW)
                driver_wake(driver);
        driver_want(driver);
}

Drivers *drivers_new(sd_bus *bus, Audience *audience, Mirror *mirror, Journal *journal, uint64_t call_timeout,
                     void (*changed)(void *data), void *data) {
        Drivers *drivers = g_new0(Drivers, 1);
        drivers->bus = bus;
        drivers->audience = audience;
        drivers->journal = journal;
        drivers->mirror = mirror;
        drivers->call_timeout = call_timeout;
        drivers->wanted = on_wanted;
        drivers->changed = changed;
        drivers->data = data;
        drivers->by_name = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, (GDestroyNotify) driver_free);
        g_queue_init(&drivers->waiters);
        return drivers;
}

void drivers_end(Drivers *drivers) {
        GHashTableIter iterator;
        void *driver;
        drivers->ending = true;
        g_hash_table_iter_init(&iterator, drivers->by_name);
        while (g_hash_table_iter_next(&iterator, NULL, &driver))
                forward_fail_with(driver, FAIL_ALL, VIRTBUS_ERROR_CANCELLED, ENDING);
        settling_end(drivers);
}

void drivers_free(Drivers *drivers) {
        drivers->changed = NULL;
        g_hash_table_unref(drivers->by_name);
        g_queue_clear_full(&drivers->waiters, g_free);
        sd_event_source_disable_unref(drivers->drained);
        g_free(drivers);
}

/* Asking for one */

bool drivers_want(Drivers *drivers, const char *path) {
        GHashTableIter iterator;
        void *driver;
        bool found = false;
        g_hash_table_iter_init(&iterator, drivers->by_name);
        while (g_hash_table_iter_next(&iterator, NULL, &driver))
                if (!path || driver_owns_path(driver, path)) {
                        driver_want(driver);
                        found = true;
                }
        return found;
}

int driver_check(const Driver *driver, const char *path, sd_bus_error *error) {
        if (!driver || driver->state != DRIVER_FAILED)
                return 0;
        g_autofree char *reason = driver_failure_text(driver);
        return sd_bus_error_setf(error, virtbus_error_name(VIRTBUS_ERROR_HYPERVISOR_FAILED), "%s: %s", path, reason);
}

/* Finding */

/* A driver's name on the bus is one element of letters and digits after the prefix; its name here is that in lower case. */
static char *name_of_bus_name(const char *bus_name) {
        if (!g_str_has_prefix(bus_name, DRIVER_NAME_PREFIX))
                return NULL;
        const char *last = bus_name + strlen(DRIVER_NAME_PREFIX);
        for (const char *c = last; *c; c++)
                if (!g_ascii_isalnum(*c))
                        return NULL;
        return *last ? g_ascii_strdown(last, -1) : NULL;
}

static bool owns_kinds_of_host(const char *name) {
        for (size_t i = 0; interfaces[i]; i++)
                if (g_strcmp0(interfaces[i]->host_driver, name) == 0)
                        return true;
        return false;
}

/* The shared connection's object is the service's own but for what each driver tells of its kinds. */
static int publish_host(Drivers *drivers) {
        g_autoptr(sd_bus_message) message = NULL;
        int r = sd_bus_message_new_signal(drivers->bus, &message, HOST_PATH, interface_connection.name, "Properties");
        if (r >= 0)
                r = sd_bus_message_append(message, "a{sa{sv}}", 1, interface_connection.name, 6, "Name", "s", HOST_CONNECTION,
                                          "State", "s", "connected", "StateReason", "s", "", "URI", "s", HOST_CONNECTION ":///",
                                          "DriverVersion", "s", VIRTBUS_VERSION, "Host", "a{sv}", 0);
        if (r >= 0)
                r = sd_bus_message_seal(message, 1, 0);
        return r < 0 ? r : mirror_take(drivers->mirror, NULL, HOST_PATH, message);
}

static Driver *driver_take(Drivers *drivers, const char *bus_name) {
        g_autofree char *name = name_of_bus_name(bus_name);
        Driver *driver = name ? g_hash_table_lookup(drivers->by_name, name) : NULL;
        bool is_of_host = name && owns_kinds_of_host(name);
        int r = 0;
        if (!name || driver || g_hash_table_size(drivers->by_name) >= DRIVERS_MAX)
                return driver;
        if (is_of_host && !mirror_find(drivers->mirror, HOST_PATH))
                r = publish_host(drivers);
        if (r < 0) {
                log_error("driver %s: the connection %s cannot be published: %s", name, HOST_CONNECTION, g_strerror(-r));
                return NULL;
        }
        driver = g_new0(Driver, 1);
        driver->drivers = drivers;
        driver->bus_name = g_strdup(bus_name);
        driver->name = g_steal_pointer(&name);
        driver->is_of_host = is_of_host;
        driver->connection = is_of_host ? HOST_CONNECTION : driver->name;
        driver->path = g_strdup_printf(MANAGER_PATH "/%s", driver->connection);
        driver->opened_prefix = g_strdup_printf("%s_", driver->path);
        driver->job_prefix = g_strdup_printf(JOB_PATH "/%s_", driver->name);
        g_queue_init(&driver->calls);
        g_hash_table_insert(drivers->by_name, driver->name, driver);
        return driver;
}

static int on_names(sd_bus_message *reply, void *data, sd_bus_error *error) {
        Drivers *drivers = data;
        (void) error;
        drivers->n_lists--;
        bool owned = strcmp(sd_bus_message_get_signature(reply, true), "as") == 0 && drivers->n_lists == 0;
        const char *name;
        if (sd_bus_message_enter_container(reply, 'a', "s") >= 0)
                while (sd_bus_message_read_basic(reply, 's', &name) > 0) {
                        Driver *driver = driver_take(drivers, name);
                        if (driver && owned)
                                driver->owned = true;
                }
        if (drivers->n_lists > 0)
                return 0;
        GHashTableIter iterator;
        void *driver;
        g_hash_table_iter_init(&iterator, drivers->by_name);
        while (g_hash_table_iter_next(&iterator, NULL, &driver))
                if (((Driver *) driver)->state == DRIVER_NEW)
                        driver_attach(driver);
        settling_run(drivers);
        return 0;
}

int drivers_discover(Drivers *drivers) {
        /* The bus answers in order: the second list is that of names with an owner. */
        static const char *const lists[] = { "ListActivatableNames", "ListNames" };
        for (size_t i = 0; i < G_N_ELEMENTS(lists); i++) {
                int r = sd_bus_call_method_async(drivers->bus, NULL, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                                                 "org.freedesktop.DBus", lists[i], on_names, drivers, NULL);
                if (r < 0)
                        return r;
                drivers->n_lists++;
        }
        return 0;
}

void drivers_owner_changed(Drivers *drivers, const char *bus_name, const char *owner) {
        Driver *driver = driver_take(drivers, bus_name);
        if (!driver)
                return;
        driver->owned = owner != NULL;
        g_free(driver->owner);
        driver->owner = g_strdup(owner);
        driver->dying = false;
        /* The end of a dying one; or one that has come by itself, or been started again by systemd. */
        if (driver->state == DRIVER_LOST || (driver->owned && (driver->state == DRIVER_NEW || driver->state == DRIVER_FAILED)))
                driver_attach(driver);
}

const char *driver_path(const Driver *driver) {
        return driver->path;
}

static int compare_drivers(const void *a, const void *b) {
        const Driver *one = *(Driver *const *) a, *other = *(Driver *const *) b;
        int order = strcmp(one->connection, other->connection);
        return order ? order : strcmp(one->name, other->name);
}

int drivers_append(Drivers *drivers, sd_bus_message *message) {
        guint n;
        g_autofree void **sorted = g_hash_table_get_keys_as_array(drivers->by_name, &n);
        for (guint i = 0; i < n; i++)
                sorted[i] = g_hash_table_lookup(drivers->by_name, sorted[i]);
        qsort(sorted, n, sizeof *sorted, compare_drivers);
        int r = sd_bus_message_open_container(message, 'a', "(ssss)");
        for (guint i = 0; r >= 0 && i < n; i++) {
                Driver *driver = sorted[i];
                r = sd_bus_message_append(message, "(ssss)", driver->connection, driver->bus_name,
                                          driver_state_name(driver->state), driver->failure ? driver->failure : "");
        }
        return r < 0 ? r : sd_bus_message_close_container(message);
}
