/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "network/port-bus.h"

#include <string.h>

#include "base/registry-answer.h"
#include "network/run.h"
#include "options.h"
#include "paths.h"
#include "vtables.h"

NETWORK_PORT_VTABLE(Port, bus);
HOST_PORT_VTABLE(Port, of_host);

/* Both have these. */
#define PORT_PROPERTY(type, name, value) \
        static type bus_get_##name(const Port *self) { \
                return value; \
        } \
        static type of_host_get_##name(const Port *self) { \
                return bus_get_##name(self); \
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
PORT_PROPERTY(const char *, bandwidth, self->bandwidth)
PORT_PROPERTY(const char *, mode, self->mode)

/* Of a network that has a bridge, that is not the port's own. */
static const char *bus_get_interface(const Port *self) {
        return *self->source ? self->source : run_live(self->network)->bridge;
}

static const char *of_host_get_interface(const Port *self) {
        return *self->source ? self->source : self->interface;
}

static const char *of_host_get_plug(const Port *self) {
        return port_plugs[self->plug];
}

static void on_filter_set(void *data, const GError *error) {
        registry_answer_nothing(data, NULL, error);
}

/* Who may attach may not change others' guests by that; a driver has had the domain's change authorized. False: the call has
 * been answered. */
static bool may_change(Call *call, const Port *self, sd_bus_message *options) {
        g_autoptr(GError) error = NULL;
        if (call->uid == 0 || call->uid == self->owner || caller_is_behind_driver(call_sender(call)))
                return registry_check_options(call, options);
        virtbus_error_set(&error, VIRTBUS_ERROR_ACCESS_DENIED,
                          "port %s was added for another user: change the card of its domain", self->uuid);
        call_fail(call, error);
        return false;
}

static void bus_set_filter(Call *call, Port *self, const char *filter, sd_bus_message *options) {
        if (may_change(call, self, options))
                port_set_filter(self, filter, on_filter_set, call);
}

static void bus_set_bandwidth(Call *call, Port *self, const char *bandwidth, sd_bus_message *options) {
        g_autoptr(GError) error = NULL;
        if (!may_change(call, self, options))
                return;
        port_set_bandwidth(self, bandwidth, &error);
        registry_answer_nothing(call, NULL, error);
}

static void of_host_set_filter(Call *call, Port *self, const char *filter, sd_bus_message *options) {
        bus_set_filter(call, self, filter, options);
}

static void of_host_set_bandwidth(Call *call, Port *self, const char *bandwidth, sd_bus_message *options) {
        bus_set_bandwidth(call, self, bandwidth, options);
}

const Vtable *const port_vtables[] = { &bus_vtable, NULL }, *const port_vtables_of_host[] = { &of_host_vtable, NULL };

/* What each answer begins with, and its end; BRIDGE: of a network, or NULL. */
static int append_port(sd_bus_message *answer, const Port *port, const char *bridge, const int *fds, unsigned n) {
        int r = sd_bus_message_append(answer, "oss", published_path(port->published), port->uuid, port->interface);
        if (r >= 0 && bridge)
                r = sd_bus_message_append(answer, "s", bridge);
        if (r >= 0)
                r = sd_bus_message_append(answer, "u", port->mtu);
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
                r = append_port(answer, port, port->network ? run_live(port->network)->bridge : NULL, fds, n);
        if (r >= 0)
                call_send_answer(call, answer);
        else
                call_fail_errno(call, r);
}

/* What every request has, and the options of both methods. */
static bool read_request(const Call *call, PortRequest *request, sd_bus_message *options, GError **error) {
        request->owner = call->uid;
        request->for_driver = caller_is_behind_driver(call_sender(call));
        request->interface = request->filter = request->bandwidth = request->group = request->mode = "";
        return options_read(options, error, "interface", 's', &request->interface, "queues", 'u', &request->queues, "mtu", 'u',
                            &request->mtu, "isolated", 'b', &request->isolated, "filter", 's', &request->filter, "bandwidth", 's',
                            &request->bandwidth, "portgroup", 's', &request->group, "existing", 'b', &request->may_be_there,
                            "mode", 's', &request->mode, "pair", 'u', &request->pair, NULL);
}

/* Its card is on one of the network's interfaces. */
static bool lead_to_interface(const NetworkDefinition *live, PortRequest *request, GError **error) {
        if (*request->filter || request->isolated)
                return virtbus_error_set(error, VIRTBUS_ERROR_UNSUPPORTED,
                                         "%s: network '%s' of mode '%s' connects by macvtap interfaces, which have none; use a "
                                         "network with a bridge, or leave it out",
                                         *request->filter ? "filter" : "isolated", live->name, live->mode);
        if (request->pair > 0)
                return virtbus_error_set(
                                error, VIRTBUS_ERROR_UNSUPPORTED,
                                "network '%s' of mode '%s' has no bridge for a container's card: give it the type direct",
                                live->name, live->mode);
        request->bridge = NULL;
        request->mode = port_find_mode(live->mode);
        request->pool = live->interfaces;
        return true;
}

