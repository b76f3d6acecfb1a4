/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/driver.h"
#include "base/errand.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>

#include "base/driver-kept.h"
#include "base/store.h"
#include "bus.h"
#include "errors.h"
#include "interfaces.h"
#include "log.h"
#include "paths.h"
#include "program.h"

#define IDLE_TIMEOUT_SECONDS_MAX 86400
#define ANSWER_TIMEOUT_SECONDS_MAX 86400

/* How long virtbusd may take to release a driver that ends, in microseconds: it sends what it had begun to send. */
#define RELEASE_TIMEOUT (5 * UINT64_C(1000000))

static const int ending_signals[] = { SIGTERM, SIGINT, 0 };

typedef struct Driver {
        const DriverKind *kind;
        sd_event *event;
        sd_bus *bus;  /* where the name is owned */
        sd_bus *peer; /* virtbusd; NULL while it is not attached */
        Objects *objects;
        void *self;       /* the kind's own */
        DriverKept *kept; /* what its next start gets */
        bool synchronized, resumed;
        bool is_ending; /* it answers what has come, and does nothing of it */
        bool released;  /* nothing more comes */
        sd_event_source *idle;
        uint64_t idle_timeout, answer_timeout;
} Driver;

/* Being idle */

static bool is_busy(const Driver *driver) {
        return driver->kind->is_busy(driver->self) || calls_pending() > 0 || errands_pending() > 0;
}

/* Begins to wait anew, as something has happened. */
static void postpone_idle(void *data) {
        Driver *driver = data;
        uint64_t now = 0;
        sd_event_now(driver->event, CLOCK_MONOTONIC, &now);
        sd_event_source_set_time(driver->idle, now + driver->idle_timeout);
        sd_event_source_set_enabled(driver->idle, SD_EVENT_ONESHOT);
}

static int on_idle(sd_event_source *source, uint64_t usec, void *data) {
        Driver *driver = data;
        (void) source;
        (void) usec;
        if (is_busy(driver)) { /* not all that ends tells so */
                postpone_idle(driver);
                return 0;
        }
        if (!driver->peer) /* virtbusd is gone: nobody will miss this process */
                return sd_event_exit(driver->event, EXIT_SUCCESS);
        return sd_bus_emit_signal(driver->peer, DRIVER_PATH, DRIVER_INTERFACE, "Idle", NULL);
}

/* The peer connection */

static void close_peer(Driver *driver) {
        objects_set_peer(driver->objects, NULL);
        errands_fail();
        if (!driver->peer)
                return;
        sd_bus_detach_event(driver->peer);
        sd_bus_close(driver->peer);
        driver->peer = sd_bus_unref(driver->peer);
}

static int on_release(Driver *driver, sd_bus_message *call) {
        bool release = driver->is_ending || !is_busy(driver);
        int r = sd_bus_reply_method_return(call, "b", release);
        if (!release || r < 0)
                return r;
        sd_bus_flush(driver->peer);
        driver->released = true;
        return driver->is_ending ? 0 : sd_event_exit(driver->event, EXIT_SUCCESS);
}

static int send_schemes(Driver *driver) {
        g_autoptr(sd_bus_message) signal = NULL;
        if (!driver->kind->schemes)
                return 0;
        int r = sd_bus_message_new_signal(driver->peer, &signal, DRIVER_PATH, DRIVER_INTERFACE, "Schemes");
        if (r >= 0)
                r = sd_bus_message_append_strv(signal, (char **) driver->kind->schemes);
        return r < 0 ? r : sd_bus_send(driver->peer, signal, NULL);
}

static void keep(void *data, const char *name, int fd) {
        const Driver *driver = data;
        driver_kept_set(driver->kept, driver->peer, name, fd);
}

