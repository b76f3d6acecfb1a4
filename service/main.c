/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* virtbusd: owns org.virtbus1. The README's picture shows the way of a call through it. */

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <systemd/sd-daemon.h>

#include "assembly.h"
#include "bus.h"
#include "bounds.h"
#include "connect.h"
#include "libvirt-client.h"
#include "log.h"
#include "paths.h"
#include "polkit-names.h"
#include "program.h"
#include "sandbox.h"

#define CALL_TIMEOUT_SECONDS_MAX 86400

static const int ending_signals[] = { SIGTERM, SIGINT, 0 };

typedef struct Service {
        sd_event *event;
        Assembly parts;
} Service;

/* Takes as many descriptors as it may have, and returns how many that are. */
static unsigned raise_descriptors(void) {
        struct rlimit limit;
        if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
                return FALLBACK_DESCRIPTORS;
        rlim_t soft = limit.rlim_cur;
        limit.rlim_cur = MIN(limit.rlim_max, PROCESS_DESCRIPTORS_MAX);
        if (limit.rlim_cur > soft && setrlimit(RLIMIT_NOFILE, &limit) < 0)
                limit.rlim_cur = soft;
        return (unsigned) MIN(limit.rlim_cur, PROCESS_DESCRIPTORS_MAX);
}

static void name_left(Service *service, const char *name) {
        Caller *caller = callers_find(service->parts.router.callers, name);
        if (caller)
                router_forget(&service->parts.router, caller);
}

/* Anyone may send the service a signal that looks like the bus's: matches decide what is sent to all, and the library cannot
 * tell a well-known name from a sender's own. */
static bool is_of_bus(sd_bus_message *signal) {
        return g_strcmp0(sd_bus_message_get_sender(signal), "org.freedesktop.DBus") == 0;
}

static int on_owner_changed(sd_bus_message *signal, void *data, sd_bus_error *error) {
        Service *service = data;
        const char *name, *old_owner, *new_owner;
        (void) error;
        if (!is_of_bus(signal) || sd_bus_message_read(signal, "sss", &name, &old_owner, &new_owner) < 0)
                return 0;
        if (name[0] == ':')
                name_left(service, name);
        else if (strcmp(name, POLKIT_NAME) == 0)
                authority_service_changed(service->parts.router.authority, new_owner[0] ? new_owner : NULL);
        else
                drivers_owner_changed(service->parts.router.drivers, name, new_owner[0] ? new_owner : NULL);
        return 0;
}

static int on_services_changed(sd_bus_message *signal, void *data, sd_bus_error *error) {
        Service *service = data;
        (void) error;
        return is_of_bus(signal) ? drivers_discover(service->parts.router.drivers) : 0;
}

static int on_name(sd_bus_message *reply, void *data, sd_bus_error *unused) {
        Service *service = data;
        const sd_bus_error *error = sd_bus_message_get_error(reply);
        uint32_t result = 0;
        (void) unused;
        sd_bus_message_read(reply, "u", &result);
        if (error || result != 1) { /* 1: now the owner */
                log_error("cannot own the name " BUS_NAME ": %s",
                          error ? error->message : "another virtbusd owns it; end that one first");
                router_end(&service->parts.router);
                return sd_event_exit(service->event, EXIT_FAILURE);
        }
        sd_notify(false, "READY=1");
        return 0;
}

static int add_matches(Service *service) {
#define BUS_MATCH "type='signal',sender='org.freedesktop.DBus',interface='org.freedesktop.DBus',"
        static const struct {
                const char *match;
                sd_bus_message_handler_t handler;
        } matches[] = {
                /* Names that have left: callers, drivers, polkit; and drivers and polkit that have come. */
                { BUS_MATCH "member='NameOwnerChanged',arg2=''", on_owner_changed },
                { BUS_MATCH "member='NameOwnerChanged',arg0='" POLKIT_NAME "'", on_owner_changed },
                { BUS_MATCH "member='NameOwnerChanged',arg0namespace='" BUS_NAME ".Driver'", on_owner_changed },
                { BUS_MATCH "member='ActivatableServicesChanged'", on_services_changed },
        };
        int r = 0;
        for (size_t i = 0; r >= 0 && i < G_N_ELEMENTS(matches); i++)
                r = sd_bus_add_match_async(service->parts.router.bus, NULL, matches[i].match, matches[i].handler, NULL, service);
        return r;
}

/* Ending */

