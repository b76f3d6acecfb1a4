/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "network/port.h"

#include <string.h>

#include "errors.h"
#include "link/tap.h"
#include "log.h"
#include "paths.h"
#include "network/direct-links.h"
#include "network/filter-table.h"
#include "network/link-watch.h"
#include "network/port-record.h"

/* The folder of their files, below the runtime directory. */
#define FOLDER "ports"

struct Ports {
        Networks *networks;
        PortsLinkGone link_gone;
        const Vtable *const *vtables;      /* NULL: not published yet */
        const Vtable *const *host_vtables; /* of those of the host; as well */
        Published *published;              /* as a part of the host */
        Store *store;
        LinkWatch *watch;
        DirectLinks *direct;
        GHashTable *by_index; /* Port; the networks hold them, or */
        GPtrArray *homeless;  /* whose networks have gone */
        GPtrArray *of_host;
        GPtrArray *beginning; /* Port, borrowed */
};

static bool has_whole(const Port *port) {
        return strcmp(port->mode, "passthrough") == 0;
}

static Ports *ports_of(const Network *network) {
        return ((Networks *) network->entry.registry)->ports;
}

/* Their objects */

static void publish(Port *port) {
        const Published *above = port->network ? port->network->entry.published : NULL;
        const Vtable *const *vtables = port->network ? port->all->vtables : port->all->host_vtables;
        if (!vtables || (port->network && !above))
                return;
        g_autofree char *name = g_strdelimit(g_strdup(port->uuid), "-", '_'),
                        *path = g_strdup_printf("%s/port/%s", above ? published_path(above) : HOST_PATH, name);
        port->published = objects_publish(port->all->networks->registry.objects, path, port, vtables);
}

void ports_publish(Network *network, const Vtable *const *vtables) {
        ports_of(network)->vtables = vtables;
        for (guint i = 0; network->ports && i < network->ports->len; i++)
                publish(network->ports->pdata[i]);
}

void ports_withdraw(Network *network) {
        for (guint i = 0; network->ports && i < network->ports->len; i++)
                g_clear_pointer(&((Port *) network->ports->pdata[i])->published, published_withdraw);
}

void ports_publish_host(Ports *ports, const Vtable *const *vtables, const Vtable *const *each) {
        ports->published = objects_publish(ports->networks->registry.objects, HOST_PATH, ports, vtables);
        ports->host_vtables = each;
        for (guint i = 0; i < ports->of_host->len; i++)
                publish(ports->of_host->pdata[i]);
}

void ports_withdraw_host(Ports *ports) {
        ports->host_vtables = NULL;
        for (guint i = 0; i < ports->of_host->len; i++)
                g_clear_pointer(&((Port *) ports->of_host->pdata[i])->published, published_withdraw);
        g_clear_pointer(&ports->published, published_withdraw);
}

/* Where they are */

void ports_end_unheld(const Ports *ports, const char *mac, const char *interface) {
        GHashTableIter iterator;
        void *data;
        g_hash_table_iter_init(&iterator, ports->by_index);
        while (g_hash_table_iter_next(&iterator, NULL, &data)) {
                const Port *port = data;
                if (port->plug == PORT_PASSTHROUGH || (port->plug == PORT_DIRECT && (g_ascii_strcasecmp(port->mac, mac) == 0 ||
                                                                                     strcmp(port->interface, interface) == 0)))
                        direct_link_is_held(ports->direct, port->index);
        }
}

bool ports_any(const Ports *ports) {
        return g_hash_table_size(ports->by_index) > 0 || ports->beginning->len > 0;
}

void ports_begin(Ports *ports, Port *port) {
        g_ptr_array_add(ports->beginning, port);
}

void ports_done(Ports *ports, Port *port) {
        g_ptr_array_remove_fast(ports->beginning, port);
}

static bool is_on(const Port *port, const char *interface, bool *whole) {
        if (!port_is_direct(port) || strcmp(port->source, interface) != 0)
                return false;
        *whole = *whole || has_whole(port);
        return true;
}

