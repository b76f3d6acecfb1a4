/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "drivers.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>

#include "bus.h"
#include "errors.h"
#include "interfaces.h"
#include "bounds.h"
#include "driver.h"
#include "forward.h"
#include "log.h"
#include "pack.h"
#include "paths.h"

#define ENDING "virtbusd is ending; whether it was done, the object's state will show"

typedef struct Waiter {
        char *path; /* NULL: all drivers */
        DriversSettled resume;
        void *data;
} Waiter;

static void driver_attach(Driver *driver);
static void driver_wake(Driver *driver);
static void driver_want(Driver *driver);

void drivers_on_call(Drivers *drivers, DriversCall take, void *data) {
        drivers->take_call = take;
        drivers->take_data = data;
}

/* States */

/* A driver that fails again and again is not waited for where others answer too. */
static bool is_settled(const Driver *driver, const char *path) {
        bool is_one_of_many = !path || (driver->is_of_host && strcmp(path, driver->path) == 0);
        return driver->settled || (is_one_of_many && driver->n_failures > 1);
}

bool drivers_are_settled(const Drivers *drivers, const char *path) {
        GHashTableIter iterator;
        void *driver;
        g_hash_table_iter_init(&iterator, drivers->by_name);
        while (g_hash_table_iter_next(&iterator, NULL, &driver))
                if ((!path || driver_owns_path(driver, path)) && !is_settled(driver, path))
                        return false;
        return path || drivers->n_lists == 0;
}

static void waiter_resume(Waiter *waiter) {
        waiter->resume(waiter->data);
        g_free(waiter->path);
        g_free(waiter);
}

static void run_waiters(Drivers *drivers) {
        for (GList *link = drivers->waiters.head; link;) {
                GList *next = link->next;
                Waiter *waiter = link->data;
                if (drivers_are_settled(drivers, waiter->path)) {
                        g_queue_delete_link(&drivers->waiters, link);
                        waiter_resume(waiter);
                        next = drivers->waiters.head; /* resuming may have changed the queue */
                }
                link = next;
        }
}

int drivers_when_settled(Drivers *drivers, const char *path, DriversSettled resume, void *data) {
        if (g_queue_get_length(&drivers->waiters) >= CALLS_PER_DRIVER_MAX)
                return -EBUSY;
        Waiter *waiter = g_new(Waiter, 1);
        *waiter = (Waiter){ .path = g_strdup(path), .resume = resume, .data = data };
        g_queue_push_tail(&drivers->waiters, waiter);
        run_waiters(drivers);
        return 0;
}

static void set_state(Driver *driver, DriverState state) {
        log_debug("driver %s: %s", driver->name, driver_state_name(state));
        driver->state = state;
        if (state != DRIVER_LOST)
                driver->leaving = sd_event_source_disable_unref(driver->leaving);
        if (state == DRIVER_ATTACHED || state == DRIVER_FAILED)
                driver->settled = true;
        if (driver->drivers->changed)
                driver->drivers->changed(driver->drivers->data);
        if (driver->settled)
                run_waiters(driver->drivers);
}

static void close_peer(Driver *driver) {
        driver->attaching = sd_bus_slot_unref(driver->attaching);
        driver->silence = sd_event_source_disable_unref(driver->silence);
        if (!driver->peer)
                return;
        sd_bus_detach_event(driver->peer);
        sd_bus_close(driver->peer);
        driver->peer = sd_bus_unref(driver->peer);
        driver->paused = false;
}

/* How long a driver that has failed N times is left alone. The first time is often bad luck: it was ending, or the machine was
 * busy. */
static uint64_t retry_delay(unsigned n) {
        uint64_t delay = n > 1 ? DRIVER_RETRY_DELAY : 0;
        for (unsigned i = 2; i < n && delay < DRIVER_RETRY_DELAY_MAX; i++)
                delay *= 2;
        return MIN(delay, DRIVER_RETRY_DELAY_MAX);
}

static void driver_failed(Driver *driver, const char *format, const char *argument) {
        g_free(driver->failure);
        driver->failure = g_strdup_printf(format, argument);
        log_error("driver %s: %s", driver->name, driver->failure);
        if (driver->peer && sd_bus_is_open(driver->peer) <= 0)
                driver->dying = driver->owned;
        close_peer(driver);
        driver->n_failures++;
        driver->retry_at = drivers_now(driver->drivers) + retry_delay(driver->n_failures);
        g_autofree char *reason = driver_failure_text(driver);
        forward_fail(driver, driver->n_failures > 1 ? FAIL_ALL : FAIL_SENT, reason);
        set_state(driver, DRIVER_FAILED);
        if (!g_queue_is_empty(&driver->calls))
                driver_want(driver);
}

