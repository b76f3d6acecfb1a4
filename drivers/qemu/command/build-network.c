/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/command/build-network.h"

#include <inttypes.h>
#include <string.h>

#include "link/bandwidth.h"
#include "link/tap.h"
#include "qemu/command/build-card.h"
#include "qemu/command/build-hostdev.h"
#include "qemu/command/build-passt.h"
#include "qemu/command/builder-device.h"
#include "qemu/command/builder-read.h"
#include "qemu/command/builder-write.h"

static void check_rate(Builder *builder, xmlNode *element, const char *path) {
        xmlNode *place = builder_element(builder, element, path);
        uint64_t average = builder_number(builder, place, "@average", 1, BANDWIDTH_RATE_MAX, 0),
                 peak = builder_number(builder, place, "@peak", 1, BANDWIDTH_RATE_MAX, 0);
        builder_number(builder, place, "@burst", 1, BANDWIDTH_BURST_MAX, 0);
        if (place && average == 0)
                builder_invalid(builder, place, "its attribute average is missing");
        else if (peak > 0 && peak < average)
                builder_invalid(builder, place, "peak is below average");
}

void build_bandwidth_check(Builder *builder, xmlNode *element) {
        static const char *const on_host[] = { "bridge", "ethernet", "direct", "network", NULL };
        xmlNode *bandwidth = builder_element(builder, element, "bandwidth");
        const char *type = builder_get(builder, element, "@type");
        if (!bandwidth)
                return;
        if (builder_get(builder, bandwidth, "inbound/@floor"))
                builder_unsupported(builder, builder_element(builder, bandwidth, "inbound"),
                                    "floor is not kept by networks yet; leave it out");
        if (!type || !g_strv_contains(on_host, type))
                builder_unsupported(builder, bandwidth,
                                    "an interface of type %.32s is not one of the host's: its bandwidth cannot be limited: leave "
                                    "out <bandwidth>",
                                    type);
        check_rate(builder, bandwidth, "inbound");
        check_rate(builder, bandwidth, "outbound");
}

/* The port, where it has one by now. */
static CardPort *port_of(const Builder *builder, const xmlNode *element) {
        for (guint i = 0; builder->files && i < builder->files->len; i++) {
                const File *file = builder->files->pdata[i];
                if (file->element == element && file->purpose == FILE_PORT)
                        return file->port;
        }
        return NULL;
}

/* As the document, or else its network has it. */
static unsigned mtu_of(Builder *builder, xmlNode *element) {
        const CardPort *port = port_of(builder, element);
        unsigned given = (unsigned) builder_number(builder, element, "mtu/@size", 1, 65535, 0);
        return port && port->mtu > 0 ? port->mtu : given;
}

static unsigned queues_of(Builder *builder, xmlNode *element) {
        return (unsigned) builder_number(builder, element, "driver/@queues", 1, QUEUES_MAX, 1);
}

static void add_queues(JsonObject *backend, unsigned n) {
        if (n > 1)
                json_add(backend, "queues", 'i', (gint64) n, NULL);
}

/* Passes a descriptor for each queue, which are taken: as NAME, or as NAMEs, with ':' between them. */
static void pass_queues(Builder *builder, JsonObject *backend, const char *name, const int *fds, unsigned n) {
        g_autoptr(GString) names = g_string_new(NULL);
        for (unsigned i = 0; i < n; i++)
                g_string_append_printf(names, "%s%s", i > 0 ? ":" : "", builder_pass(builder, fds[i]));
        json_add(backend, n > 1 ? builder_format(builder, "%ss", name) : name, 's', names->str, NULL);
}

char *build_port_holder_name(const char *alias) {
        return g_strconcat("virtbus-port-", alias, NULL);
}

/* Its tap, which is up. Its names are of this run, and go into the document. */
static void pass_port(Builder *builder, xmlNode *element, const DeviceDefinition *part, JsonObject *backend, CardPort *port) {
        xmlNode *source = xml_ensure_child(element, "source");
        int fds[QUEUES_MAX];
        if (port->bridge)
                builder_choose_now(source, "bridge", port->bridge);
        builder_choose_now(source, "portid", port->uuid);
        builder_choose_now(xml_ensure_child(element, "target"), "dev", port->interface);
        for (unsigned i = 0; i < port->queues; i++)
                fds[i] = steal_fd(&port->fds[i]);
        pass_queues(builder, backend, "fd", fds, port->queues);
        if (port->holder < 0)
                return;
        g_autofree char *name = build_port_holder_name(part->alias);
        builder_add_command_with_fd(builder, "getfd", json_make("fdname", 's', name, NULL), steal_fd(&port->holder));
}

