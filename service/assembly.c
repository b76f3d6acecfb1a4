/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "assembly.h"

#include "announce.h"
#include "bounds.h"
#include "errands.h"
#include "errors.h"
#include "log.h"
#include "manager.h"

/* Calls, connections, and clients of libvirt's protocol have a quarter of the descriptors each, and the backlog an eighth: there
 * are always some left for what the service needs itself, and for what is on its way. */
static void make_quotas(Assembly *assembly, unsigned descriptors) {
        const Charge calls = {
                .calls = CALLS_MAX,
                .bytes = KEPT_BYTES_MAX,
                .descriptors = MIN(DESCRIPTORS_MAX, descriptors / 4),
        };
        const Charge calls_of_one = {
                .calls = CALLS_PER_USER_MAX,
                .bytes = KEPT_BYTES_PER_USER_MAX,
                .descriptors = DESCRIPTORS_PER_USER_MAX,
        };
        const Charge unread = { .bytes = UNREAD_BYTES_MAX }, unread_of_one = { .bytes = UNREAD_BYTES_PER_USER_MAX };
        assembly->calls = quota_new(&calls, &calls_of_one);
        assembly->unread = quota_new(&unread, &unread_of_one);
}

static void on_drivers_changed(void *data) {
        Router *router = data;
        int r = manager_update(router->bus, router->mirror, router->drivers);
        if (r < 0)
                log_error("the manager's properties cannot be updated: %s", g_strerror(-r));
}

void assembly_make(Assembly *assembly, const AssemblyOptions *options) {
        Router *router = &assembly->router;
        sd_bus *asking = router->asking ? router->asking : router->bus;
        const PeersMax max[PEER_KINDS] = {
                [PEER_DIRECT] = { MIN(PEERS_MAX, options->descriptors / 4 / PEER_DESCRIPTORS), PEERS_PER_USER_MAX },
                [PEER_LIBVIRT] = { MIN(LIBVIRT_CLIENTS_MAX, options->descriptors / 4 / LIBVIRT_CLIENT_DESCRIPTORS),
                                   LIBVIRT_CLIENTS_PER_USER_MAX },
        };
        make_quotas(assembly, options->descriptors);
        router->backlog = backlog_new(router->bus, options->descriptors, router_turn, router);
        router->callers = callers_new(router->bus, asking, assembly->calls, assembly->unread);
        router->peers = peers_new(router->bus, router->callers, assembly->calls, assembly->unread, max, router_take,
                                  router_forget, router);
        router->mirror = mirror_new(&announce_listener, &router->audience);
        router->authority = authority_new(asking, router->callers, options->user);
        router->readers =
                        readers_new(router->authority, router->callers, router->mirror, &announce_to_readers, &router->audience);
        router->audience = (Audience){
                .peers = router->peers,
                .callers = router->callers,
                .authority = router->authority,
                .mirror = router->mirror,
                .readers = router->readers,
        };
        audience_tell_who_missed(&router->audience);
        router->journal = journal_new(options->event, router->mirror);
        router->drivers = drivers_new(router->bus, &router->audience, router->mirror, router->journal, options->call_timeout,
                                      on_drivers_changed, router);
        drivers_on_call(router->drivers, errands_take, router);
        on_drivers_changed(router);
}

bool assembly_start(Assembly *assembly, const char *gateway, GError **error) {
        Router *router = &assembly->router;
        int r = drivers_discover(router->drivers);
        if (r >= 0)
                r = router_start(router);
        return r < 0 ? virtbus_error_set_errno(error, -r, "cannot use the bus") : peers_listen(router->peers, gateway, error);
}

void assembly_end(Assembly *assembly) {
        Router *router = &assembly->router;
        if (router->drivers)
                router_end(router);
        g_clear_pointer(&router->peers, peers_free);
        g_clear_pointer(&router->backlog, backlog_free);
        g_clear_pointer(&router->drivers, drivers_free);
        g_clear_pointer(&router->journal, journal_free);
        g_clear_pointer(&router->readers, readers_free);
        g_clear_pointer(&router->authority, authority_free);
        g_clear_pointer(&router->mirror, mirror_free);
        if (router->asking)
                router->asking = sd_bus_close_unref(router->asking);
        if (router->bus)
                router->bus = sd_bus_close_unref(router->bus); /* written is what could be */
        g_clear_pointer(&router->inlet, inlet_free);
        g_clear_pointer(&router->callers, callers_free);
        g_clear_pointer(&assembly->calls, quota_free);
        g_clear_pointer(&assembly->unread, quota_free);
}