unsigned ports_count_on(const Ports *ports, const char *interface, bool *whole) {
        GHashTableIter iterator;
        void *data;
        unsigned n = 0;
        *whole = false;
        for (guint i = 0; i < ports->beginning->len; i++)
                n += is_on(ports->beginning->pdata[i], interface, whole);
        g_hash_table_iter_init(&iterator, ports->by_index);
        while (g_hash_table_iter_next(&iterator, NULL, &data)) {
                const Port *port = data;
                if (port_is_direct(port) && strcmp(port->source, interface) == 0 &&
                    direct_link_is_held(ports->direct, port->index))
                        n += is_on(port, interface, whole);
        }
        return n;
}

Networks *ports_networks(const Ports *ports) {
        return ports->networks;
}

DirectLinks *ports_direct(const Ports *ports) {
        return ports->direct;
}

char *port_place_text(const PortPlace *place) {
        if (place->network)
                return g_strdup_printf("network '%s'", ((const NetworkDefinition *) place->network->entry.definition)->name);
        return place->plug == PORT_ETHERNET
                               ? g_strdup("this machine")
                               : g_strdup_printf("%s '%s'", place->plug == PORT_BRIDGE ? "bridge" : "interface", place->source);
}

static bool is_at(const Port *port, const PortPlace *place) {
        bool is_direct = place->plug == PORT_DIRECT || place->plug == PORT_PASSTHROUGH,
             is_alike = port->plug == place->plug || (is_direct && port_is_direct(port));
        return place->network ? port->network == place->network : is_alike && strcmp(port->source, place->source) == 0;
}

GPtrArray *ports_at(const Ports *ports, const PortPlace *place) {
        const GPtrArray *all = place->network ? place->network->ports : ports->of_host;
        GPtrArray *found = g_ptr_array_new();
        for (guint i = 0; all && i < all->len; i++)
                if (is_at(all->pdata[i], place))
                        g_ptr_array_add(found, all->pdata[i]);
        return found;
}

Port *ports_find(const Ports *ports, const char *uuid) {
        GHashTableIter iterator;
        void *port;
        g_hash_table_iter_init(&iterator, ports->by_index);
        while (g_hash_table_iter_next(&iterator, NULL, &port))
                if (strcmp(((const Port *) port)->uuid, uuid) == 0)
                        return port;
        return NULL;
}

/* What is written down */

static bool save(const Ports *ports, const Port *port, GError **error) {
        g_autofree char *text = port_record_text(port);
        return store_save_status(ports->store, port->uuid, text, error);
}

static void forget(const Ports *ports, const char *uuid) {
        g_autoptr(GError) error = NULL;
        if (!store_save_status(ports->store, uuid, NULL, &error))
                log_error("port %s: cannot remove its state: %s", uuid, error->message);
}

/* One of them */

static void free_one(void *data) {
        port_free(data);
}

/* Its filter */

static void add_card(Port *port, const Networks *networks, FilterBinding *binding) {
        g_autofree char *id = g_strdelimit(g_strdup(port->uuid), "-", '_'),
                        *whose = g_strdup_printf("domain '%s', interface '%s'", port->domain_name, port->interface);
        const FilterSubject subject = { .id = id, .interface = port->interface, .whose = whose };
        port->card = filter_table_add(networks->filters, &subject, binding);
}

void port_filter_begin(Port *port, const Networks *networks, FilterBinding *binding, WorkDone done, void *data) {
        add_card(port, networks, binding);
        filtered_card_begin(port->card, done, data);
}

void ports_take_up_filters(Networks *networks) {
        GHashTableIter iterator;
        void *data;
        g_hash_table_iter_init(&iterator, networks->ports->by_index);
        while (g_hash_table_iter_next(&iterator, NULL, &data)) {
                Port *port = data;
                if (port->binding)
                        add_card(port, networks, g_steal_pointer(&port->binding));
        }
}