/* Its interface: the port's, unless the line is only shown. */
static void add_tap(Builder *builder, xmlNode *element, const DeviceDefinition *part, JsonObject *backend) {
        json_add(backend, "type", 's', "tap", NULL);
        unsigned n = queues_of(builder, element);
        builder_flag(builder, element, "port/@isolated"); /* as it was planned */
        CardPort *port = port_of(builder, element);
        if (port && !builder->error)
                pass_port(builder, element, part, backend, port);
        if (builder->files)
                return;
        json_add(backend, "ifname", 's', part->target[0] ? part->target : NULL, "script", 's', "no", "downscript", 's', "no",
                 NULL);
        add_queues(backend, n);
}

static void add_user(Builder *builder, xmlNode *element, JsonObject *backend) {
        json_add(backend, "type", 's', "user", NULL);
        for_each (builder, ip, element, "ip") {
                const char *address = builder_require(builder, ip, "@address"),
                           *family = builder_choose(builder, ip, "@family", "ipv4 ipv6");
                uint64_t prefix = builder_number(builder, ip, "@prefix", 0, 128, 0);
                if (family && strcmp(family, "ipv6") == 0)
                        json_add(backend, "ipv6-prefix", 's', address, "ipv6-prefixlen", 'i', (gint64) (prefix ? prefix : 64),
                                 NULL);
                else
                        json_add(backend, "net", 's', prefix ? builder_format(builder, "%s/%" PRIu64, address, prefix) : address,
                                 NULL);
        }
}

static void add_socket(Builder *builder, xmlNode *element, const DeviceDefinition *part, JsonObject *backend) {
        const char *address = builder_get(builder, element, "source/@address"),
                   *port = builder_require(builder, element, "source/@port");
        const char *where = builder_format(builder, "%s:%s", address ? address : "", port);
        static const char *const members[][2] = {
                { "server", "listen" },
                { "client", "connect" },
                { "mcast", "mcast" },
                { "udp", "udp" },
        };
        for (size_t i = 0; i < G_N_ELEMENTS(members); i++)
                if (strcmp(part->type, members[i][0]) == 0)
                        json_add(backend, "type", 's', "socket", members[i][1], 's', where, NULL);
        if (strcmp(part->type, "udp") == 0)
                json_add(backend, "localaddr", 's',
                         builder_format(builder, "%s:%s", builder_require(builder, element, "source/local/@address"),
                                        builder_require(builder, element, "source/local/@port")),
                         NULL);
}

/* Another process has the other end of a socket. */
static void add_vhost_user(Builder *builder, xmlNode *element, const DeviceDefinition *part, JsonObject *backend) {
        const char *mode = builder_choose(builder, element, "source/@mode", "server client"),
                   *path = builder_require(builder, element, "source/@path"),
                   *chardev = builder_format(builder, "char%s", part->alias);
        xmlNode *reconnect = builder_element(builder, element, "source/reconnect");
        uint64_t queues = builder_number(builder, element, "driver/@queues", 1, QUEUES_MAX, 1);
        JsonObject *socket = json_make("backend", 's', "socket", "id", 's', chardev, "path", 's', path, NULL);
        if (!build_card_is_virtio(part))
                builder_invalid(builder, element, "an interface of type vhostuser needs <model type='virtio'/>");
        if (g_strcmp0(mode, "server") == 0) {
                json_add(socket, "server", 'b', TRUE, NULL);
                if (reconnect)
                        builder_invalid(builder, reconnect, "only a client connects again");
        } else if (reconnect)
                json_add(socket, "reconnect", 'i',
                         builder_flag(builder, reconnect, "@enabled") == 1
                                         ? (gint64) builder_number(builder, reconnect, "@timeout", 0, 86400, 0)
                                         : (gint64) 0,
                         NULL);
        builder_know(builder, element, "source/@type source/reconnect");
        builder_add_options(builder, "-chardev", socket);
        json_add(backend, "type", 's', "vhost-user", "chardev", 's', chardev, NULL);
        if (queues > 1)
                json_add(backend, "queues", 'i', (gint64) queues, NULL);
}

