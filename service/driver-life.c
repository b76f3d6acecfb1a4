/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "driver-life.h"

#include <errno.h>
#include <fcntl.h>

#include "bounds.h"
#include "bus.h"
#include "driver-kept.h"
#include "driver-told.h"
#include "errors.h"
#include "forward.h"
#include "log.h"
#include "paths.h"
#include "settling.h"

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
                settling_run(driver->drivers);
}

void driver_close(Driver *driver) {
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
        driver_close(driver);
        driver->n_failures++;
        driver->retry_at = drivers_now(driver->drivers) + retry_delay(driver->n_failures);
        g_autofree char *reason = driver_failure_text(driver);
        forward_fail(driver, driver->n_failures > 1 ? FAIL_ALL : FAIL_SENT, reason);
        set_state(driver, DRIVER_FAILED);
        if (!g_queue_is_empty(&driver->calls))
                driver_want(driver);
}

void driver_want(Driver *driver) {
        if (driver->state != DRIVER_FAILED || drivers_now(driver->drivers) < driver->retry_at)
                return;
        driver->settled = false;
        driver_wake(driver);
}

static int on_not_left(sd_event_source *source, uint64_t usec, void *data) {
        Driver *driver = data;
        (void) source;
        (void) usec;
        driver->dying = false; /* what owns the name may be called again */
        driver_failed(driver, "%s", "its connection has ended, but its process has not; see its log");
        return 0;
}

void driver_wake(Driver *driver) {
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
        driver_close(driver);
        /* The name may have gone to another one before this end is seen. */
        driver->dying = driver->owned && (!driver->owner || g_strcmp0(driver->owner, driver->attached) == 0);
        if (state == DRIVER_DORMANT)
                return;
        if (state == DRIVER_RELEASING) {
                set_state(driver, DRIVER_DORMANT);
                if (!g_queue_is_empty(&driver->calls))
                        driver_wake(driver);
                return;
        }
        driver_told_end(driver);
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

/* What it says of itself */

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
                driver_close(driver);
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
        if (sd_bus_message_is_signal(signal, DRIVER_INTERFACE, "Idle"))
                return handle_idle(driver);
        if (sd_bus_message_is_signal(signal, DRIVER_INTERFACE, "Ending"))
                return handle_ending(driver);
        return driver_told(driver, signal);
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
                        driver_failed(driver, "cannot read more of it: %s", g_strerror(-r));
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

/* What waits for it here is counted before it asks for more. */
static bool reads_answers(Driver *driver) {
        driver->unread = bus_unwritten(driver->peer) > 0 ? driver->unread + MESSAGE_BYTES : 0;
        return driver->unread <= DRIVER_UNREAD_BYTES_MAX;
}

/* The journal takes so many entries of the service, others' among them. */
static void log_refusal(Driver *driver, sd_bus_message *signal, int r) {
        if (++driver->n_refused <= REFUSALS_PER_DRIVER_LOGGED)
                log_error("driver %s: its signal %s.%s of %s is refused: %s", driver->name, sd_bus_message_get_interface(signal),
                          sd_bus_message_get_member(signal), sd_bus_message_get_path(signal), g_strerror(-r));
        if (driver->n_refused == REFUSALS_PER_DRIVER_LOGGED)
                log_error("driver %s: further refusals are not logged until it is attached again", driver->name);
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
        if (type == SD_BUS_MESSAGE_METHOD_CALL && !reads_answers(driver)) {
                driver_failed(driver, "%s", "it goes on to ask, and does not read what it is answered; see its log");
                return 1;
        }
        if (type == SD_BUS_MESSAGE_METHOD_CALL && driver->drivers->take_call &&
            !sd_bus_message_is_method_call(message, "org.freedesktop.DBus.Peer", NULL)) { /* sd-bus answers that */
                driver->drivers->take_call(driver->drivers->take_data, driver, message);
                return 1;
        }
        if (type != SD_BUS_MESSAGE_SIGNAL)
                return 0;
        int r = handle_signal(driver, message);
        if (r < 0)
                log_refusal(driver, message, r);
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
        driver->unread = driver->n_refused = 0;
        g_autoptr(sd_bus_message) message = NULL;
        int r = driver_kept_return(driver);
        if (r >= 0)
                r = sd_bus_message_new_method_call(driver->peer, &message, NULL, DRIVER_PATH, DRIVER_INTERFACE, "Synchronize");
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
        g_free(driver->attached);
        driver->attached = g_strdup(sd_bus_message_get_sender(reply));
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

void driver_attach(Driver *driver) {
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