/* It is for a driver that has just been started: one that goes on knows better. */
static int on_restore(const Driver *driver, sd_bus_message *message) {
        const char *name;
        int fd;
        int r = sd_bus_message_has_signature(message, "sh") ? sd_bus_message_read(message, "sh", &name, &fd) : -EINVAL;
        if (r < 0 || driver->synchronized)
                return r;
        bool is_used = driver->kind->restore && driver->kind->restore(driver->self, name, fd);
        driver_kept_set(driver->kept, driver->peer, name, is_used ? fcntl(fd, F_DUPFD_CLOEXEC, 3) : -1);
        return 0;
}

static int on_open_connection(Driver *driver, sd_bus_message *message) {
        const char *uri;
        sd_bus_message_sensitive(message);
        if (!driver->kind->open_connection)
                return -EOPNOTSUPP;
        int r = sd_bus_message_has_signature(message, "sa{sv}") ? sd_bus_message_read(message, "s", &uri) : -EINVAL;
        if (r >= 0)
                driver->kind->open_connection(driver->self, call_take(message, "o"), uri, message);
        return r;
}

static int on_synchronize(Driver *driver, sd_bus_message *call) {
        objects_set_peer(driver->objects, driver->peer);
        driver->synchronized = true;
        int r = send_schemes(driver);
        if (r >= 0)
                r = driver_kept_send(driver->kept, driver->peer);
        if (r >= 0)
                r = objects_send_all(driver->objects);
        if (r >= 0)
                r = sd_bus_reply_method_return(call, NULL);
        /* What was running is found only now, so that whatever has happened to it is signalled. */
        if (r >= 0 && driver->kind->resume && !driver->resumed) {
                driver->resumed = true;
                driver->kind->resume(driver->self);
        }
        return r;
}

static int refuse(sd_bus_message *message) {
        uint8_t type;
        if (sd_bus_message_get_type(message, &type) >= 0 && type == SD_BUS_MESSAGE_METHOD_CALL)
                sd_bus_reply_method_errorf(message, virtbus_error_name(VIRTBUS_ERROR_CANCELLED), "the driver is ending");
        return 1;
}

/* What was sent before virtbusd knew that the driver ends, and was not read yet, is answered too: all of it is here when the
 * driver is released. */
static void refuse_what_was_not_read(Driver *driver) {
        const uint64_t end = (uint64_t) g_get_monotonic_time() + RELEASE_TIMEOUT;
        driver->is_ending = true;
        if (!driver->peer || driver->released ||
            sd_bus_emit_signal(driver->peer, DRIVER_PATH, DRIVER_INTERFACE, "Ending", NULL) < 0)
                return;
        while (driver->peer && !driver->released) {
                uint64_t now = (uint64_t) g_get_monotonic_time();
                int r = sd_bus_process(driver->peer, NULL);
                if (r == 0 && now < end)
                        r = sd_bus_wait(driver->peer, end - now);
                if (r < 0 || now >= end)
                        return;
        }
}

static int on_peer_message(sd_bus_message *message, void *data, sd_bus_error *error) {
        Driver *driver = data;
        (void) error;
        if (sd_bus_message_is_signal(message, "org.freedesktop.DBus.Local", "Disconnected")) {
                close_peer(driver);
                return 1;
        }
        if (driver->is_ending && !sd_bus_message_is_method_call(message, DRIVER_INTERFACE, "Release"))
                return refuse(message);
        postpone_idle(driver);
        int r = 1;
        if (sd_bus_message_is_method_call(message, DRIVER_INTERFACE, "Synchronize"))
                r = on_synchronize(driver, message);
        else if (sd_bus_message_is_method_call(message, DRIVER_INTERFACE, "Release"))
                r = on_release(driver, message);
        else if (sd_bus_message_is_method_call(message, DRIVER_INTERFACE, "Restore"))
                r = on_restore(driver, message);
        else if (sd_bus_message_is_method_call(message, interface_manager.name, "OpenConnection"))
                r = on_open_connection(driver, message);
        else
                return objects_dispatch(driver->objects, message);
        if (r < 0)
                sd_bus_reply_method_errno(message, r, NULL);
        return 1;
}