/* What a source says by the type of its interface; what its network and its bridge are is also what libvirt writes of a run. */
static void know_source(Builder *builder, xmlNode *element, const char *type) {
        static const char *const of_types[][2] = {
                { "network", "source/@network source/@bridge source/@portid" },
                { "bridge", "source/@bridge source/@network source/@portid" },
                { "ethernet", "source/@portid" },
                { "direct", "source/@dev source/@network source/@portid" },
                { "vhostuser", "source/@type" },
        };
        for (size_t i = 0; i < G_N_ELEMENTS(of_types); i++)
                if (strcmp(type, of_types[i][0]) == 0)
                        builder_know(builder, element, of_types[i][1]);
        if (builder_get(builder, element, "source/@portgroup") && strcmp(type, "network") != 0)
                builder_not_here(builder, element, "a group of a network's ports: leave out portgroup");
        if (g_strcmp0(builder_choose(builder, element, "source/@macTableManager", "kernel libvirt"), "libvirt") == 0)
                builder_not_here(builder, element, "a bridge whose MAC addresses are managed: leave out macTableManager");
        /* The kernel gives macvtaps no filters of the guest's, and a bridge learns its addresses. */
        if (builder_flag(builder, element, "@trustGuestRxFilters") == 1)
                builder_not_here(builder, element, "filters of the guest's for its interface: leave out trustGuestRxFilters");
        builder_know(builder, element, "mac/@address mac/@type mac/@check");
}

/* Returns the back end, or NULL with the error set. */
static JsonObject *make_backend(Builder *builder, xmlNode *element, const DeviceDefinition *part) {
        JsonObject *backend = json_make("id", 's', builder_format(builder, "host%s", part->alias), NULL);
        const char *type = part->type;
        if (build_passt_is_for(element))
                build_passt(builder, element, part, backend);
        else if (strcmp(type, "user") == 0)
                add_user(builder, element, backend);
        else if (strcmp(type, "bridge") == 0) {
                builder_require(builder, element, "source/@bridge");
                add_tap(builder, element, part, backend);
        } else if (strcmp(type, "ethernet") == 0) {
                if (builder_element(builder, element, "script"))
                        builder_not_here(builder, element, "a script for its interface: the driver runs none");
                if (builder_element(builder, element, "downscript"))
                        builder_not_here(builder, element, "a script for its interface: the driver runs none");
                builder_know(builder, element, "script downscript target/@managed");
                add_tap(builder, element, part, backend);
        } else if (strcmp(type, "network") == 0) {
                builder_require(builder, element, "source/@network");
                add_tap(builder, element, part, backend);
        } else if (strcmp(type, "direct") == 0) {
                builder_require(builder, element, "source/@dev");
                builder_choose(builder, element, "source/@mode", "vepa bridge private passthrough");
                add_tap(builder, element, part, backend);
        } else if (strcmp(type, "vdpa") == 0) {
                builder_require(builder, element, "source/@dev");
                builder_not_here(builder, element, "an interface of type vdpa");
                json_add(backend, "type", 's', "vhost-vdpa", NULL);
        } else if (strcmp(type, "vhostuser") == 0)
                add_vhost_user(builder, element, part, backend);
        else if (strcmp(type, "server") == 0 || strcmp(type, "client") == 0 || strcmp(type, "mcast") == 0 ||
                 strcmp(type, "udp") == 0)
                add_socket(builder, element, part, backend);
        else if (strcmp(type, "null") != 0) /* a card without a cable */
                builder_unsupported(builder, element,
                                    "the QEMU driver does not know interfaces of type '%.32s'; use user or bridge", type);
        int64_t sndbuf = (int64_t) builder_number(builder, element, "tune/sndbuf", 0, UINT32_MAX, UINT64_MAX);
        if (sndbuf >= 0)
                json_add(backend, "sndbuf", 'i', (gint64) sndbuf, NULL);
        return backend;
}

/* A filter is the networks' driver's business; what its element may have is ours. */
static void read_filter(Builder *builder, xmlNode *element) {
        xmlNode *filter = builder_element(builder, element, "filterref");
        if (!filter)
                return;
        builder_require(builder, filter, "@filter");
        for_each (builder, parameter, filter, "parameter") {
                builder_require(builder, parameter, "@name");
                builder_require(builder, parameter, "@value");
        }
        static const char *const with_port[] = { "network", "bridge", "ethernet", NULL };
        const char *type = builder_get(builder, element, "@type");
        if (!type || !g_strv_contains(with_port, type))
                builder_not_here(builder, filter,
                                 "filters on an interface without a tap: leave out <filterref>, or give it the type network, "
                                 "bridge "
                                 "or ethernet");
}