void port_bus_add(Call *call, Network *network, const char *domain_name, const char *domain_uuid, const char *mac,
                  sd_bus_message *options) {
        g_autoptr(GError) error = NULL;
        const NetworkDefinition *live = run_live(network);
        PortRequest request = { .place = { network, PORT_NETWORK, "" },
                                .domain_name = domain_name,
                                .domain_uuid = domain_uuid,
                                .mac = mac,
                                .bridge = live->bridge,
                                .check = run_check_active };
        bool fine = read_request(call, &request, options, &error);
        if (fine && *request.mode)
                fine = virtbus_error_set(&error, VIRTBUS_ERROR_INVALID_ARGUMENT, "mode: it is the network's");
        if (fine && network_definition_is_direct(live))
                fine = lead_to_interface(live, &request, &error);
        if (fine && request.may_be_there)
                fine = virtbus_error_set(&error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                         "existing: an interface that is there already is not put into a network");
        request.mtu = request.mtu > 0 ? request.mtu : live->mtu;
        g_autofree char *of_group = fine ? port_group_bandwidth(live, request.group, &error) : NULL;
        if (of_group && !*request.bandwidth)
                request.bandwidth = of_group;
        if (of_group)
                port_add((Networks *) network->entry.registry, &request, on_added, call);
        else
                call_fail(call, error);
}

/* Of the host */

HOST_PORTS_VTABLE(Ports, host);

/* What a plug is of, and what cannot be said of one: a name that is to be there, to be isolated, a filter, a mode. */
static const struct {
        PortPlug plug;
        const char *of; /* NULL: its interface's own name */
        bool takes_existing, takes_isolated, takes_filter, takes_mode, is_direct;
        const char *refusal;
} of_plugs[] = {
        { .plug = PORT_BRIDGE,
          .of = "bridge",
          .takes_isolated = true,
          .takes_filter = true,
          .refusal = "an interface that is there already is not put into a bridge" },
        { .plug = PORT_ETHERNET,
          .takes_existing = true,
          .takes_filter = true,
          .refusal = "an interface that is in no bridge is alone" },
        { .plug = PORT_DIRECT,
          .of = "interface",
          .takes_mode = true,
          .is_direct = true,
          .refusal = "a macvtap interface is always a new one, which nothing filters" },
        { .plug = PORT_PASSTHROUGH,
          .of = "interface",
          .is_direct = true,
          .refusal = "a macvtap interface that has the whole of another is alone" },
};

static bool refuse(size_t row, const char *option, GError **error) {
        return virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT, "%s: with plug %s that cannot be: %s", option,
                                 port_plugs[of_plugs[row].plug], of_plugs[row].refusal);
}

static bool check_options(size_t row, const PortRequest *request, GError **error) {
        if (request->may_be_there && !of_plugs[row].takes_existing)
                return refuse(row, "existing", error);
        if (request->isolated && !of_plugs[row].takes_isolated)
                return refuse(row, "isolated", error);
        if (*request->mode && !of_plugs[row].takes_mode)
                return refuse(row, "mode", error);
        if (*request->filter && !of_plugs[row].takes_filter)
                return virtbus_error_set(error, VIRTBUS_ERROR_UNSUPPORTED,
                                         "filter: a macvtap interface has none; use a bridge (plug bridge), or leave it out");
        return !*request->group ||
               virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT, "portgroup: groups of ports are networks'");
}

/* One that has the whole of its interface is another plug. */
static bool read_mode(size_t row, PortRequest *request, GError **error) {
        bool is_whole = of_plugs[row].plug == PORT_PASSTHROUGH;
        const char *wanted = is_whole ? "passthrough" : *request->mode ? request->mode : port_modes[0];
        request->mode = port_find_mode(wanted);
        return (request->mode && is_whole == (strcmp(wanted, "passthrough") == 0)) ||
               virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT, "mode is '%.32s'; it must be vepa, bridge or private",
                                 wanted);
}

/* Of a tap alone the name is its own. */
static bool read_place(size_t row, const char *interface_name, PortRequest *request, GError **error) {
        const char *of = of_plugs[row].of;
        request->place = (PortPlace){ NULL, of_plugs[row].plug, of ? interface_name : "" };
        if (of && !*interface_name)
                return virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT, "interface_name is missing: which %s it is", of);
        if (of_plugs[row].plug == PORT_BRIDGE)
                request->bridge = interface_name;
        if (of)
                return true;
        if (*request->interface && strcmp(request->interface, interface_name) != 0)
                return virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                         "interface: one that is in no bridge is named by interface_name");
        request->interface = interface_name;
        return true;
}

static bool read_host_request(Call *call, const char *plug, const char *interface_name, PortRequest *request,
                              sd_bus_message *options, GError **error) {
        size_t row = 0;
        while (row < G_N_ELEMENTS(of_plugs) && strcmp(plug, port_plugs[of_plugs[row].plug]) != 0)
                row++;
        if (row == G_N_ELEMENTS(of_plugs))
                return virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                         "plug is '%.32s'; it must be bridge, ethernet, direct or passthrough", plug);
        return read_request(call, request, options, error) && check_options(row, request, error) &&
               read_place(row, interface_name, request, error) && (!of_plugs[row].is_direct || read_mode(row, request, error));
}

static void host_add_port(Call *call, Ports *self, const char *plug, const char *interface_name, const char *domain_name,
                          const char *domain_uuid, const char *mac, sd_bus_message *options) {
        g_autoptr(GError) error = NULL;
        PortRequest request = { .domain_name = domain_name, .domain_uuid = domain_uuid, .mac = mac };
        if (read_host_request(call, plug, interface_name, &request, options, &error))
                port_add(ports_networks(self), &request, on_added, call);
        else
                call_fail(call, error);
}

const Vtable *const port_vtables_of_ports[] = { &host_vtable, NULL };
