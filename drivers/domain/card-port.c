/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/card-port.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/errand.h"
#include "bus.h"
#include "domain/connection.h"
#include "errors.h"
#include "paths.h"

#define NETWORKS "org.virtbus1.Networks"
#define NETWORK "org.virtbus1.Network"
#define HOST_PORTS "org.virtbus1.HostPorts"

void card_port_free(CardPort *port) {
        for (unsigned i = 0; port->fds && i < port->queues; i++)
                autofd_close(&port->fds[i]);
        g_free(port->fds);
        autofd_close(&port->holder);
        g_free(port->mac);
        g_free(port->interface);
        g_free(port->filter);
        g_free(port->bandwidth);
        g_free(port->group);
        g_free(port->uuid);
        g_free(port->bridge);
        g_free(port);
}

struct CardPortAsking {
        Domain *domain;
        char *on_behalf; /* or NULL */
        CardPort *port;
        const char *place, *whose;
        Errand *errand; /* that is out, or NULL */
        CardPortAsked done;
        void *data;
};

void card_port_asking_free(CardPortAsking *asking) {
        if (asking->errand)
                errand_cancel(asking->errand);
        g_free(asking->on_behalf);
        g_free(asking);
}

static bool is_of_network(const CardPort *port) {
        return strcmp(port->plug, "network") == 0;
}

char *card_port_place_text(const CardPort *port, const char *place) {
        bool is_shared = is_of_network(port) || strcmp(port->plug, "bridge") == 0;
        return *place ? g_strdup_printf("%s '%s'", is_shared ? port->plug : "interface", place)
                      : g_strdup("an interface of the host's (virtbus-network)");
}

/* By a code of the API's: this is not the object that was called. */
static bool explain(const CardPortAsking *asking, const GError *cause, GError **error) {
        g_autofree char *place = card_port_place_text(asking->port, asking->place);
        return virtbus_error_set(error, virtbus_error_code(cause), "%s needs %s: %s", asking->whose, place, cause->message);
}

static void finish(CardPortAsking *asking, const GError *error) {
        asking->done(asking->data, error);
}

static void fail(CardPortAsking *asking, const GError *cause) {
        g_autoptr(GError) error = NULL;
        explain(asking, cause, &error);
        finish(asking, error);
}

static void fail_errno(CardPortAsking *asking, int errno_value) {
        g_autoptr(GError) error = NULL;
        virtbus_error_set_errno(&error, errno_value, "the answer of its driver cannot be read");
        fail(asking, error);
}

/* The port */

/* They are the answer's, which goes. */
static int take_descriptor(sd_bus_message *answer, int *taken) {
        int fd, r = sd_bus_message_read(answer, "h", &fd);
        if (r > 0 && (*taken = fcntl(fd, F_DUPFD_CLOEXEC, 3)) < 0)
                r = -errno;
        return r;
}

/* One for each queue of a tap, and of a macvtap its holder. */
static int take_descriptors(CardPort *port, sd_bus_message *answer) {
        if (port->pair > 0)
                return 0;
        port->fds = g_new(int, port->queues);
        for (unsigned i = 0; i < port->queues; i++)
                port->fds[i] = -1;
        int r = sd_bus_message_enter_container(answer, 'a', "h");
        for (unsigned i = 0; i < port->queues && r >= 0; i++) {
                r = take_descriptor(answer, &port->fds[i]);
                if (r == 0)
                        r = -EBADMSG;
        }
        return r > 0 ? take_descriptor(answer, &port->holder) : r;
}

static int take_port(CardPort *port, sd_bus_message *answer) {
        const char *object, *uuid, *interface, *bridge = NULL;
        uint32_t mtu;
        int r = sd_bus_message_read(answer, "oss", &object, &uuid, &interface);
        if (r > 0 && is_of_network(port))
                r = sd_bus_message_read(answer, "s", &bridge);
        if (r > 0)
                r = sd_bus_message_read(answer, "u", &mtu);
        if (r <= 0)
                return r < 0 ? r : -EBADMSG;
        g_free(port->interface);
        port->interface = g_strdup(interface);
        port->uuid = g_strdup(uuid);
        port->bridge = bridge && *bridge ? g_strdup(bridge) : NULL; /* none of a network of interfaces */
        port->mtu = mtu;
        return take_descriptors(port, answer);
}

static void on_added(void *data, sd_bus_message *answer, const GError *error) {
        CardPortAsking *asking = data;
        asking->errand = NULL;
        int r = error ? 0 : take_port(asking->port, answer);
        if (error)
                fail(asking, error);
        else if (r < 0)
                fail_errno(asking, -r);
        else
                finish(asking, NULL);
}

#define OPTIONS "a{sv}"