/* What libvirt sets on the host's end of an interface, and what to do where this driver does not. */
static void refuse_host_side(Builder *builder, xmlNode *element) {
        static const struct {
                const char *element, *message;
        } parts[] = {
                { "vlan", "a VLAN of its interface: name a bridge of that VLAN, or an interface of it with type='direct'" },
                { "virtualport", "a port of Open vSwitch, or of a switch with 802.1Q extensions: use a bridge of the kernel's" },
                { "coalesce", "interrupts of its interface coalesced: leave out <coalesce>, and set that with ethtool -C" },
        };
        for (size_t i = 0; i < G_N_ELEMENTS(parts); i++) {
                xmlNode *part = builder_element(builder, element, parts[i].element);
                if (!part)
                        continue;
                builder_know(builder, element, parts[i].element);
                if (xml_is(part, "vlan") && xml_attribute_is(element, "type", "hostdev")) /* it has no interface on the host */
                        builder_not_here(builder, part,
                                         "a VLAN of a card of the host's: set it on the host (ip link set DEVICE vf NUMBER vlan "
                                         "ID), and leave out <vlan>");
                else
                        builder_not_here(builder, part, parts[i].message);
        }
}

/* vhost-net, opened for each queue. */
static void add_kernel_help(Builder *builder, xmlNode *element, JsonObject *backend) {
        int fds[QUEUES_MAX];
        unsigned n = 0;
        for (guint i = 0; builder->files && i < builder->files->len && n < QUEUES_MAX; i++) {
                File *file = builder->files->pdata[i];
                if (file->element == element && file->fd >= 0)
                        fds[n++] = steal_fd(&file->fd);
        }
        if (n == 0)
                return;
        json_add(backend, "vhost", 'b', TRUE, NULL);
        pass_queues(builder, backend, "vhostfd", fds, n);
}

/* A card of the host's that is given away: what the host could set on it before. */
static void build_host_card(Builder *builder, xmlNode *element, const DeviceDefinition *part) {
        refuse_host_side(builder, element);
        read_filter(builder, element);
        if (builder_flag(builder, element, "@trustGuestRxFilters") == 1)
                builder_not_here(builder, element, "filters of the guest's for its interface: leave out trustGuestRxFilters");
        build_hostdev(builder, element, part);
}

void build_interface(Builder *builder, xmlNode *element, const DeviceDefinition *part) {
        if (strcmp(part->type, "hostdev") == 0) {
                build_host_card(builder, element, part);
                return;
        }
        build_passt_check(builder, element);
        const char *tap = builder_get(builder, element, "backend/@tap"),
                   *kernel = builder_get(builder, element, "backend/@vhost");
        if (kernel && strcmp(kernel, "/dev/vhost-net") != 0)
                builder_not_here(builder, element, "a vhost device of another name");
        if (tap && strcmp(part->type, "vhostuser") == 0)
                builder_unsupported(builder, builder_element(builder, element, "backend"),
                                    "an interface of type vhostuser has no tap device: leave out tap");
        else if (tap && strcmp(tap, "/dev/net/tun") != 0)
                builder_not_here(builder, element, "a tap device of another name");
        refuse_host_side(builder, element);
        read_filter(builder, element);
        know_source(builder, element, part->type);
        build_bandwidth_check(builder, element);
        /* Whether the kernel helps with virtio; the document may ask for it, or for QEMU alone. */
        const char *helper = builder_choose(builder, element, "driver/@name", "qemu vhost");

        bool vhost = g_strcmp0(helper, "vhost") == 0;
        static const char *const taps[] = { "bridge", "ethernet", "network", "direct", NULL };
        if (vhost && !(build_card_is_virtio(part) && g_strv_contains(taps, part->type)))
                builder_not_here(builder, element,
                                 "vhost for a card that is not virtio, or has no tap interface: leave out the driver's name");
        builder_know(builder, element, "@type model/@type boot/@order");
        if (build_card_has_named_end(part->type))
                builder_know(builder, element, "target/@dev");
        JsonObject *backend = make_backend(builder, element, part),
                   *card = build_card(builder, element, part, mtu_of(builder, element));
        if (vhost)
                add_kernel_help(builder, element, backend);
        bool connected = json_string(backend, "type") != NULL;
        if (connected)
                builder_add_json(builder, "-netdev", json_object_ref(backend));
        json_object_unref(backend);
        json_add(card, "netdev", 's', connected ? builder_format(builder, "host%s", part->alias) : NULL, "mac", 's', part->mac,
                 NULL);
        builder_add_boot(builder, element, card, part, 2);
        if (build_card_is_of_board(part)) {
                builder_know(builder, element, "address boot alias");
                builder_add(builder, "-net", "nic,macaddr=%s,netdev=host%s,model=%s,name=%s", part->mac, part->alias, part->model,
                            part->alias);
                json_object_unref(card);
        } else
                builder_add_device(builder, element, card);
        if (builder_is(builder, element, "link/@state", "down"))
                builder_add_command(builder, "set_link", json_make("name", 's', part->alias, "up", 'b', FALSE, NULL));
}