static int open_peer(Driver *driver, int fd) {
        sd_id128_t id;
        int r = sd_id128_randomize(&id);
        if (r >= 0)
                r = sd_bus_new(&driver->peer);
        if (r >= 0)
                r = sd_bus_set_fd(driver->peer, fd, fd);
        if (r < 0) {
                close(fd);
                return r;
        }
        r = sd_bus_set_server(driver->peer, true, id);
        if (r >= 0)
                r = sd_bus_negotiate_fds(driver->peer, true);
        if (r >= 0)
                r = sd_bus_set_close_on_exit(driver->peer, false); /* those who wait are answered first */
        if (r >= 0)
                r = sd_bus_add_filter(driver->peer, NULL, on_peer_message, driver);
        if (r >= 0)
                r = sd_bus_start(driver->peer);
        return r < 0 ? r : sd_bus_attach_event(driver->peer, driver->event, SD_EVENT_PRIORITY_NORMAL);
}

static int on_attach(sd_bus_message *call, void *data, sd_bus_error *error) {
        Driver *driver = data;
        int pair[2];
        (void) error;
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
                return -errno;
        g_autofd int theirs = pair[1];
        close_peer(driver);
        postpone_idle(driver);
        int r = open_peer(driver, pair[0]);
        return r < 0 ? r : sd_bus_reply_method_return(call, "h", theirs);
}

static const sd_bus_vtable attach_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD_WITH_ARGS("Attach", SD_BUS_NO_ARGS, SD_BUS_RESULT("h", peer), on_attach, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END,
};

/* Starting */

/* Where documents lie: what systemd says, else below ROOT, else the standard places of the system or of the user. */
static char *directory(const char *root, const char *environment, const char *below_root, const char *system, const char *user,
                       const char *name) {
        const char *given = g_getenv(environment);
        if (root)
                return g_build_filename(root, below_root, name, NULL);
        if (given && !strchr(given, ':'))
                return g_strdup(given);
        return geteuid() == 0 ? g_build_filename(system, "virtbus", name, NULL) : g_build_filename(user, "virtbus", name, NULL);
}

static int on_name(sd_bus_message *reply, void *data, sd_bus_error *unused) {
        Driver *driver = data;
        const sd_bus_error *error = sd_bus_message_get_error(reply);
        uint32_t result = 0;
        (void) unused;
        sd_bus_message_read(reply, "u", &result);
        if (!error && result == 1) { /* 1: now the owner */
                sd_notify(false, "READY=1");
                return 0;
        }
        log_error("cannot own the name %s: %s", driver->kind->bus_name, error ? error->message : "another driver owns it");
        return sd_event_exit(driver->event, EXIT_FAILURE);
}

static int open_bus(Driver *driver, bool user) {
        int r = user ? sd_bus_open_user(&driver->bus) : sd_bus_open_system(&driver->bus);
        if (r >= 0)
                r = sd_bus_attach_event(driver->bus, driver->event, SD_EVENT_PRIORITY_NORMAL);
        if (r >= 0)
                r = sd_bus_set_exit_on_disconnect(driver->bus, true);
        if (r >= 0) /* the name is given up last: a successor needs what this one holds */
                r = sd_bus_set_close_on_exit(driver->bus, false);
        if (r >= 0)
                r = sd_bus_add_object_vtable(driver->bus, NULL, DRIVER_PATH, DRIVER_INTERFACE, attach_vtable, driver);
        if (r >= 0)
                r = sd_bus_request_name_async(driver->bus, NULL, driver->kind->bus_name, 0, on_name, driver);
        if (r < 0)
                log_error("the %s bus cannot be used: %s", user ? "session" : "system", g_strerror(-r));
        return r;
}