/* The values of OPTIONS: how many there are, and they. */
#define OPTIONS_OF(port) \
        10, "interface", "s", (port)->interface, "queues", "u", (port)->queues, "mtu", "u", (port)->mtu, "isolated", "b", \
                        (port)->isolated, "filter", "s", (port)->filter, "bandwidth", "s", (port)->bandwidth, "portgroup", "s", \
                        (port)->group, "existing", "b", (port)->existing, "pair", "u", (port)->pair, "mode", "s", (port)->mode

static bool add(CardPortAsking *asking, const char *network, GError **error) {
        const CardPort *port = asking->port;
        const Domain *domain = asking->domain;
        asking->errand = errand_begin(domain->connection->objects, asking->on_behalf, network, NETWORK, "AddPort", on_added,
                                      asking, error, "sss" OPTIONS, domain_name(domain), domain->uuid, port->mac,
                                      OPTIONS_OF(port));
        return asking->errand;
}

/* One that is in none is named as what it is connected to. */
static bool add_of_host(CardPortAsking *asking, GError **error) {
        const CardPort *port = asking->port;
        const Domain *domain = asking->domain;
        asking->errand =
                        errand_begin(domain->connection->objects, asking->on_behalf, HOST_PATH, HOST_PORTS, "AddPort", on_added,
                                     asking, error, "sssss" OPTIONS, port->plug, *asking->place ? asking->place : port->interface,
                                     domain_name(domain), domain->uuid, port->mac, OPTIONS_OF(port));
        return asking->errand;
}

/* Its network */

/* Or there is no driver that could know it. */
static bool is_unknown(const GError *error) {
        return virtbus_error_code(error) == VIRTBUS_ERROR_NO_SUCH_NETWORK ||
               strcmp(virtbus_error_name_of(error), SD_BUS_ERROR_UNKNOWN_OBJECT) == 0;
}

static void fail_as_unknown(CardPortAsking *asking) {
        g_autoptr(GError) error = NULL;
        virtbus_error_set(&error, VIRTBUS_ERROR_NO_SUCH_NETWORK,
                          "%s needs network '%.64s', and there is none on this machine: define and start it (virtbusctl network "
                          "define, start; virtbusctl import brings libvirt's), or use type bridge with its bridge",
                          asking->whose, asking->place);
        finish(asking, error);
}

static void on_found(void *data, sd_bus_message *answer, const GError *failure) {
        CardPortAsking *asking = data;
        g_autoptr(GError) error = NULL;
        const char *network;
        asking->errand = NULL;
        int r = failure ? 0 : sd_bus_message_read(answer, "o", &network);
        if (failure && is_unknown(failure))
                fail_as_unknown(asking);
        else if (failure)
                fail(asking, failure);
        else if (r < 0)
                fail_errno(asking, -r);
        else if (!add(asking, network, &error))
                fail(asking, error);
}

static bool find_network(CardPortAsking *asking, GError **error) {
        asking->errand = errand_begin(asking->domain->connection->objects, NULL, HOST_PATH, NETWORKS, "GetNetworkByName",
                                      on_found, asking, error, "s", asking->place);
        return asking->errand;
}

CardPortAsking *card_port_ask(Domain *domain, const char *on_behalf, CardPort *port, const char *place, const char *whose,
                              CardPortAsked done, void *data, GError **error) {
        g_autoptr(CardPortAsking) asking = g_new(CardPortAsking, 1);
        g_autoptr(GError) unsent = NULL;
        *asking = (CardPortAsking){ domain, g_strdup(on_behalf), port, place, whose, NULL, done, data };
        if (is_of_network(port) ? find_network(asking, &unsent) : add_of_host(asking, &unsent))
                return g_steal_pointer(&asking);
        explain(asking, unsent, error);
        return NULL;
}

/* Another filter, another bandwidth */

/* Of a port of what is at PATH. */
static char *port_path(const char *path, const char *uuid) {
        g_autofree char *name = g_strdelimit(g_strdup(uuid), "-", '_');
        return g_strdup_printf("%s/port/%s", path, name);
}

struct PortChange {
        Domain *domain;
        const char *sender;          /* the operation's, or NULL */
        char *uuid, *network, *path; /* NETWORK: NULL of the host's; PATH: its object's, once that is known */
        char *values[2];             /* of PARTS: NULL where it stays */
        size_t at;                   /* the part at work */
        bool has_changed;            /* one of them */
        Errand *errand;
        CardPortAsked done;
        void *data;
};

static const struct {
        const char *element, *method, *what;
} parts[] = { { "filterref", "SetFilter", "filter" }, { "bandwidth", "SetBandwidth", "bandwidth" } };

G_STATIC_ASSERT(G_N_ELEMENTS(parts) == G_N_ELEMENTS(((PortChange *) NULL)->values));

