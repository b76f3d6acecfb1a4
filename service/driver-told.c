/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "driver-told.h"

#include <errno.h>
#include <string.h>

#include "bounds.h"
#include "bus.h"
#include "driver-kept.h"
#include "errors.h"
#include "interfaces.h"
#include "log.h"
#include "pack.h"
#include "paths.h"

static int take_object(Driver *driver, const char *path, sd_bus_message *signal) {
        Mirror *mirror = driver->drivers->mirror;
        if (!driver_shares_path(driver, path))
                return mirror_take(mirror, driver, path, signal);
        driver->told_part = true;
        return mirror_take_part(mirror, mirror_find(mirror, path), driver->name, signal);
}

static void log_refused(const Driver *driver, const char *path, int r) {
        if (driver->n_refused < REFUSALS_PER_DRIVER_LOGGED)
                log_error("driver %s: object %s is not its own, or not as the API has it: %s", driver->name, path,
                          g_strerror(-r));
}

static int take_objects(Driver *driver, sd_bus_message *signal) {
        int r = sd_bus_message_enter_container(signal, 'a', "(oa{sa{sv}})");
        while (r >= 0 && (r = sd_bus_message_enter_container(signal, 'r', "oa{sa{sv}}")) > 0) {
                const char *path;
                r = sd_bus_message_read(signal, "o", &path);
                if (r < 0)
                        return r;
                driver->drivers->audience->arriving = driver->state == DRIVER_SYNCHRONIZING;
                r = driver_owns_path(driver, path) ? take_object(driver, path, signal) : -EPERM;
                driver->drivers->audience->arriving = false;
                if (r < 0) {
                        log_refused(driver, path, r);
                        return r;
                }
                r = sd_bus_message_exit_container(signal);
        }
        return r < 0 ? r : sd_bus_message_exit_container(signal);
}

static int remove_objects(Driver *driver, sd_bus_message *signal) {
        const char *path;
        int r = sd_bus_message_enter_container(signal, 'a', "o");
        while (r >= 0 && (r = sd_bus_message_read_basic(signal, 'o', &path)) > 0) {
                Object *object = mirror_find(driver->drivers->mirror, path);
                if (object && object->source == driver)
                        mirror_remove(driver->drivers->mirror, object);
                else if (object && driver_shares_path(driver, path))
                        mirror_remove_part(driver->drivers->mirror, object, driver->name);
        }
        return r;
}

static int take_change(Driver *driver, Object *object, sd_bus_message *signal) {
        const char *name;
        int r = sd_bus_message_read_basic(signal, 's', &name);
        if (r < 0)
                return r;
        const InterfaceInfo *interface = interface_find(name);
        if (!interface || !driver_may_tell(driver, object, interface))
                return -ENOENT;
        return mirror_change(driver->drivers->mirror, object, interface, signal);
}

/* Tells the journal how an object has ended. */
static void completed(Driver *driver, const Object *object, sd_bus_message *signal) {
        const char *error = NULL;
        int success = false;
        sd_bus_message_rewind(signal, true);
        if (sd_bus_message_read(signal, "bs", &success, &error) > 0)
                journal_completed(driver->drivers->journal, object, success ? NULL : error);
}

/* Relays a signal that the API has. */
static int relay_signal(Driver *driver, Object *object, const InterfaceInfo *interface, sd_bus_message *signal) {
        const SignalInfo *info = interface_signal(interface, sd_bus_message_get_member(signal));
        if (!info || !object_block(object, interface) || !sd_bus_message_has_signature(signal, info->signature))
                return -ENOENT;
        g_autoptr(sd_bus_message) copy = NULL;
        size_t size = 0;
        int r = sd_bus_message_new_signal(driver->drivers->bus, &copy, object->path, interface->name, info->name);
        if (r >= 0)
                r = pack_relay(signal, copy, info->signature, OBJECT_BYTES_MAX, 0, &size);
        if (r >= 0 && interface->subject && g_strcmp0(info->name, interface->subject->completion) == 0)
                completed(driver, object, signal);
        return r < 0 ? r : audience_signal(driver->drivers->audience, object, copy, size);
}

