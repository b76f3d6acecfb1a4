/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "network/port.h"

#include <string.h>
#include <unistd.h>

#include "base/uuid.h"
#include "errors.h"
#include "link/tap.h"
#include "network/direct-links.h"
#include "network/filter-table.h"
#include "network/value.h"

/* A new one: its interface is made, gets its filter while it is down, and is up when it is the network's. */

typedef struct Adding {
        Networks *networks;
        Network *network; /* holds a reference; or NULL: the host's */
        Port *port;
        char *bridge, *wanted;        /* NULL: in none; the name that it is to have, or "" */
        int fds[PORT_QUEUES_MAX + 1]; /* the holder of a macvtap is the last */
        unsigned n;
        bool is_open, for_driver, may_be_there;
        bool (*check)(const Network *network, GError **error);
        FilterBinding *binding; /* or NULL */
        PortDone done;
        void *data;
} Adding;

static void adding_free(Adding *adding) {
        if (adding->port && adding->networks->ports) /* they may have been closed */
                ports_done(adding->networks->ports, adding->port);
        if (adding->is_open)
                tap_close(adding->fds, adding->n);
        g_clear_pointer(&adding->port, port_free);
        g_clear_pointer(&adding->binding, filter_binding_free);
        if (adding->network)
                entry_unref(&adding->network->entry);
        g_free(adding->bridge);
        g_free(adding->wanted);
        g_free(adding);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Adding, adding_free)

static PortPlace place_of(const Adding *adding) {
        return (PortPlace){ adding->network, adding->port->plug, adding->port->source };
}

/* A macvtap, and its holder. */
static void open_direct(Adding *adding, GError **error) {
        Port *port = adding->port;
        const MacvtapSetup setup = { .name = adding->wanted,
                                     .lower = port->source,
                                     .mode = port->mode,
                                     .mac = port->mac,
                                     .alias = port->uuid,
                                     .mtu = port->mtu };
        adding->is_open = direct_link_open(ports_direct(adding->networks->ports), &setup, adding->fds, adding->n,
                                           &adding->fds[adding->n], &port->interface, &port->index, error);
        if (adding->is_open)
                adding->n++;
}

static void open_tap(Adding *adding, GError **error) {
        Port *port = adding->port;
        const TapSetup setup = { .name = adding->wanted,
                                 .mac = port->mac,
                                 .alias = port->uuid,
                                 .bridge = adding->bridge,
                                 .mtu = port->mtu,
                                 .is_down = adding->binding,
                                 .isolated = port->isolated,
                                 .may_be_there = adding->may_be_there };
        if (port->index > 0) { /* it is there */
                if (tap_take_pair(&setup, port->index, error))
                        port_limit(port, error);
                return;
        }
        adding->is_open = tap_open(&setup, adding->fds, adding->n, &port->interface, &port->index, error);
}

static void open_in_thread(void *data, GError **error) {
        Adding *adding = data;
        (port_is_direct(adding->port) ? open_direct : open_tap)(adding, error);
        if (adding->is_open && !port_limit(adding->port, error) && port_is_direct(adding->port))
                direct_link_take_back(ports_direct(adding->networks->ports), adding->port->index);
}

/* PORT is NULL with an error. ADDING is taken. */
static void finish(Adding *taken, const Port *port, const GError *error) {
        g_autoptr(Adding) adding = taken;
        adding->done(adding->data, port, adding->fds, port ? adding->n : 0, error);
}

/* It is among those that are there. */
static void finish_added(Adding *adding) {
        Port *port = g_steal_pointer(&adding->port);
        ports_done(adding->networks->ports, port);
        finish(adding, port, NULL);
}

/* With its address a guest would have another's packets, and the other lose them. One domain may have two ports of a card for a
 * while, where it moves from one QEMU of this host to another: whoever has it says so. A tap alone is with no others. */