void port_change_free(PortChange *change) {
        if (change->errand)
                errand_cancel(change->errand);
        g_free(change->uuid);
        g_free(change->network);
        g_free(change->path);
        for (size_t i = 0; i < G_N_ELEMENTS(change->values); i++)
                g_free(change->values[i]);
        g_free(change);
}

bool port_change_has_begun(const PortChange *change) {
        return change->has_changed;
}

static void finish_change(PortChange *change, const GError *error) {
        g_autoptr(GError) told = NULL;
        if (error)
                domain_fail(change->domain, &told, virtbus_error_code(error), "its %s: %s", parts[change->at].what,
                            error->message);
        change->done(change->data, told);
}

static void on_part_set(void *data, sd_bus_message *answer, const GError *error);

static Errand *begin_part(PortChange *change, GError **error) {
        return errand_begin(change->domain->connection->objects, change->sender, change->path,
                            change->network ? "org.virtbus1.NetworkPort" : "org.virtbus1.HostPort", parts[change->at].method,
                            on_part_set, change, error, "sa{sv}", change->values[change->at], 0);
}

/* The next one from AT on, or none. */
static bool find_part(PortChange *change) {
        while (change->at < G_N_ELEMENTS(parts) && !change->values[change->at])
                change->at++;
        return change->at < G_N_ELEMENTS(parts);
}

static void on_part_set(void *data, sd_bus_message *answer, const GError *error) {
        PortChange *change = data;
        g_autoptr(GError) failure = error ? g_error_copy(error) : NULL;
        (void) answer;
        change->errand = NULL;
        if (!failure) {
                change->has_changed = true;
                change->at++;
                if (find_part(change) && (change->errand = begin_part(change, &failure)))
                        return;
        }
        finish_change(change, failure);
}

static void on_network_found(void *data, sd_bus_message *answer, const GError *error) {
        PortChange *change = data;
        const char *network = NULL;
        g_autoptr(GError) failure = error ? g_error_copy(error) : NULL;
        change->errand = NULL;
        int r = error ? 0 : sd_bus_message_read(answer, "o", &network);
        if (r < 0)
                virtbus_error_set_errno(&failure, -r, "the answer of the networks' driver cannot be read");
        if (!failure) {
                change->path = port_path(network, change->uuid);
                change->errand = begin_part(change, &failure);
        }
        if (failure)
                finish_change(change, failure);
}

static Errand *begin_change(PortChange *change, GError **error) {
        if (change->network)
                return errand_begin(change->domain->connection->objects, NULL, HOST_PATH, NETWORKS, "GetNetworkByName",
                                    on_network_found, change, error, "s", change->network);
        change->path = port_path(HOST_PATH, change->uuid);
        return begin_part(change, error);
}

static char *value_of(const xmlNode *card, const char *name) {
        xmlNode *element = xml_child(card, name);
        return element ? xml_element_text(element) : g_strdup("");
}

PortChange *card_port_change(Domain *domain, const char *on_behalf, const xmlNode *old, const xmlNode *new, CardPortAsked done,
                             void *data, GError **error) {
        const xmlNode *source = xml_child(old, "source");
        g_autofree char *uuid = xml_attribute(source, "portid"), *network = xml_attribute(source, "network");
        g_autoptr(PortChange) change = g_new0(PortChange, 1);
        if (!uuid || (xml_attribute_is(old, "type", "network") && !network)) {
                domain_fail(domain, error, VIRTBUS_ERROR_UNSUPPORTED,
                            "the interface is not a port that the networks' driver knows: its filter and its bandwidth cannot "
                            "change while the guest runs; use the option config");
                return NULL;
        }
        *change = (PortChange){
                .domain = domain, .sender = on_behalf, .uuid = g_steal_pointer(&uuid), .done = done, .data = data
        };
        if (xml_attribute_is(old, "type", "network"))
                change->network = g_steal_pointer(&network);
        for (size_t i = 0; i < G_N_ELEMENTS(parts); i++) {
                g_autofree char *before = value_of(old, parts[i].element), *wanted = value_of(new, parts[i].element);
                if (strcmp(before, wanted) != 0 || old == new)
                        change->values[i] = g_steal_pointer(&wanted);
        }
        if (!find_part(change)) {
                domain_fail(domain, error, VIRTBUS_ERROR_INVALID_ARGUMENT, "nothing of its port changes");
                return NULL;
        }
        change->errand = begin_change(change, error);
        if (change->errand)
                return g_steal_pointer(&change);
        g_autoptr(GError) unsent = g_steal_pointer(error);
        domain_fail(domain, error, virtbus_error_code(unsent), "its %s: %s", parts[change->at].what, unsent->message);
        return NULL;
}