static bool driver_start(Driver *driver, const char *root, bool user) {
        const char *name = driver->kind->name;
        g_autofree char *state = directory(root, "STATE_DIRECTORY", "state", "/var/lib", g_get_user_data_dir(), name);
        g_autofree char *runtime = directory(root, "RUNTIME_DIRECTORY", "run", "/run", g_get_user_runtime_dir(), name);
        g_autofree char *log = directory(root, "LOGS_DIRECTORY", "log", "/var/log", g_get_user_cache_dir(), name);
        g_autoptr(GError) error = NULL;
        umask(0077);
        if (!(root ? store_make_root(root, &error) : !user || geteuid() == 0 || store_check_user_runtime(&error))) {
                log_error("%s", error->message);
                return false;
        }
        int r = sd_event_default(&driver->event);
        if (r >= 0)
                r = program_on_signals(driver->event, ending_signals, NULL, NULL);
        if (r >= 0)
                r = program_on_standstill(driver->event);
        if (r >= 0)
                r = sd_event_add_time_relative(driver->event, &driver->idle, CLOCK_MONOTONIC, driver->idle_timeout, 0, on_idle,
                                               driver);
        if (r < 0) {
                log_error("cannot create the event loop: %s", g_strerror(-r));
                return false;
        }
        driver->objects = objects_new();
        driver->kept = driver_kept_new();
        const DriverSetup setup = {
                .event = driver->event,
                .objects = driver->objects,
                .state = state,
                .runtime = runtime,
                .log = log,
                .answer_timeout = driver->answer_timeout,
                .idle = postpone_idle,
                .idle_data = driver,
                .keep = keep,
                .keep_data = driver,
        };
        driver->self = driver->kind->open(driver->kind->data, &setup, &error);
        if (!driver->self) {
                log_error("%s", error->message);
                return false;
        }
        if (open_bus(driver, user) < 0)
                return false;
        if (driver->kind->serve)
                driver->kind->serve(driver->self, driver->bus);
        return true;
}

static void driver_stop(Driver *driver) {
        if (driver->self)
                driver->kind->cancel(driver->self);
        refuse_what_was_not_read(driver);
        if (driver->objects)
                close_peer(driver);
        if (driver->self)
                driver->kind->close(driver->self);
        if (driver->objects)
                objects_free(driver->objects);
        if (driver->kept)
                driver_kept_free(driver->kept);
        if (driver->bus)
                sd_bus_flush_close_unref(driver->bus);
        sd_event_source_disable_unref(driver->idle);
        sd_event_unref(driver->event);
}

int driver_main(const DriverKind *kind, int argc, char *argv[]) {
        gboolean user = false;
        int idle_timeout = (int) (IDLE_TIMEOUT / 1000000), answer_timeout = 0, status;
        g_autofree char *root = NULL;
        const GOptionEntry options[] = {
                { "user", 0, 0, G_OPTION_ARG_NONE, &user, "Serve the session bus and the user's own guests", NULL },
                { "root", 0, 0, G_OPTION_ARG_FILENAME, &root, "Keep everything below this directory", "DIR" },
                { "idle-timeout", 0, 0, G_OPTION_ARG_INT, &idle_timeout, "End after this time without anything to do",
                  "SECONDS" },
                { "answer-timeout", 0, 0, G_OPTION_ARG_INT, &answer_timeout,
                  "Fail what waits for a hypervisor that has answered nothing for this time", "SECONDS" },
                G_OPTION_ENTRY_NULL
        };
        program_hold_signals(ending_signals);
        if (!program_options(options, "- a driver of virtbusd, activated by the bus", argc, argv, NULL, &status))
                return status;
        if (idle_timeout < 1 || idle_timeout > IDLE_TIMEOUT_SECONDS_MAX) {
                log_error("--idle-timeout takes 1 to %d seconds", IDLE_TIMEOUT_SECONDS_MAX);
                return EXIT_FAILURE;
        }
        if (answer_timeout < 0 || answer_timeout > ANSWER_TIMEOUT_SECONDS_MAX) {
                log_error("--answer-timeout takes 1 to %d seconds", ANSWER_TIMEOUT_SECONDS_MAX);
                return EXIT_FAILURE;
        }
        Driver driver = {
                .kind = kind,
                .idle_timeout = (uint64_t) idle_timeout * 1000000,
                .answer_timeout = (uint64_t) answer_timeout * 1000000,
        };
        int r = driver_start(&driver, root, user) ? sd_event_loop(driver.event) : EXIT_FAILURE;
        driver_stop(&driver);
        return r == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
