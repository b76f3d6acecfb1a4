/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/guest/guest-ports.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "domain/operation.h"
#include "errors.h"
#include "paths.h"
#include "qemu/guest/guest-fetch.h"

#define NETWORKS "org.virtbus1.Networks"
#define NETWORK "org.virtbus1.Network"
#define HOST_PORTS "org.virtbus1.HostPorts"

static bool is_of_network(const PortFile *port) {
        return strcmp(port->plug, "network") == 0;
}

/* What it needs, for messages; to be freed. */
static char *place_text(const File *file) {
        bool is_shared = strcmp(file->port->plug, "network") == 0 || strcmp(file->port->plug, "bridge") == 0;
        return *file->path ? g_strdup_printf("%s '%s'", is_shared ? file->port->plug : "interface", file->path)
                           : g_strdup("an interface of the host's (virtbus-network)");
}

static void fail(Guest *guest, const GError *error) {
        const File *file = guest_fetch_file(guest);
        g_autofree char *place = place_text(file);
        g_autoptr(GError) told = NULL; /* by a code of the API's: this is not the object that was called */
        virtbus_error_set(&told, virtbus_error_code(error), "%s needs %s: %s", file->whose, place, error->message);
        guest_fetch_fail(guest, told);
}

static void fail_errno(Guest *guest, int errno_value) {
        g_autoptr(GError) error = NULL;
        virtbus_error_set_errno(&error, errno_value, "the answer of its driver cannot be read");
        fail(guest, error);
}

/* An errand is out; or could not be sent. */
static void sent(Guest *guest, Errand *errand, const GError *error) {
        guest_fetch_sent(guest, errand);
        if (!errand)
                fail(guest, error);
}

/* The port */

/* They are the answer's, which goes. */
static int take_descriptor(sd_bus_message *answer, int *taken) {
        int fd, r = sd_bus_message_read(answer, "h", &fd);
        if (r > 0 && (*taken = fcntl(fd, F_DUPFD_CLOEXEC, 3)) < 0)
                r = -errno;
        return r;
}