static GPtrArray *holder_of(const Port *port) {
        GPtrArray *others = port->plug == PORT_NETWORK ? port->all->homeless : port->all->of_host;
        return port->network ? port->network->ports : others;
}

/* PORT is taken; NETWORK: NULL for none. */
static void hold(Network *network, Port *port) {
        port->network = network;
        if (network && !network->ports)
                network->ports = g_ptr_array_new_with_free_func(free_one);
        g_ptr_array_add(holder_of(port), port);
        if (network || port->plug != PORT_NETWORK)
                publish(port);
}

static void enter(Network *network, Port *port) {
        g_hash_table_insert(port->all->by_index, GINT_TO_POINTER(port->index), port);
        hold(network, port);
}

static void leave(Ports *ports, Port *port) {
        forget(ports, port->uuid);
        g_hash_table_remove(ports->by_index, GINT_TO_POINTER(port->index));
        g_ptr_array_remove(holder_of(port), port);
}

void ports_take_home(Network *network) {
        const NetworkDefinition *definition = network->entry.definition;
        Ports *ports = ports_of(network);
        for (guint i = ports ? ports->homeless->len : 0; i > 0; i--) {
                const Port *port = ports->homeless->pdata[i - 1];
                if (strcmp(port->network_uuid, definition->uuid) == 0)
                        hold(network, g_ptr_array_steal_index(ports->homeless, i - 1));
        }
}

/* Another of its UUID may be there by now. */
void ports_release(Network *network) {
        const NetworkDefinition *definition = network->entry.definition;
        Network *next = network->ports ? (Network *) registry_find(network->entry.registry, definition->uuid, NULL) : NULL;
        while (network->ports && network->ports->len > 0) {
                Port *port = g_ptr_array_steal_index(network->ports, network->ports->len - 1);
                g_clear_pointer(&port->published, published_withdraw);
                hold(next, port);
        }
        g_clear_pointer(&network->ports, g_ptr_array_unref);
}

bool port_enter(Ports *ports, Network *network, Port *port, GError **error) {
        port->network = network;
        port->network_uuid = g_strdup(network ? ((const NetworkDefinition *) network->entry.definition)->uuid : "");
        if (!save(ports, port, error))
                return false;
        enter(network, port);
        return true;
}

bool port_changed(Port *port, GError **error) {
        bool fine = save(port->all, port, error);
        if (port->published)
                published_changed(port->published, (port->network ? port->all->vtables : port->all->host_vtables)[0], NULL);
        return fine;
}

void port_filter_changed(Port *port, GError **error) {
        port->is_changing = false;
        if (!error || !*error)
                port_changed(port, error);
}

/* What becomes of their interfaces */

bool port_is_there(const Port *port) {
        bool is_held = !port_is_direct(port) || direct_link_is_held(port->all->direct, port->index);
        return is_held && tap_is_there(port->index, port->interface, port->uuid);
}

void ports_end(Ports *ports, int index) {
        Port *port = g_hash_table_lookup(ports->by_index, GINT_TO_POINTER(index));
        if (port)
                leave(ports, port);
}

static void on_gone(void *data, int index, const char *name) {
        Ports *ports = data;
        ports_end(ports, index);
        direct_links_gone(ports->direct, index);
        ports->link_gone(ports->networks, name);
}

static void on_lost(void *data) {
        Ports *ports = data;
        g_autoptr(GList) all = g_hash_table_get_values(ports->by_index);
        for (const GList *link = all; link; link = link->next)
                if (!port_is_there(link->data))
                        leave(ports, link->data);
}

/* Those of an earlier driver */

/* The interface tells whether the port is. */
static void take_up(Ports *ports, Port *taken) {
        g_autoptr(Port) port = taken;
        Network *network = port->plug == PORT_NETWORK
                                           ? (Network *) registry_find(&ports->networks->registry, port->network_uuid, NULL)
                                           : NULL;
        if (port_is_there(port))
                enter(network, g_steal_pointer(&port));
        else
                forget(ports, port->uuid);
}