static bool check_mac(const PortPlace *place, const GPtrArray *others, const Port *wanted, bool for_driver, GError **error) {
        for (guint i = 0; i < others->len && place->plug != PORT_ETHERNET; i++) {
                const Port *port = others->pdata[i];
                bool is_its = strcmp(port->domain_uuid, wanted->domain_uuid) == 0 &&
                              (for_driver || wanted->owner == 0 || wanted->owner == port->owner);
                /* That one has gone may not have been told yet. */
                if (g_ascii_strcasecmp(port->mac, wanted->mac) == 0 && !is_its && port_is_there(port)) {
                        g_autofree char *where = port_place_text(place);
                        return virtbus_error_set(error, VIRTBUS_ERROR_ALREADY_EXISTS,
                                                 "%s: a card of domain '%s' has the address %s: give this one another, "
                                                 "or leave its <mac> out",
                                                 where, port->domain_name, wanted->mac);
                }
        }
        return true;
}

/* Whether there is room for it beside those that are there by now. */
static bool check_place(const Adding *adding, GError **error) {
        const PortPlace place = place_of(adding);
        g_autoptr(GPtrArray) others = ports_at(adding->networks->ports, &place);
        return port_check_count(&place, others, adding->port->owner, error) &&
               check_mac(&place, others, adding->port, adding->for_driver, error);
}

/* The network may have stopped meanwhile, and the interface may have been deleted. */
static bool check_there(const Adding *adding, GError **error) {
        const Network *network = adding->network;
        if (adding->networks->registry.cancelled)
                return virtbus_error_set(error, VIRTBUS_ERROR_CANCELLED, "the driver is ending");
        if (network && network->entry.gone)
                return virtbus_error_set(error, VIRTBUS_ERROR_NO_SUCH_NETWORK, "network '%s' is gone",
                                         network_definition(network)->name);
        return (!network || adding->check(network, error)) &&
               (port_is_there(adding->port) ||
                virtbus_error_set(error, VIRTBUS_ERROR_HYPERVISOR_FAILED, "interface '%s' was deleted", adding->port->interface));
}

static void enter(void *data, const GError *failure) {
        Adding *adding = data;
        g_autoptr(GError) error = failure ? g_error_copy(failure) : NULL;
        if (!error && check_there(adding, &error) && check_place(adding, &error) &&
            port_enter(adding->networks->ports, adding->network, adding->port, &error))
                finish_added(adding);
        else
                finish(adding, NULL, error);
}

static void raise_in_thread(void *data, GError **error) {
        const Adding *adding = data;
        tap_raise(adding->port->index, adding->port->interface, error);
}

static void on_filtered(void *data, const GError *error) {
        Adding *adding = data;
        if (error)
                finish(adding, NULL, error);
        else
                worker_run(adding->networks->worker, raise_in_thread, enter, adding);
}

static void on_opened(void *data, const GError *error) {
        Adding *adding = data;
        if (!error && adding->may_be_there)
                ports_end(adding->networks->ports, adding->port->index);
        if (!error && adding->binding)
                port_filter_begin(adding->port, adding->networks, g_steal_pointer(&adding->binding), on_filtered, adding);
        else
                enter(adding, error);
}

bool port_check_count(const PortPlace *place, const GPtrArray *others, uid_t owner, GError **error) {
        unsigned max = place->plug == PORT_ETHERNET ? PORTS_ALONE_MAX : PORTS_MAX, own = 0;
        for (guint i = 0; i < others->len; i++)
                own += ((const Port *) others->pdata[i])->owner == owner;
        if (others->len < max && (owner == 0 || own < (max - (others->len - own) + 1) / 2))
                return true;
        g_autofree char *where = port_place_text(place);
        return others->len >= max ? virtbus_error_set(error, VIRTBUS_ERROR_LIMIT_EXCEEDED, "%s has %u ports, as many as it takes",
                                                      where, others->len)
                                  : virtbus_error_set(error, VIRTBUS_ERROR_LIMIT_EXCEEDED,
                                                      "%s: user %u has %u of its ports, half of what others have left", where,
                                                      (unsigned) owner, own);
}

static bool check_value(const ValueKind *kind, const char *text, GError **error) {
        return kind->check(kind, text) ||
               virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT, "'%.64s' is not %s", text, kind->what);
}