static void driver_want(Driver *driver) {
        if (driver->state != DRIVER_FAILED || drivers_now(driver->drivers) < driver->retry_at)
                return;
        driver->settled = false;
        driver_wake(driver);
}

static void on_wanted(Driver *driver) {
        if (driver->state == DRIVER_DORMANT || driver->state == DRIVER_NEW)
                driver_wake(driver);
        driver_want(driver);
}

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

/* Emits the last signal of an object that ends with its driver, so that whoever waits for it does not wait for ever. */
static void complete(Driver *driver, Object *object, const InterfaceInfo *interface) {
        Drivers *drivers = driver->drivers;
        const char *failure = virtbus_error_name(VIRTBUS_ERROR_HYPERVISOR_FAILED);
        g_autofree char *message =
                        g_strdup_printf("the %s driver has ended; what became of the operation, the object's state will "
                                        "show",
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
static void complete_all(Driver *driver) {
        Object *manager = mirror_find(driver->drivers->mirror, MANAGER_PATH);
        for (Object *object = manager ? manager->first_child : NULL, *next; object; object = next) {
                next = object->next;
                const InterfaceInfo *interface = object->source == driver ? completing_interface(object) : NULL;
                if (interface)
                        complete(driver, object, interface);
        }
}

static int on_not_left(sd_event_source *source, uint64_t usec, void *data) {
        Driver *driver = data;
        (void) source;
        (void) usec;
        driver->dying = false; /* what owns the name may be called again */
        driver_failed(driver, "%s", "its connection has ended, but its process has not; see its log");
        return 0;
}

/* Attaches a driver anew, as soon as that reaches a new process: the bus would hand an earlier call to the dying one. */
static void driver_wake(Driver *driver) {
        if (!driver->dying) {
                driver_attach(driver);
                return;
        }
        set_state(driver, DRIVER_LOST);
        int r = sd_event_add_time_relative(sd_bus_get_event(driver->drivers->bus), &driver->leaving, CLOCK_MONOTONIC,
                                           ATTACH_TIMEOUT, 0, on_not_left, driver);
        if (r < 0)
                driver_failed(driver, "its end cannot be waited for: %s", g_strerror(-r));
}

static void driver_lost(Driver *driver) {
        DriverState state = driver->state;
        close_peer(driver);
        driver->dying = driver->owned;
        if (state == DRIVER_DORMANT)
                return;
        if (state == DRIVER_RELEASING) {
                set_state(driver, DRIVER_DORMANT);
                if (!g_queue_is_empty(&driver->calls))
                        driver_wake(driver);
                return;
        }
        complete_all(driver);
        if (state != DRIVER_ATTACHED) {
                driver_failed(driver, "%s", "it ended while it was being attached; see its log");
                return;
        }
        log_warning("driver %s has ended", driver->name);
        forward_fail_sent(driver);
        if (drivers_now(driver->drivers) - driver->attached_at < DRIVER_STABLE_AFTER)
                driver_failed(driver, "%s", "it ended soon after it was started; see its log");
        else {
                driver->n_failures = 0;
                driver_wake(driver);
        }
}

/* What a driver says */

static int take_object(Driver *driver, const char *path, sd_bus_message *signal) {
        Mirror *mirror = driver->drivers->mirror;
        if (!driver_shares_path(driver, path))
                return mirror_take(mirror, driver, path, signal);
        driver->told_part = true;
        return mirror_take_part(mirror, mirror_find(mirror, path), driver->name, signal);
}

static int take_objects(Driver *driver, sd_bus_message *signal) {
        int r = sd_bus_message_enter_container(signal, 'a', "(oa{sa{sv}})");
        while (r >= 0 && (r = sd_bus_message_enter_container(signal, 'r', "oa{sa{sv}}")) > 0) {
                const char *path;
                r = sd_bus_message_read(signal, "o", &path);
                if (r < 0)
                        return r;
                if (!driver_owns_path(driver, path)) {
                        log_error("driver %s: object %s is not its own", driver->name, path);
                        return -EPERM;
                }
                r = take_object(driver, path, signal);
                if (r < 0) {
                        log_error("driver %s: object %s is not as the API has it: %s", driver->name, path, g_strerror(-r));
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
                r = pack_relay(signal, copy, info->signature, OBJECT_BYTES_MAX, &size);
        if (r >= 0 && interface->subject && g_strcmp0(info->name, interface->subject->completion) == 0)
                completed(driver, object, signal);
        return r < 0 ? r : audience_signal(driver->drivers->audience, object, copy, size);
}

static int on_released(sd_bus_message *reply, void *data, sd_bus_error *error) {
        Driver *driver = data;
        int released = false;
        (void) error;
        if (sd_bus_is_open(driver->peer) <= 0) /* its end has overtaken its answer: driver_lost follows */
                return 1;
        bool ends = sd_bus_message_read(reply, "b", &released) >= 0 && released;
        if (ends && driver->ending) {
                driver->state = DRIVER_ATTACHED; /* as it was */
                driver_lost(driver);
        } else if (ends) {
                driver->dying = driver->owned;
                driver->n_failures = 0;
                set_state(driver, DRIVER_DORMANT);
                close_peer(driver);
                if (!g_queue_is_empty(&driver->calls))
                        driver_wake(driver);
        } else {
                driver->ending = false;
                set_state(driver, DRIVER_ATTACHED);
                forward_send_waiting(driver);
        }
        return 1; /* for 0, sd-bus would go on with a connection that may be closed now */
}

/* Nothing is sent after this until it is answered. */
static int release(Driver *driver) {
        int r = sd_bus_call_method_async(driver->peer, NULL, NULL, DRIVER_PATH, DRIVER_INTERFACE, "Release", on_released, driver,
                                         NULL);
        if (r >= 0)
                set_state(driver, DRIVER_RELEASING);
        return r;
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

static int handle_idle(Driver *driver) {
        bool is_wanted = driver->state != DRIVER_ATTACHED || !g_queue_is_empty(&driver->calls) || driver->n_errands > 0;
        return is_wanted ? 0 : release(driver);
}

/* It answers all that it was sent before it is released. */
static int handle_ending(Driver *driver) {
        bool is_attached = driver->state == DRIVER_ATTACHED;
        driver->ending = is_attached || driver->state == DRIVER_RELEASING;
        return is_attached ? release(driver) : 0;
}

static int handle_signal(Driver *driver, sd_bus_message *signal) {
        const char *name = sd_bus_message_get_interface(signal);
        if (sd_bus_message_is_signal(signal, DRIVER_INTERFACE, "ObjectsAdded"))
                return take_objects(driver, signal);
        if (sd_bus_message_is_signal(signal, DRIVER_INTERFACE, "ObjectsRemoved"))
                return remove_objects(driver, signal);
        if (sd_bus_message_is_signal(signal, DRIVER_INTERFACE, "Schemes"))
                return take_schemes(driver, signal);
        if (sd_bus_message_is_signal(signal, DRIVER_INTERFACE, "Idle"))
                return handle_idle(driver);
        if (sd_bus_message_is_signal(signal, DRIVER_INTERFACE, "Ending"))
                return handle_ending(driver);
        Object *object = mirror_find(driver->drivers->mirror, sd_bus_message_get_path(signal));
        if (!object)
                return -ENOENT;
        if (sd_bus_message_is_signal(signal, "org.freedesktop.DBus.Properties", "PropertiesChanged"))
                return take_change(driver, object, signal);
        const InterfaceInfo *interface = interface_find(name);
        return interface && driver_may_tell(driver, object, interface) ? relay_signal(driver, object, interface, signal)
                                                                       : -ENOENT;
}

/* Pausing: what drivers tell goes out at the speed of the bus, and waits with them, not here. What lay here between the mirror's
 * blocks would leave holes that nothing else fits into. */

static int on_drained(sd_event_source *source, void *data) {
        Drivers *drivers = data;
        GHashTableIter iterator;
        void *value;
        if (bus_unwritten(drivers->bus) > DRIVER_MESSAGES_AHEAD_MAX / 2)
                return 0;
        sd_event_source_set_enabled(source, SD_EVENT_OFF);
        g_hash_table_iter_init(&iterator, drivers->by_name);
        while (g_hash_table_iter_next(&iterator, NULL, &value)) {
                Driver *driver = value;
                if (!driver->paused)
                        continue;
                driver->paused = false;
                int r = sd_bus_attach_event(driver->peer, sd_bus_get_event(drivers->bus), SD_EVENT_PRIORITY_NORMAL);
                if (r < 0)
                        driver_failed(driver, "it cannot be read on: %s", g_strerror(-r));
        }
        return 0;
}

static void pause_where_ahead(Driver *driver) {
        Drivers *drivers = driver->drivers;
        int r = 0;
        if (driver->paused || !driver->peer || bus_unwritten(drivers->bus) <= DRIVER_MESSAGES_AHEAD_MAX)
                return;
        if (!drivers->drained)
                r = sd_event_add_post(sd_bus_get_event(drivers->bus), &drivers->drained, on_drained, drivers);
        if (r >= 0)
                r = sd_event_source_set_enabled(drivers->drained, SD_EVENT_ON);
        if (r < 0) /* it is read on: that costs memory, nothing else */
                return;
        sd_bus_detach_event(driver->peer);
        driver->paused = true;
}

static int on_peer_message(sd_bus_message *message, void *data, sd_bus_error *error) {
        Driver *driver = data;
        uint8_t type;
        (void) error;
        driver->heard = true;
        if (sd_bus_message_is_signal(message, "org.freedesktop.DBus.Local", "Disconnected")) {
                driver_lost(driver);
                return 1;
        }
        if (sd_bus_message_get_type(message, &type) < 0)
                return 0;
        if (type == SD_BUS_MESSAGE_METHOD_CALL && driver->drivers->take_call &&
            !sd_bus_message_is_method_call(message, "org.freedesktop.DBus.Peer", NULL)) { /* sd-bus answers that */
                driver->drivers->take_call(driver->drivers->take_data, driver, message);
                return 1;
        }
        if (type != SD_BUS_MESSAGE_SIGNAL)
                return 0;
        int r = handle_signal(driver, message);
        if (r < 0)
                log_error("driver %s: its signal %s.%s of %s is refused: %s", driver->name, sd_bus_message_get_interface(message),
                          sd_bus_message_get_member(message), sd_bus_message_get_path(message), g_strerror(-r));
        pause_where_ahead(driver);
        return 1;
}

/* Attaching */

static int on_synchronized(sd_bus_message *reply, void *data, sd_bus_error *unused) {
        Driver *driver = data;
        const sd_bus_error *error = sd_bus_message_get_error(reply);
        (void) unused;
        driver->silence = sd_event_source_disable_unref(driver->silence);
        if (error) {
                driver_failed(driver, "it did not send its objects: %s", error->message);
                return 1; /* for 0, sd-bus would go on with the connection that is closed now */
        }
        mirror_sweep(driver->drivers->mirror, driver);
        if (driver->is_of_host && !driver->told_part)
                mirror_remove_part(driver->drivers->mirror, mirror_find(driver->drivers->mirror, driver->path), driver->name);
        g_clear_pointer(&driver->failure, g_free);
        driver->attached_at = drivers_now(driver->drivers);
        log_info("driver %s is attached: %zu objects", driver->name, mirror_count(driver->drivers->mirror, driver));
        set_state(driver, DRIVER_ATTACHED);
        forward_send_waiting(driver);
        return 0;
}

/* A driver of many objects may take its time, as long as it goes on sending them. */
static int on_silence(sd_event_source *source, uint64_t usec, void *data) {
        Driver *driver = data;
        (void) usec;
        if (!driver->heard && !driver->paused) {
                driver_failed(driver, "%s", "it did not send its objects; see its log");
                return 0;
        }
        driver->heard = false;
        int r = sd_event_source_set_time_relative(source, ATTACH_TIMEOUT);
        return r < 0 ? r : sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static void driver_synchronize(Driver *driver) {
        mirror_mark_stale(driver->drivers->mirror, driver);
        driver->told_part = driver->ending = driver->heard = false;
        g_autoptr(sd_bus_message) message = NULL;
        int r = sd_bus_message_new_method_call(driver->peer, &message, NULL, DRIVER_PATH, DRIVER_INTERFACE, "Synchronize");
        if (r >= 0)
                r = sd_bus_call_async(driver->peer, NULL, message, on_synchronized, driver, UINT64_MAX);
        if (r >= 0)
                r = sd_event_add_time_relative(sd_bus_get_event(driver->drivers->bus), &driver->silence, CLOCK_MONOTONIC,
                                               ATTACH_TIMEOUT, 0, on_silence, driver);
        if (r < 0)
                driver_failed(driver, "its objects cannot be asked for: %s", g_strerror(-r));
}

static int open_peer(Driver *driver, int fd) {
        g_autofd int own = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        if (own < 0)
                return -errno;
        int r = sd_bus_new(&driver->peer);
        if (r >= 0)
                r = sd_bus_set_fd(driver->peer, own, own);
        if (r < 0)
                return r;
        steal_fd(&own);
        r = sd_bus_negotiate_fds(driver->peer, true);
        if (r >= 0) /* that would wait until all is read */
                r = sd_bus_set_close_on_exit(driver->peer, false);
        if (r >= 0)
                r = sd_bus_add_filter(driver->peer, NULL, on_peer_message, driver);
        if (r >= 0)
                r = sd_bus_start(driver->peer);
        return r < 0 ? r : sd_bus_attach_event(driver->peer, sd_bus_get_event(driver->drivers->bus), SD_EVENT_PRIORITY_NORMAL);
}

static int on_attached(sd_bus_message *reply, void *data, sd_bus_error *unused) {
        Driver *driver = data;
        const sd_bus_error *error = sd_bus_message_get_error(reply);
        int fd;
        (void) unused;
        driver->attaching = sd_bus_slot_unref(driver->attaching);
        if (error) {
                driver_failed(driver, "it could not be started: %s; the journal has what it said", error->message);
                return 0;
        }
        int r = sd_bus_message_read(reply, "h", &fd);
        if (r >= 0)
                r = open_peer(driver, fd);
        if (r < 0) {
                driver_failed(driver, "it could not be connected to: %s", g_strerror(-r));
                return 0;
        }
        set_state(driver, DRIVER_SYNCHRONIZING);
        driver_synchronize(driver);
        return 0;
}

static void driver_attach(Driver *driver) {
        g_autoptr(sd_bus_message) message = NULL;
        if (driver->drivers->ending)
                return;
        int r = sd_bus_message_new_method_call(driver->drivers->bus, &message, driver->bus_name, DRIVER_PATH, DRIVER_INTERFACE,
                                               "Attach");
        if (r >= 0)
                r = sd_bus_call_async(driver->drivers->bus, &driver->attaching, message, on_attached, driver, ATTACH_TIMEOUT);
        if (r < 0)
                driver_failed(driver, "it cannot be called: %s", g_strerror(-r));
        else
                set_state(driver, DRIVER_ATTACHING);
}

/* Finding */

static void driver_free(Driver *driver) {
        forward_fail_with(driver, FAIL_ALL, VIRTBUS_ERROR_CANCELLED, ENDING);
        close_peer(driver);
        sd_event_source_disable_unref(driver->leaving);
        g_free(driver->bus_name);
        g_free(driver->name);
        g_free(driver->path);
        g_strfreev(driver->schemes);
        g_free(driver->opened_prefix);
        g_free(driver->job_prefix);
        g_free(driver->failure);
        g_free(driver);
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
        Waiter *waiter;
        while ((waiter = g_queue_pop_head(&drivers->waiters)))
                waiter_resume(waiter);
}

void drivers_free(Drivers *drivers) {
        drivers->changed = NULL;
        g_hash_table_unref(drivers->by_name);
        g_queue_clear_full(&drivers->waiters, g_free);
        sd_event_source_disable_unref(drivers->drained);
        g_free(drivers);
}

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
                r = sd_bus_message_append(message, "a{sa{sv}}", 1, interface_connection.name, 5, "Name", "s", HOST_CONNECTION,
                                          "State", "s", "connected", "StateReason", "s", "", "URI", "s", HOST_CONNECTION ":///",
                                          "DriverVersion", "s", VIRTBUS_VERSION);
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
        run_waiters(drivers);
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
        driver->dying = false;
        /* The end of a dying one; or one that has come by itself, or been started again by systemd. */
        if (driver->state == DRIVER_LOST || (driver->owned && (driver->state == DRIVER_NEW || driver->state == DRIVER_FAILED)))
                driver_attach(driver);
}

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
