/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* virtbusd: owns org.virtbus1. The README's picture shows the way of a call through it. */

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "announce.h"
#include "bus.h"
#include "bounds.h"
#include "log.h"
#include "manager.h"
#include "paths.h"
#include "program.h"
#include "router.h"
#include "sandbox.h"

#define CALL_TIMEOUT_SECONDS_MAX 86400

typedef struct Service {
        sd_event *event;
        Router router;
} Service;

static void on_drivers_changed(void *data) {
        Service *service = data;
        int r = manager_update(service->router.bus, service->router.mirror, service->router.drivers);
        if (r < 0)
                log_error("the manager's properties cannot be updated: %s", g_strerror(-r));
}

static int on_owner_changed(sd_bus_message *signal, void *data, sd_bus_error *error) {
        Service *service = data;
        const char *name, *old_owner, *new_owner;
        (void) error;
        if (sd_bus_message_read(signal, "sss", &name, &old_owner, &new_owner) < 0)
                return 0;
        if (name[0] == ':')
                callers_left(service->router.callers, name);
        else if (strcmp(name, "org.freedesktop.PolicyKit1") == 0)
                authority_service_changed(service->router.authority);
        else
                drivers_owner_changed(service->router.drivers, name, new_owner[0] ? new_owner : NULL);
        return 0;
}

static int on_services_changed(sd_bus_message *signal, void *data, sd_bus_error *error) {
        Service *service = data;
        (void) signal;
        (void) error;
        return drivers_discover(service->router.drivers);
}

static int on_name(sd_bus_message *reply, void *data, sd_bus_error *unused) {
        Service *service = data;
        const sd_bus_error *error = sd_bus_message_get_error(reply);
        uint32_t result = 0;
        (void) unused;
        sd_bus_message_read(reply, "u", &result);
        if (error || result != 1) { /* 1: now the owner */
                log_error("the name " BUS_NAME " cannot be had: %s",
                          error ? error->message : "another virtbusd owns it; end that one first");
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
                /* Names that have left: callers, drivers, polkit; and drivers that have come. */
                { BUS_MATCH "member='NameOwnerChanged',arg2=''", on_owner_changed },
                { BUS_MATCH "member='NameOwnerChanged',arg0namespace='" BUS_NAME ".Driver'", on_owner_changed },
                { BUS_MATCH "member='ActivatableServicesChanged'", on_services_changed },
        };
        int r = 0;
        for (size_t i = 0; r >= 0 && i < G_N_ELEMENTS(matches); i++)
                r = sd_bus_add_match_async(service->router.bus, NULL, matches[i].match, matches[i].handler, NULL, service);
        return r;
}

static int service_start(Service *service, bool user, uint64_t call_timeout) {
        Router *router = &service->router;
        int r = sd_event_default(&service->event);
        if (r >= 0)
                r = user ? sd_bus_open_user(&router->bus) : sd_bus_open_system(&router->bus);
        if (r < 0) {
                log_error("the %s bus cannot be connected to: %s", user ? "session" : "system", g_strerror(-r));
                return r;
        }
        r = sd_bus_attach_event(router->bus, service->event, SD_EVENT_PRIORITY_NORMAL);
        if (r >= 0)
                r = sd_bus_set_exit_on_disconnect(router->bus, true);
        if (r < 0)
                return r;
        router->callers = callers_new(router->bus);
        router->peers = peers_new(router->bus, router->callers, router_take, router);
        router->mirror = mirror_new(&announce_listener, router->peers);
        router->authority = authority_new(router->bus, router->callers, user);
        router->drivers = drivers_new(router->bus, router->peers, router->mirror, call_timeout, on_drivers_changed, service);
        on_drivers_changed(service);
        r = add_matches(service);
        if (r >= 0)
                r = drivers_discover(router->drivers);
        if (r >= 0)
                r = router_start(router);
        g_autoptr(GError) error = NULL;
        if (r >= 0 && !peers_listen(router->peers, &error)) {
                log_error("virtbusd cannot start: %s", error->message);
                return -EINVAL;
        }
        if (r >= 0)
                r = sd_bus_request_name_async(router->bus, NULL, BUS_NAME, 0, on_name, service);
        if (r < 0)
                log_error("virtbusd cannot start: %s", g_strerror(-r));
        return r;
}

static void service_stop(Service *service) {
        Router *router = &service->router;
        g_clear_pointer(&router->drivers, drivers_free);
        g_clear_pointer(&router->authority, authority_free);
        g_clear_pointer(&router->mirror, mirror_free);
        g_clear_pointer(&router->peers, peers_free);
        if (router->bus)
                router->bus = sd_bus_flush_close_unref(router->bus);
        g_clear_pointer(&router->callers, callers_free);
        service->event = sd_event_unref(service->event);
}

int main(int argc, char *argv[]) {
        gboolean user = false;
        int call_timeout = CALL_TIMEOUT / SECOND, status;
        const GOptionEntry options[] = {
                { "user", 0, 0, G_OPTION_ARG_NONE, &user, "Serve the session bus and the user's own guests", NULL },
                { "call-timeout", 0, 0, G_OPTION_ARG_INT, &call_timeout, "How long a driver may take for a call", "SECONDS" },
                G_OPTION_ENTRY_NULL
        };
        if (!program_options(options, "- virtual machines on D-Bus", argc, argv, NULL, &status))
                return status;
        if (call_timeout < 1 || call_timeout > CALL_TIMEOUT_SECONDS_MAX) {
                log_error("--call-timeout takes 1 to %d seconds", CALL_TIMEOUT_SECONDS_MAX);
                return EXIT_FAILURE;
        }

        Service service = { 0 };
        int r = service_start(&service, user, (uint64_t) call_timeout * SECOND);
        if (r >= 0)
                r = program_on_signals(service.event, (const int[]){ SIGTERM, SIGINT, 0 }, NULL, NULL);
        if (r >= 0) {
                int sandboxed = sandbox_enter();
                if (sandboxed < 0)
                        log_warning("running without a system call filter: %s", g_strerror(-sandboxed));
                r = sd_event_loop(service.event);
        }
        service_stop(&service);
        return r == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
