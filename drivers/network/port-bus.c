/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "network/port-bus.h"

#include "base/registry-answer.h"
#include "network/run.h"
#include "options.h"
#include "paths.h"
#include "vtables.h"

NETWORK_PORT_VTABLE(Port, bus);

#define PORT_PROPERTY(type, name, value) \
        static type bus_get_##name(const Port *self) { \
                return value; \
        }

PORT_PROPERTY(const char *, uuid, self->uuid)
PORT_PROPERTY(const char *, domain_name, self->domain_name)
PORT_PROPERTY(const char *, domain_uuid, self->domain_uuid)
PORT_PROPERTY(const char *, mac, self->mac)
PORT_PROPERTY(const char *, host_interface, self->interface)
PORT_PROPERTY(uint32_t, mtu, self->mtu)
PORT_PROPERTY(bool, isolated, self->isolated)
PORT_PROPERTY(const char *, filter, port_filter(self) ? port_filter(self)->filter : "")
PORT_PROPERTY(const char *, filter_xml, port_filter(self) ? port_filter(self)->xml : "")

static void on_filter_set(void *data, const GError *error) {
        registry_answer_nothing(data, NULL, error);
}

static void bus_set_filter(Call *call, Port *self, const char *filter, sd_bus_message *options) {
        g_autoptr(GError) error = NULL;
        /* Who may attach may not change others' guests by that; a driver has had the domain's change authorized. */
        if (call->uid != 0 && call->uid != self->owner && !caller_is_behind_driver(call_sender(call))) {
                virtbus_error_set(&error, VIRTBUS_ERROR_ACCESS_DENIED,
                                  "port %s was added for another user: change the card of its domain", self->uuid);
                call_fail(call, error);
        } else if (registry_check_options(call, options))
                port_set_filter(self, filter, on_filter_set, call);
}

const Vtable *const port_vtables[] = { &bus_vtable, NULL };

static int append_port(sd_bus_message *answer, const Port *port, const int *fds, unsigned n) {
        int r = sd_bus_message_append(answer, "osssu", published_path(port->published), port->uuid, port->interface,
                                      run_live(port->network)->bridge, port->mtu);
        if (r >= 0)
                r = sd_bus_message_open_container(answer, 'a', "h");
        for (unsigned i = 0; i < n && r >= 0; i++)
                r = sd_bus_message_append(answer, "h", fds[i]);
        return r < 0 ? r : sd_bus_message_close_container(answer);
}

static void on_added(void *data, const Port *port, const int *fds, unsigned n, const GError *error) {
        Call *call = data;
        g_autoptr(sd_bus_message) answer = NULL;
        if (error) {
                call_fail(call, error);
                return;
        }
        int r = call_begin_answer(call, &answer);
        if (r >= 0)
                r = append_port(answer, port, fds, n);
        if (r >= 0)
                call_send_answer(call, answer);
        else
                call_fail_errno(call, r);
}

void port_bus_add(Call *call, Network *network, const char *domain_name, const char *domain_uuid, const char *mac,
                  sd_bus_message *options) {
        g_autoptr(GError) error = NULL;
        const NetworkDefinition *live = run_live(network);
        PortRequest request = { .domain_name = domain_name,
                                .domain_uuid = domain_uuid,
                                .owner = call->uid,
                                .for_driver = caller_is_behind_driver(call_sender(call)),
                                .mac = mac,
                                .interface = "",
                                .filter = "",
                                .bridge = live->bridge,
                                .check = run_check_active };
        if (options_read(options, &error, "interface", 's', &request.interface, "queues", 'u', &request.queues, "mtu", 'u',
                         &request.mtu, "isolated", 'b', &request.isolated, "filter", 's', &request.filter, NULL)) {
                request.mtu = request.mtu > 0 ? request.mtu : live->mtu;
                port_add(network, &request, on_added, call);
        } else
                call_fail(call, error);
}
