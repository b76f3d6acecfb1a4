/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "driver.h"

#include <string.h>
#include <sys/socket.h>

#include "bounds.h"
#include "paths.h"

static const char *const names[] = {
        [DRIVER_NEW] = "attaching",     [DRIVER_ATTACHING] = "attaching", [DRIVER_SYNCHRONIZING] = "attaching",
        [DRIVER_ATTACHED] = "attached", [DRIVER_RELEASING] = "attached",  [DRIVER_DORMANT] = "dormant",
        [DRIVER_LOST] = "attaching",    [DRIVER_FAILED] = "failed",
};

const char *driver_state_name(DriverState state) {
        return names[state];
}

uint64_t drivers_now(Drivers *drivers) {
        uint64_t usec = 0;
        sd_event_now(sd_bus_get_event(drivers->bus), CLOCK_MONOTONIC, &usec);
        return usec;
}

char *driver_failure_text(const Driver *driver) {
        return g_strdup_printf("its driver failed: %s; the %s driver is tried again with a later call", driver->failure,
                               driver->name);
}

uint64_t drivers_errand_timeout(const Drivers *drivers) {
        return drivers->call_timeout / 2;
}

bool driver_begin_errand(Driver *from) {
        if (from->n_errands >= ERRANDS_PER_DRIVER_MAX)
                return false;
        from->n_errands++;
        return true;
}

void driver_end_errand(Driver *from) {
        from->n_errands--;
}

const char *driver_name(const Driver *driver) {
        return driver->name;
}

uid_t driver_user(const Driver *driver) {
        struct ucred credentials = { .uid = (uid_t) -1 };
        socklen_t size = sizeof credentials;
        int fd = driver->peer ? sd_bus_get_fd(driver->peer) : -1;
        /* The driver has made both ends. Where it has gone, nobody asks. */
        return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) == 0 ? credentials.uid : 0;
}

/* True where a path below the shared connection is one of a kind that the driver owns. */
static bool is_own_kind(const Driver *driver, const char *path) {
        const char *noun = path + strlen(driver->path) + 1;
        size_t length = strcspn(noun, "/");
        for (size_t i = 0; interfaces[i]; i++) {
                const SubjectInfo *subject = interfaces[i]->subject;
                if (subject && g_strcmp0(interfaces[i]->host_driver, driver->name) == 0 && strlen(subject->noun) == length &&
                    strncmp(subject->noun, noun, length) == 0)
                        return true;
        }
        return false;
}

bool driver_shares_path(const Driver *driver, const char *path) {
        return driver->is_of_host && strcmp(path, driver->path) == 0;
}

/* True where an answer about a path depends on a driver. */
bool driver_owns_path(const Driver *driver, const char *path) {
        if (g_str_has_prefix(path, driver->job_prefix))
                return true;
        if (!driver->is_of_host && g_str_has_prefix(path, driver->opened_prefix))
                return true;
        if (!path_is_under(path, driver->path))
                return false;
        return !driver->is_of_host || driver_shares_path(driver, path) || is_own_kind(driver, path);
}

/* True where a driver may say something of an object's interface. */
bool driver_may_tell(const Driver *driver, const Object *object, const InterfaceInfo *interface) {
        return object->source == driver ||
               (driver_shares_path(driver, object->path) && g_strcmp0(interface->host_driver, driver->name) == 0);
}

/* Finding one */

Driver *drivers_find(Drivers *drivers, const char *path) {
        GHashTableIter iterator;
        void *driver;
        g_hash_table_iter_init(&iterator, drivers->by_name);
        while (g_hash_table_iter_next(&iterator, NULL, &driver))
                if (driver_owns_path(driver, path) && !driver_shares_path(driver, path))
                        return driver;
        return NULL;
}

Driver *drivers_named(Drivers *drivers, const char *name) {
        return g_hash_table_lookup(drivers->by_name, name);
}

const char *drivers_connection_path(Drivers *drivers, const char *name) {
        GHashTableIter iterator;
        void *driver;
        g_hash_table_iter_init(&iterator, drivers->by_name);
        while (g_hash_table_iter_next(&iterator, NULL, &driver))
                if (strcmp(((Driver *) driver)->connection, name) == 0)
                        return ((Driver *) driver)->path;
        return NULL;
}

char *drivers_unheard_text(Drivers *drivers) {
        g_autoptr(GString) text = g_string_new(NULL);
        GHashTableIter iterator;
        void *value;
        g_hash_table_iter_init(&iterator, drivers->by_name);
        while (g_hash_table_iter_next(&iterator, NULL, &value)) {
                const Driver *driver = value;
                if (driver->failure && driver->n_failures > 0 && !driver->schemes && !driver->is_of_host)
                        g_string_append_printf(text, "%sthe %s driver failed, and is tried again with a later call: %s",
                                               text->len > 0 ? "; " : "", driver->name, driver->failure);
        }
        return text->len > 0 ? g_string_free(g_steal_pointer(&text), FALSE) : NULL;
}

Driver *drivers_of_scheme(Drivers *drivers, const char *scheme) {
        GHashTableIter iterator;
        void *value;
        g_hash_table_iter_init(&iterator, drivers->by_name);
        while (g_hash_table_iter_next(&iterator, NULL, &value)) {
                Driver *driver = value;
                if (driver->schemes && g_strv_contains((const char *const *) driver->schemes, scheme))
                        return driver;
        }
        return NULL;
}
