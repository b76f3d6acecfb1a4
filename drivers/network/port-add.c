/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "network/port.h"

#include <string.h>
#include <unistd.h>

#include "base/uuid.h"
#include "errors.h"
#include "link/tap.h"
#include "network/filter-table.h"
#include "network/value.h"

/* A new one: its interface is made, gets its filter while it is down, and is up when it is the network's. */

typedef struct Adding {
        Network *network; /* holds a reference */
        Port *port;
        char *bridge, *wanted; /* the name that it is to have, or "" */
        int fds[PORT_QUEUES_MAX];
        unsigned n;
        bool is_open, for_driver;
        bool (*check)(const Network *network, GError **error);
        FilterBinding *binding; /* or NULL */
        PortDone done;
        void *data;
} Adding;

static void adding_free(Adding *adding) {
        if (adding->is_open)
                tap_close(adding->fds, adding->n);
        g_clear_pointer(&adding->port, port_free);
        g_clear_pointer(&adding->binding, filter_binding_free);
        entry_unref(&adding->network->entry);
        g_free(adding->bridge);
        g_free(adding->wanted);
        g_free(adding);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Adding, adding_free)

static Networks *networks_of(const Adding *adding) {
        return (Networks *) adding->network->entry.registry;
}

static const char *network_name(const Network *network) {
        return ((const NetworkDefinition *) network->entry.definition)->name;
}

static void open_in_thread(void *data, GError **error) {
        Adding *adding = data;
        Port *port = adding->port;
        const TapSetup setup = { .name = adding->wanted,
                                 .mac = port->mac,
                                 .alias = port->uuid,
                                 .bridge = adding->bridge,
                                 .mtu = port->mtu,
                                 .is_down = adding->binding,
                                 .isolated = port->isolated };
        adding->is_open = tap_open(&setup, adding->fds, adding->n, &port->interface, &port->index, error);
}

/* PORT is NULL with an error. ADDING is taken. */
static void finish(Adding *taken, const Port *port, const GError *error) {
        g_autoptr(Adding) adding = taken;
        adding->done(adding->data, port, adding->fds, port ? adding->n : 0, error);
}

/* With its address a guest would have another's packets, and the other lose them. One domain may have two ports of a card for a
 * while, where it moves from one QEMU of this host to another: whoever has it says so. */
static bool check_mac(const Network *network, const char *mac, const char *domain_uuid, uid_t owner, bool for_driver,
                      GError **error) {
        for (guint i = 0; network->ports && i < network->ports->len; i++) {
                const Port *port = network->ports->pdata[i];
                bool is_its = strcmp(port->domain_uuid, domain_uuid) == 0 && (for_driver || owner == 0 || owner == port->owner);
                /* That one has gone may not have been told yet. */
                if (g_ascii_strcasecmp(port->mac, mac) == 0 && !is_its && port_is_there(port))
                        return virtbus_error_set(error, VIRTBUS_ERROR_ALREADY_EXISTS,
                                                 "network '%s': a card of domain '%s' has the address %s: give this one another, "
                                                 "or leave its <mac> out",
                                                 network_name(network), port->domain_name, mac);
        }
        return true;
}

static void enter(void *data, const GError *failure) {
        Adding *adding = data;
        Network *network = adding->network;
        const char *name = network_name(network);
        g_autoptr(GError) error = failure ? g_error_copy(failure) : NULL;
        /* The network may have stopped meanwhile, and the interface may have been deleted. */
        if (!error && network->entry.registry->cancelled)
                virtbus_error_set(&error, VIRTBUS_ERROR_CANCELLED, "the driver is ending");
        else if (!error && network->entry.gone)
                virtbus_error_set(&error, VIRTBUS_ERROR_NO_SUCH_NETWORK, "network '%s' is gone", name);
        else if (!error && adding->check(network, &error) && !port_is_there(adding->port))
                virtbus_error_set(&error, VIRTBUS_ERROR_HYPERVISOR_FAILED, "interface '%s' was deleted", adding->port->interface);
        /* Others were added while it was. */
        const Port *port = adding->port;
        if (!error && port_check_count(network, port->owner, &error) &&
            check_mac(network, port->mac, port->domain_uuid, port->owner, adding->for_driver, &error) &&
            port_enter(network, adding->port, &error))
                finish(adding, g_steal_pointer(&adding->port), NULL);
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
                worker_run(networks_of(adding)->worker, raise_in_thread, enter, adding);
}