static bool check_request(const PortRequest *request, GError **error) {
        if ((request->place.network && !request->check(request->place.network, error)) ||
            !check_value(&value_mac, request->mac, error) ||
            (*request->interface && !check_value(&value_interface, request->interface, error)) ||
            (*request->place.source && !check_value(&value_interface, request->place.source, error)))
                return false;
        if (request->queues > PORT_QUEUES_MAX)
                return virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT, "%u queues: a port has at most %d",
                                         request->queues, PORT_QUEUES_MAX);
        if (request->pair > 0 && !request->for_driver)
                return virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                         "pair: an end of a pair is a container's, whose driver alone can name it");
        if (request->pair > INT32_MAX ||
            (request->pair > 0 && (!*request->interface || request->may_be_there || request->queues > 1 || *request->mode)))
                return virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                         "pair: an end of a pair has a number, a name and one queue, and is in a network or a "
                                         "bridge, or alone");
        if (request->may_be_there && !*request->interface)
                return virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                         "an interface that is there already is used by its name, which is missing");
        return strlen(request->domain_name) <= PORT_DOMAIN_BYTES_MAX ||
               virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT, "the name of a port's domain has at most %d bytes",
                                 PORT_DOMAIN_BYTES_MAX);
}

/* What it is to be: its strings are checked, or NULL with an error. */
static Port *new_port(Ports *ports, const PortRequest *request, GError **error) {
        g_autofree char *domain = check_request(request, error) ? uuid_of_argument(request->domain_uuid, error) : NULL,
                        *bandwidth = domain ? port_read_bandwidth(request->bandwidth, error) : NULL;
        if (!bandwidth)
                return NULL;
        Port *port = g_new0(Port, 1);
        *port = (Port){ .all = ports,
                        .plug = request->place.plug,
                        .source = g_strdup(request->place.source),
                        .mode = *request->mode ? port_find_mode(request->mode) : "",
                        .uuid = g_uuid_string_random(),
                        .domain_name = g_strdup(request->domain_name),
                        .domain_uuid = g_steal_pointer(&domain),
                        .bandwidth = g_steal_pointer(&bandwidth),
                        .mac = g_strdup(request->mac),
                        .mtu = request->mtu,
                        .interface = request->pair > 0 ? g_strdup(request->interface) : NULL,
                        .index = (int) request->pair,
                        .owner = request->owner,
                        .isolated = request->isolated };
        return port;
}

/* The interface of the network's that has the fewest others on it; where one wants the whole of it, that has none. */
static bool choose_interface(const Adding *adding, const PortRequest *request, GError **error) {
        bool wants_whole = strcmp(request->mode, "passthrough") == 0;
        unsigned fewest = PORTS_MAX;
        const char *chosen = NULL;
        for (char *const *interface = request->pool; *interface; interface++) {
                bool has_whole;
                unsigned n = ports_count_on(adding->networks->ports, *interface, &has_whole);
                if (n >= fewest || has_whole || (wants_whole && n > 0))
                        continue;
                fewest = n;
                chosen = *interface;
        }
        if (!chosen)
                return virtbus_error_set(error, VIRTBUS_ERROR_RESOURCE_BUSY,
                                         "network '%s': no interface of it is free: end a guest on it, or give it another "
                                         "<interface> (virtbusctl network update)",
                                         network_definition(adding->network)->name);
        g_free(adding->port->source);
        adding->port->source = g_strdup(chosen);
        return true;
}

void port_add(Networks *networks, const PortRequest *request, PortDone done, void *data) {
        g_autoptr(GError) error = NULL;
        g_autoptr(Adding) adding = g_new0(Adding, 1);
        *adding = (Adding){ .networks = networks,
                            .network = request->place.network,
                            .port = new_port(networks->ports, request, &error),
                            .bridge = g_strdup(request->bridge),
                            .wanted = g_strdup(request->interface),
                            .n = request->pair > 0 ? 0 : MAX(request->queues, 1),
                            .check = request->check,
                            .for_driver = request->for_driver,
                            .may_be_there = request->may_be_there,
                            .done = done,
                            .data = data };
        if (adding->network)
                entry_ref(&adding->network->entry);
        if (!error && *request->filter)
                adding->binding = filter_binding_parse(request->filter, request->mac, &error);
        if (!error && request->pool)
                choose_interface(adding, request, &error);
        if (error || !check_place(adding, &error)) {
                done(data, NULL, NULL, 0, error);
                return;
        }
        if (port_is_direct(adding->port))
                ports_end_unheld(networks->ports, request->mac, request->interface);
        ports_begin(networks->ports, adding->port);
        worker_run(networks->worker, open_in_thread, on_opened, g_steal_pointer(&adding));
}
