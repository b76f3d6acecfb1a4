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

static void fail(Guest *guest, const GError *error) {
        const File *file = guest_fetch_file(guest);
        g_autoptr(GError) told = NULL; /* by a code of the API's: this is not the object that was called */
        virtbus_error_set(&told, virtbus_error_code(error), "%s needs network '%s': %s", file->whose, file->path, error->message);
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

/* Who wants the guest to have it; NULL: the driver itself. */
static const char *on_behalf(const Guest *guest) {
        return guest->domain->operation ? guest->domain->operation->sender : NULL;
}

/* The port */

/* One for each queue: they are the answer's, which goes. */
static int take_descriptors(PortFile *port, sd_bus_message *answer) {
        port->fds = g_new(int, port->queues);
        for (unsigned i = 0; i < port->queues; i++)
                port->fds[i] = -1;
        int r = sd_bus_message_enter_container(answer, 'a', "h");
        for (unsigned i = 0; i < port->queues && r >= 0; i++) {
                int fd;
                r = sd_bus_message_read(answer, "h", &fd);
                if (r == 0)
                        r = -EBADMSG;
                if (r > 0 && (port->fds[i] = fcntl(fd, F_DUPFD_CLOEXEC, 3)) < 0)
                        r = -errno;
        }
        return r;
}

static int take_port(PortFile *port, sd_bus_message *answer) {
        const char *object, *uuid, *interface, *bridge;
        uint32_t mtu;
        int r = sd_bus_message_read(answer, "osssu", &object, &uuid, &interface, &bridge, &mtu);
        if (r < 0)
                return r;
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

static void add(Guest *guest, const char *network) {
        const PortFile *port = guest_fetch_file(guest)->port;
        g_autoptr(GError) error = NULL;
        Errand *errand = errand_begin(guest->domain->connection->objects, on_behalf(guest), network, NETWORK, "AddPort", on_added,
                                      guest, &error, "sssa{sv}", domain_name(guest->domain), guest->domain->uuid, port->mac, 5,
                                      "interface", "s", port->interface, "queues", "u", port->queues, "mtu", "u", port->mtu,
                                      "isolated", "b", port->isolated, "filter", "s", port->filter);
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

/* A domain with the rights of its owner alone has a port where its owner may: what the driver does by itself, or others ask
 * for, is with their rights. */
static bool check_starter(const Guest *guest, GError **error) {
        const Domain *domain = guest->domain;
        const char *sender = on_behalf(guest);
        uid_t user;
        bool own_rights;
        if (!domain->owners_rights || (sender && caller_decode(sender, &user, &own_rights) && user == domain->owner))
                return true;
        return virtbus_error_set(
                        error, VIRTBUS_ERROR_ACCESS_DENIED,
                        "%s needs network '%s', and the domain has the rights of its owner alone: its owner, user %u, has to "
                        "start it, or to plug that",
                        guest_fetch_file(guest)->whose, guest_fetch_file(guest)->path, (unsigned) domain->owner);
}

void guest_ports_ask(Guest *guest) {
        g_autoptr(GError) error = NULL;
        if (!check_starter(guest, &error)) {
                guest_fetch_fail(guest, error);
                return;
        }
        Errand *errand = errand_begin(guest->domain->connection->objects, NULL, HOST_PATH, NETWORKS, "GetNetworkByName", on_found,
                                      guest, &error, "s", guest_fetch_file(guest)->path);
        sent(guest, errand, error);
}

/* Another filter */

#define PORT "org.virtbus1.NetworkPort"

struct PortChange {
        Guest *guest;
        const char *sender; /* the operation's, or NULL */
        char *uuid, *network, *filter;
        Errand *errand;
        PortChanged done;
};

void port_change_free(PortChange *change) {
        if (change->errand)
                errand_cancel(change->errand);
        g_free(change->uuid);
        g_free(change->network);
        g_free(change->filter);
        g_free(change);
}

static void finish_change(PortChange *change, const GError *error) {
        g_autoptr(GError) told = NULL;
        Guest *guest = change->guest;
        PortChanged done = change->done;
        if (error)
                domain_fail(guest->domain, &told, virtbus_error_code(error), "its filter: %s", error->message);
        done(guest, told);
}

static void on_filter_set(void *data, sd_bus_message *answer, const GError *error) {
        PortChange *change = data;
        (void) answer;
        change->errand = NULL;
        finish_change(change, error);
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
                g_autofree char *name = g_strdelimit(g_strdup(change->uuid), "-", '_'),
                                *path = g_strdup_printf("%s/port/%s", network, name);
                change->errand = errand_begin(change->guest->domain->connection->objects, change->sender, path, PORT, "SetFilter",
                                              on_filter_set, change, &failure, "sa{sv}", change->filter, 0);
        }
        if (failure)
                finish_change(change, failure);
}

static PortChange *fail_change(Guest *guest, PortChange *change, GError **error) {
        g_autoptr(GError) unsent = g_steal_pointer(error);
        port_change_free(change);
        domain_fail(guest->domain, error, virtbus_error_code(unsent), "its filter: %s", unsent->message);
        return NULL;
}

PortChange *guest_port_set_filter(Guest *guest, const xmlNode *old, const xmlNode *new, PortChanged done, GError **error) {
        const xmlNode *source = xml_child(old, "source");
        xmlNode *filter = xml_child(new, "filterref");
        g_autofree char *uuid = xml_attribute(source, "portid"), *network = xml_attribute(source, "network");
        if (!uuid || !network) {
                domain_fail(guest->domain, error, VIRTBUS_ERROR_UNSUPPORTED,
                            "the interface is not a port of a network that this driver's networks know: its filter cannot change "
                            "while the guest runs; use the option config");
                return NULL;
        }
        PortChange *change = g_new(PortChange, 1);
        *change = (PortChange){ .guest = guest,
                                .sender = on_behalf(guest),
                                .uuid = g_steal_pointer(&uuid),
                                .network = g_steal_pointer(&network),
                                .filter = filter ? xml_element_text(filter) : g_strdup(""),
                                .done = done };
        change->errand = errand_begin(guest->domain->connection->objects, NULL, HOST_PATH, NETWORKS, "GetNetworkByName",
                                      on_network_found, change, error, "s", change->network);
        return change->errand ? change : fail_change(guest, change, error);
}