/* All that was answered has been written. */
static int on_idle(sd_event_source *source, void *data) {
        Service *service = data;
        (void) source;
        return bus_unwritten(service->parts.router.bus) == 0 && peers_are_written(service->parts.router.peers)
                               ? sd_event_exit(service->event, 0)
                               : 0;
}

static int on_ending_too_long(sd_event_source *source, uint64_t usec, void *data) {
        Service *service = data;
        (void) source;
        (void) usec;
        return sd_event_exit(service->event, 0);
}

/* Told to end: what waits is failed, and the service has ended when that is written, or nobody reads it. */
static int on_terminate(sd_event_source *source, const struct signalfd_siginfo *info, void *data) {
        Service *service = data;
        (void) source;
        (void) info;
        if (!service->parts.router.drivers)
                return sd_event_exit(service->event, 0);
        if (service->parts.router.ending)
                return 0;
        router_end(&service->parts.router);
        int r = sd_event_add_post(service->event, NULL, on_idle, service);
        if (r >= 0)
                r = sd_event_add_time_relative(service->event, NULL, CLOCK_MONOTONIC, ENDING_TIMEOUT, 0, on_ending_too_long,
                                               service);
        return r < 0 ? sd_event_exit(service->event, 0) : 0;
}

static int service_start(Service *service, bool user, uint64_t call_timeout, const char *gateway) {
        Router *router = &service->parts.router;
        unsigned descriptors = raise_descriptors();
        int r = sd_event_default(&service->event);
        if (r >= 0)
                r = program_on_signals(service->event, ending_signals, on_terminate, service);
        if (r >= 0)
                r = program_on_standstill(service->event);
        if (r >= 0)
                r = connect_bus(user, service->event, &router->bus, &router->inlet);
        if (r >= 0 && !user)
                r = connect_bus_for_asking(service->event, &router->asking);
        if (r < 0) {
                log_error("the %s bus cannot be connected to: %s", user ? "session" : "system", g_strerror(-r));
                return r;
        }
        r = sd_bus_set_exit_on_disconnect(router->bus, true);
        if (r < 0)
                return r;
        assembly_make(&service->parts, &(AssemblyOptions){ .event = service->event,
                                                           .descriptors = descriptors,
                                                           .user = user,
                                                           .call_timeout = call_timeout });
        r = add_matches(service);
        /* Before drivers are looked for: the bus answers in order, and those of another virtbusd are not taken from it. */
        if (r >= 0)
                r = sd_bus_request_name_async(router->bus, NULL, BUS_NAME, 0, on_name, service);
        if (r < 0) {
                log_error("virtbusd cannot start: %s", g_strerror(-r));
                return r;
        }
        g_autoptr(GError) error = NULL;
        if (!assembly_start(&service->parts, gateway, &error)) {
                log_error("virtbusd cannot start: %s", error->message);
                return -EINVAL;
        }
        return r;
}

static void service_stop(Service *service) {
        assembly_end(&service->parts);
        service->event = sd_event_unref(service->event);
}

int main(int argc, char *argv[]) {
        gboolean user = false;
        g_autofree char *gateway = g_strdup(LIBVIRT_GATEWAY_PATH);
        int call_timeout = CALL_TIMEOUT / SECOND, status;
        const GOptionEntry options[] = {
                { "user", 0, 0, G_OPTION_ARG_NONE, &user, "Serve the session bus and the user's own guests", NULL },
                { "call-timeout", 0, 0, G_OPTION_ARG_INT, &call_timeout, "How long a driver may take for a call", "SECONDS" },
                { "libvirt-gateway", 0, 0, G_OPTION_ARG_FILENAME, &gateway, "Where virtbus-libvirt takes libvirt's clients",
                  "PATH" },
                G_OPTION_ENTRY_NULL
        };
        program_hold_signals(ending_signals);
        if (!program_options(options, "- virtual machines on D-Bus", argc, argv, NULL, &status))
                return status;
        if (call_timeout < 1 || call_timeout > CALL_TIMEOUT_SECONDS_MAX) {
                log_error("--call-timeout takes 1 to %d seconds", CALL_TIMEOUT_SECONDS_MAX);
                return EXIT_FAILURE;
        }

        Service service = { 0 };
        int r = service_start(&service, user, (uint64_t) call_timeout * SECOND, gateway);
        if (r >= 0) {
                int sandboxed = sandbox_enter();
                if (sandboxed < 0)
                        log_warning("running without a system call filter: %s", g_strerror(-sandboxed));
                r = sd_event_loop(service.event);
        }
        service_stop(&service);
        return r == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