static void on_opened(void *data, const GError *error) {
        Adding *adding = data;
        if (!error && adding->binding)
                port_filter_begin(adding->port, networks_of(adding), g_steal_pointer(&adding->binding), on_filtered, adding);
        else
                enter(adding, error);
}

bool port_check_count(const Network *network, uid_t owner, GError **error) {
        unsigned count = network->ports ? network->ports->len : 0, own = 0;
        for (guint i = 0; i < count; i++)
                own += ((const Port *) network->ports->pdata[i])->owner == owner;
        if (count >= PORTS_MAX)
                return virtbus_error_set(error, VIRTBUS_ERROR_LIMIT_EXCEEDED,
                                         "network '%s' has %u ports, as many as a bridge takes", network_name(network), count);
        return owner == 0 || own < (PORTS_MAX - (count - own) + 1) / 2 ||
               virtbus_error_set(error, VIRTBUS_ERROR_LIMIT_EXCEEDED,
                                 "network '%s': user %u has %u of its ports, half of what others have left",
                                 network_name(network), (unsigned) owner, own);
}

static bool check_request(const Network *network, const PortRequest *request, GError **error) {
        if (!request->check(network, error) || !port_check_count(network, request->owner, error))
                return false;
        if (!value_mac.check(&value_mac, request->mac))
                return virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT, "'%.64s' is not %s", request->mac,
                                         value_mac.what);
        if (*request->interface && !value_interface.check(&value_interface, request->interface))
                return virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT, "'%.64s' is not %s", request->interface,
                                         value_interface.what);
        if (request->queues > PORT_QUEUES_MAX)
                return virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT, "%u queues: a port has at most %d",
                                         request->queues, PORT_QUEUES_MAX);
        return strlen(request->domain_name) <= PORT_DOMAIN_BYTES_MAX ||
               virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT, "the name of a port's domain has at most %d bytes",
                                 PORT_DOMAIN_BYTES_MAX);
}

void port_add(Network *network, const PortRequest *request, PortDone done, void *data) {
        g_autoptr(GError) error = NULL;
        g_autoptr(FilterBinding) binding = NULL;
        g_autofree char *domain = check_request(network, request, &error) ? uuid_of_argument(request->domain_uuid, &error) : NULL;
        if (domain && *request->filter)
                binding = filter_binding_parse(request->filter, request->mac, &error);
        if (error || !check_mac(network, request->mac, domain, request->owner, request->for_driver, &error)) {
                done(data, NULL, NULL, 0, error);
                return;
        }
        Adding *adding = g_new0(Adding, 1);
        *adding = (Adding){ .network = network,
                            .bridge = g_strdup(request->bridge),
                            .wanted = g_strdup(request->interface),
                            .n = MAX(request->queues, 1),
                            .binding = g_steal_pointer(&binding),
                            .check = request->check,
                            .for_driver = request->for_driver,
                            .done = done,
                            .data = data };
        entry_ref(&network->entry);
        adding->port = g_new0(Port, 1);
        *adding->port = (Port){ .uuid = g_uuid_string_random(),
                                .domain_name = g_strdup(request->domain_name),
                                .domain_uuid = g_steal_pointer(&domain),
                                .mac = g_strdup(request->mac),
                                .mtu = request->mtu,
                                .owner = request->owner,
                                .isolated = request->isolated };
        worker_run(((Networks *) network->entry.registry)->worker, open_in_thread, on_opened, adding);
}