static void recover(void *data, const char *uuid, const char *text, const GError *unreadable) {
        Ports *ports = data;
        g_autoptr(GError) error = unreadable ? g_error_copy(unreadable) : NULL;
        g_autoptr(xmlDoc) document = text ? xml_parse_own(text, "portstatus", &error) : NULL;
        const xmlNode *root = document ? xmlDocGetRootElement(document) : NULL;
        Port *port = root ? port_record_read(ports, root, uuid, &error) : NULL;
        if (port)
                take_up(ports, port);
        else if (g_error_matches(error, VIRTBUS_ERROR, VIRTBUS_ERROR_UNSUPPORTED))
                log_error("what is known of port %s is left as it is: %s", uuid, error->message);
        else
                store_put_status_aside(ports->store, uuid, error);
}

void ports_recover(Networks *networks) {
        store_each_status(networks->ports->store, recover, networks->ports);
}

Ports *ports_open(Networks *networks, const char *runtime, PortsLinkGone link_gone, GError **error) {
        static const LinkListener listener = { on_gone, on_lost };
        sd_event *event = networks->registry.event;
        Ports *ports = g_new0(Ports, 1);
        *ports = (Ports){ .networks = networks,
                          .link_gone = link_gone,
                          .by_index = g_hash_table_new(NULL, NULL),
                          .homeless = g_ptr_array_new_with_free_func(free_one),
                          .of_host = g_ptr_array_new_with_free_func(free_one),
                          .beginning = g_ptr_array_new() };
        /* No port outlives the machine's run. */
        ports->store = store_new(event, FOLDER, runtime, runtime, error);
        ports->direct = ports->store ? direct_links_open(event, networks->worker, runtime, error) : NULL;
        ports->watch = ports->direct ? link_watch_new(event, &listener, ports, error) : NULL;
        if (!ports->watch)
                g_clear_pointer(&ports, ports_close);
        return ports;
}

void ports_close(Ports *ports) {
        g_autoptr(GPtrArray) networks = registry_list(&ports->networks->registry);
        for (guint i = 0; i < networks->len; i++)
                g_clear_pointer(&((Network *) networks->pdata[i])->ports, g_ptr_array_unref);
        g_ptr_array_unref(ports->homeless);
        g_ptr_array_unref(ports->of_host);
        g_ptr_array_unref(ports->beginning);
        g_hash_table_unref(ports->by_index);
        g_clear_pointer(&ports->watch, link_watch_free);
        g_clear_pointer(&ports->direct, direct_links_close);
        g_clear_pointer(&ports->store, store_free);
        g_free(ports);
}

/* After a start of their network */

static void link_free(void *data) {
        PortLink *link = data;
        g_free(link->name);
        g_free(link);
}

GPtrArray *ports_links(const Network *network) {
        GPtrArray *links = g_ptr_array_new_with_free_func(link_free);
        for (guint i = 0; network->ports && i < network->ports->len; i++) {
                const Port *port = network->ports->pdata[i];
                if (port_is_direct(port))
                        continue;
                PortLink *link = g_new(PortLink, 1);
                *link = (PortLink){ g_strdup(port->interface), port->index, port->isolated };
                g_ptr_array_add(links, link);
        }
        return links;
}

void ports_attach(const GPtrArray *links, const char *bridge) {
        for (guint i = 0; i < links->len; i++) {
                const PortLink *link = links->pdata[i];
                const TapSetup setup = { .name = link->name, .bridge = bridge, .isolated = link->isolated };
                g_autoptr(GError) error = NULL;
                if (!tap_attach(link->index, &setup, &error))
                        log_error("interface '%s' of a guest is left outside of bridge '%s': %s", link->name, bridge,
                                  error->message);
        }
}