static bool may_claim(const Driver *driver, const char *scheme) {
        size_t length = strlen(scheme);
        const Driver *named = g_hash_table_lookup(driver->drivers->by_name, scheme);
        const Driver *other = drivers_of_scheme(driver->drivers, scheme);
        return length > 0 && length <= SCHEME_BYTES_MAX && strspn(scheme, "abcdefghijklmnopqrstuvwxyz0123456789.-") == length &&
               (!named || named == driver) && (!other || other == driver);
}

static int take_schemes(Driver *driver, sd_bus_message *signal) {
        g_auto(GStrv) schemes = NULL;
        int r = sd_bus_message_read_strv(signal, &schemes);
        if (r < 0)
                return r;
        if (schemes && g_strv_length(schemes) > SCHEMES_PER_DRIVER_MAX)
                return -E2BIG;
        for (char **scheme = schemes; scheme && *scheme; scheme++)
                if (!may_claim(driver, *scheme))
                        return -EPERM;
        g_strfreev(driver->schemes);
        driver->schemes = g_steal_pointer(&schemes);
        return 0;
}

int driver_told(Driver *driver, sd_bus_message *signal) {
        const char *name = sd_bus_message_get_interface(signal);
        if (sd_bus_message_is_signal(signal, DRIVER_INTERFACE, "ObjectsAdded"))
                return take_objects(driver, signal);
        if (sd_bus_message_is_signal(signal, DRIVER_INTERFACE, "ObjectsRemoved"))
                return remove_objects(driver, signal);
        if (sd_bus_message_is_signal(signal, DRIVER_INTERFACE, "Schemes"))
                return take_schemes(driver, signal);
        if (sd_bus_message_is_signal(signal, DRIVER_INTERFACE, "Keep"))
                return driver_kept_take(driver, signal);
        if (sd_bus_message_is_signal(signal, DRIVER_INTERFACE, "Drop"))
                return driver_kept_drop(driver, signal);
        Object *object = mirror_find(driver->drivers->mirror, sd_bus_message_get_path(signal));
        if (!object)
                return -ENOENT;
        if (sd_bus_message_is_signal(signal, "org.freedesktop.DBus.Properties", "PropertiesChanged"))
                return take_change(driver, object, signal);
        const InterfaceInfo *interface = interface_find(name);
        return interface && driver_may_tell(driver, object, interface) ? relay_signal(driver, object, interface, signal)
                                                                       : -ENOENT;
}

/* The end of a driver */

/* Emits the last signal of an object that ends with its driver, so that whoever waits for it does not wait for ever. */
static void complete(Driver *driver, Object *object, const InterfaceInfo *interface) {
        Drivers *drivers = driver->drivers;
        const char *failure = virtbus_error_name(VIRTBUS_ERROR_HYPERVISOR_FAILED);
        g_autofree char *message =
                        g_strdup_printf("the %s driver has ended; the object's state will show whether the operation was "
                                        "done",
                                        driver->name);
        g_autoptr(sd_bus_message) signal = NULL;
        int r = sd_bus_message_new_signal(drivers->bus, &signal, object->path, interface->name, interface->subject->completion);
        if (r >= 0)
                r = sd_bus_message_append(signal, "bss", 0, failure, message);
        if (r >= 0)
                audience_signal(drivers->audience, object, signal, strlen(message));
        journal_completed(drivers->journal, object, failure);
        mirror_remove(drivers->mirror, object);
}

/* The interface of an object that ends with its driver; NULL of another. */
static const InterfaceInfo *completing_interface(const Object *object) {
        for (size_t i = 0; i < object->n_blocks; i++) {
                const InterfaceInfo *interface = object->blocks[i].interface;
                if (interface->subject && interface->subject->completion)
                        return interface;
        }
        return NULL;
}

/* Such objects are the manager's children. */
void driver_told_end(Driver *driver) {
        Object *manager = mirror_find(driver->drivers->mirror, MANAGER_PATH);
        for (Object *object = manager ? manager->first_child : NULL, *next; object; object = next) {
                next = object->next;
                const InterfaceInfo *interface = object->source == driver ? completing_interface(object) : NULL;
                if (interface)
                        complete(driver, object, interface);
        }
}