/* One for each queue, and of a macvtap its holder. */
static int take_descriptors(PortFile *port, sd_bus_message *answer) {
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

static int take_port(PortFile *port, sd_bus_message *answer) {
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
        port->bridge = g_strdup(bridge);
        port->mtu = mtu;
        return take_descriptors(port, answer);
}

static void on_added(void *data, sd_bus_message *answer, const GError *error) {
        Guest *guest = data;
        guest_fetch_came(guest);
        int r = error ? 0 : take_port(guest_fetch_file(guest)->port, answer);
        if (error)
                fail(guest, error);
        else if (r < 0)
                fail_errno(guest, -r);
        else
                guest_fetch_next(guest);
}

#define OPTIONS "a{sv}"

/* The values of OPTIONS: how many there are, and they. */
#define OPTIONS_OF(port) \
        9, "mode", "s", (port)->mode, "interface", "s", (port)->interface, "queues", "u", (port)->queues, "mtu", "u", \
                        (port)->mtu, "isolated", "b", (port)->isolated, "filter", "s", (port)->filter, "bandwidth", "s", \
                        (port)->bandwidth, "portgroup", "s", (port)->group, "existing", "b", (port)->existing

static void add(Guest *guest, const char *network) {
        const PortFile *port = guest_fetch_file(guest)->port;
        g_autoptr(GError) error = NULL;
        Errand *errand = errand_begin(guest->domain->connection->objects, guest_fetch_sender(guest), network, NETWORK, "AddPort",
                                      on_added, guest, &error, "sss" OPTIONS, domain_name(guest->domain), guest->domain->uuid,
                                      port->mac, OPTIONS_OF(port));
        sent(guest, errand, error);
}

/* A tap alone is named as what it is connected to. */
static void add_of_host(Guest *guest) {
        const File *file = guest_fetch_file(guest);
        const PortFile *port = file->port;
        g_autoptr(GError) error = NULL;
        Errand *errand = errand_begin(guest->domain->connection->objects, guest_fetch_sender(guest), HOST_PATH, HOST_PORTS,
                                      "AddPort", on_added, guest, &error, "sssss" OPTIONS, port->plug,
                                      *file->path ? file->path : port->interface, domain_name(guest->domain), guest->domain->uuid,
                                      port->mac, OPTIONS_OF(port));
        sent(guest, errand, error);
}

/* Its network */

/* Or there is no driver that could know it. */
static bool is_unknown(const GError *error) {
        return virtbus_error_code(error) == VIRTBUS_ERROR_NO_SUCH_NETWORK ||
               strcmp(virtbus_error_name_of(error), SD_BUS_ERROR_UNKNOWN_OBJECT) == 0;
}

static void fail_as_unknown(Guest *guest) {
        const File *file = guest_fetch_file(guest);
        g_autoptr(GError) error = NULL;
        virtbus_error_set(&error, VIRTBUS_ERROR_NO_SUCH_NETWORK,
                          "%s needs network '%.64s', and there is none on this machine: define and start it (virtbusctl network "
                          "define, start; virtbusctl import brings libvirt's), or use type bridge with its bridge",
                          file->whose, file->path);
        guest_fetch_fail(guest, error);
}

static void on_found(void *data, sd_bus_message *answer, const GError *error) {
        Guest *guest = data;
        const char *network;
        guest_fetch_came(guest);
        int r = error ? 0 : sd_bus_message_read(answer, "o", &network);
        if (error && is_unknown(error))
                fail_as_unknown(guest);
        else if (error)
                fail(guest, error);
        else if (r < 0)
                fail_errno(guest, -r);
        else
                add(guest, network);
}

void guest_ports_ask(Guest *guest) {
        g_autoptr(GError) error = NULL;
        g_autofree char *place = place_text(guest_fetch_file(guest));
        if (!guest_fetch_check_starter(guest, place, &error)) {
                guest_fetch_fail(guest, error);
                return;
        }
        if (!is_of_network(guest_fetch_file(guest)->port)) {
                add_of_host(guest);
                return;
        }
        Errand *errand = errand_begin(guest->domain->connection->objects, NULL, HOST_PATH, NETWORKS, "GetNetworkByName", on_found,
                                      guest, &error, "s", guest_fetch_file(guest)->path);
        sent(guest, errand, error);
}

/* Another filter, another bandwidth */

/* Of a port of what is at PATH. */
static char *port_path(const char *path, const char *uuid) {
        g_autofree char *name = g_strdelimit(g_strdup(uuid), "-", '_');
        return g_strdup_printf("%s/port/%s", path, name);
}

struct PortChange {
        Guest *guest;
        const char *sender;          /* the operation's, or NULL */
        char *uuid, *network, *path; /* NETWORK: NULL of the host's; PATH: its object's, once that is known */
        char *values[2];             /* of PARTS: NULL where it stays */
        size_t at;                   /* the part at work */
        bool has_changed;            /* one of them */
        Errand *errand;
        PortChanged done;
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
        Guest *guest = change->guest;
        PortChanged done = change->done;
        if (error)
                domain_fail(guest->domain, &told, virtbus_error_code(error), "its %s: %s", parts[change->at].what,
                            error->message);
        done(guest, told);
}

static void on_part_set(void *data, sd_bus_message *answer, const GError *error);

static Errand *begin_part(PortChange *change, GError **error) {
        return errand_begin(change->guest->domain->connection->objects, change->sender, change->path,
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
                return errand_begin(change->guest->domain->connection->objects, NULL, HOST_PATH, NETWORKS, "GetNetworkByName",
                                    on_network_found, change, error, "s", change->network);
        change->path = port_path(HOST_PATH, change->uuid);
        return begin_part(change, error);
}

static char *value_of(const xmlNode *card, const char *name) {
        xmlNode *element = xml_child(card, name);
        return element ? xml_element_text(element) : g_strdup("");
}

PortChange *guest_port_change(Guest *guest, const xmlNode *old, const xmlNode *new, PortChanged done, GError **error) {
        const xmlNode *source = xml_child(old, "source");
        g_autofree char *uuid = xml_attribute(source, "portid"), *network = xml_attribute(source, "network");
        g_autoptr(PortChange) change = g_new0(PortChange, 1);
        if (!uuid || (xml_attribute_is(old, "type", "network") && !network)) {
                domain_fail(guest->domain, error, VIRTBUS_ERROR_UNSUPPORTED,
                            "the interface is not a port that the networks' driver knows: its filter and its bandwidth cannot "
                            "change while the guest runs; use the option config");
                return NULL;
        }
        *change = (PortChange){
                .guest = guest, .sender = guest_fetch_sender(guest), .uuid = g_steal_pointer(&uuid), .done = done
        };
        if (xml_attribute_is(old, "type", "network"))
                change->network = g_steal_pointer(&network);
        for (size_t i = 0; i < G_N_ELEMENTS(parts); i++) {
                g_autofree char *before = value_of(old, parts[i].element), *wanted = value_of(new, parts[i].element);
                if (strcmp(before, wanted) != 0 || old == new)
                        change->values[i] = g_steal_pointer(&wanted);
        }
        if (!find_part(change)) {
                domain_fail(guest->domain, error, VIRTBUS_ERROR_INVALID_ARGUMENT, "nothing of its port changes");
                return NULL;
        }
        change->errand = begin_change(change, error);
        if (change->errand)
                return g_steal_pointer(&change);
        g_autoptr(GError) unsent = g_steal_pointer(error);
        domain_fail(guest->domain, error, virtbus_error_code(unsent), "its %s: %s", parts[change->at].what, unsent->message);
        return NULL;
}
