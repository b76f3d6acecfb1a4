/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/command/native-card.h"

#include <string.h>

#include "qemu/command/native-address.h"

/* "tcp:127.0.0.1:2222-:22": what the guest serves is reached at a port of the host, which passt does as a document says it. */
static void read_forwards(NativeReader *reader, const char *text, xmlNode *interface) {
        g_auto(GStrv) rules = g_strsplit(text, "\n", -1);
        native_set(xml_ensure_child(interface, "backend"), "type", "passt");
        for (size_t i = 0; rules[i]; i++) {
                g_autoptr(GMatchInfo) match = NULL;
                g_autoptr(GRegex) form =
                                g_regex_new("^(?:(tcp|udp):)?([0-9.]*):(\\d{1,5})-(10\\.0\\.2\\.15)?:(\\d{1,5})$", 0, 0, NULL);
                if (!g_regex_match(form, rules[i], 0, &match)) {
                        native_fail(reader, VIRTBUS_ERROR_UNSUPPORTED,
                                    "-netdev user: hostfwd '%.64s' has no counterpart here; use the form tcp:ADDRESS:PORT-:PORT",
                                    rules[i]);
                        return;
                }
                g_autofree char *protocol = g_match_info_fetch(match, 1), *address = g_match_info_fetch(match, 2),
                                *start = g_match_info_fetch(match, 3), *to = g_match_info_fetch(match, 5);
                xmlNode *forward = xml_add(interface, "portForward", NULL), *range = xml_add(forward, "range", NULL);
                native_set(forward, "proto", *protocol ? protocol : "tcp");
                native_set(forward, "address", *address ? address : NULL);
                native_set(range, "start", start);
                native_set(range, "to", strcmp(start, to) == 0 ? NULL : to);
        }
}

static void read_user_network(NativeReader *reader, GHashTable *backend, xmlNode *interface) {
        g_autofree char *net = native_take(backend, "net"), *forwards = native_take(backend, "hostfwd");
        native_set(interface, "type", "user");
        if (net) {
                xmlNode *ip = xml_add(interface, "ip", NULL);
                char *slash = strchr(net, '/');
                if (slash)
                        *slash = '\0';
                native_set(ip, "family", "ipv4");
                native_set(ip, "address", net);
                native_set(ip, "prefix", slash ? slash + 1 : NULL);
        }
        if (forwards)
                read_forwards(reader, forwards, interface);
}

static void read_tap(NativeReader *reader, GHashTable *backend, xmlNode *interface) {
        static const char *const scripts[] = { "script", "downscript" };
        g_autofree char *vhost = native_take(backend, "vhost");
        native_set(interface, "type", "ethernet");
        native_move_below(backend, "ifname", interface, "target", "dev");
        native_move_below(backend, "queues", interface, "driver", "queues");
        if (vhost)
                native_set(xml_ensure_child(interface, "driver"), "name", native_is_on(vhost) ? "vhost" : "qemu");
        for (size_t i = 0; i < G_N_ELEMENTS(scripts); i++) {
                g_autofree char *script = native_take(backend, scripts[i]);
                if (script && *script && strcmp(script, "no") != 0)
                        native_fail(reader, VIRTBUS_ERROR_UNSUPPORTED,
                                    "-netdev tap: no %s is run for a guest: write %s=no, or -netdev bridge,br=NAME where it puts "
                                    "the card into a bridge",
                                    scripts[i], scripts[i]);
        }
        native_drop(backend, "fd fds helper vhostfd vhostfds vhostforce");
}

/* Two QEMUs, or more, that talk to each other: "listen=:1234", "connect=HOST:1234", "mcast=230.0.0.1:1234". */
static void read_socket_network(NativeReader *reader, GHashTable *backend, xmlNode *interface) {
        static const char *const kinds[][2] = { { "listen", "server" }, { "connect", "client" }, { "mcast", "mcast" } };
        for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++) {
                g_autofree char *place = native_take(backend, kinds[i][0]);
                char *colon = place ? strrchr(place, ':') : NULL;
                if (!colon)
                        continue;
                *colon = '\0';
                native_set(interface, "type", kinds[i][1]);
                xmlNode *source = xml_add(interface, "source", NULL);
                native_set(source, "address", *place ? place : NULL);
                native_set(source, "port", colon + 1);
                return;
        }
        native_fail(reader, VIRTBUS_ERROR_UNSUPPORTED, "-netdev socket: only listen, connect and mcast have a counterpart here");
}

static void read_vhost_user(NativeReader *reader, GHashTable *backend, xmlNode *interface) {
        g_autofree char *id = native_take(backend, "chardev");
        NativeBackend *socket = id ? native_find_backend(reader, "chardev", id) : NULL;
        native_set(interface, "type", "vhostuser");
        xmlNode *source = xml_add(interface, "source", NULL);
        native_set(source, "type", "unix");
        if (socket) {
                native_move(socket->properties, "path", source, "path");
                native_set(source, "mode", native_is_on(g_hash_table_lookup(socket->properties, "server")) ? "server" : "client");
        } else
                native_fail(reader, VIRTBUS_ERROR_INVALID_ARGUMENT, "-netdev vhost-user: there is no -chardev '%.64s'",
                            id ? id : "");
        native_move_below(backend, "queues", interface, "driver", "queues");
        native_drop(backend, "vhostforce");
}

static void read_bridge(NativeReader *reader, GHashTable *backend, xmlNode *interface) {
        (void) reader;
        g_autofree char *bridge = native_take(backend, "br");
        native_set(interface, "type", "bridge");
        native_set(xml_add(interface, "source", NULL), "bridge", bridge ? bridge : "br0");
        native_drop(backend, "helper");
}

static void read_network(NativeReader *reader, GHashTable *backend, xmlNode *interface) {
        static const struct {
                const char *type;
                void (*read)(NativeReader *reader, GHashTable *backend, xmlNode *interface);
        } kinds[] = { { "user", read_user_network },
                      { "bridge", read_bridge },
                      { "tap", read_tap },
                      { "socket", read_socket_network },
                      { "vhost-user", read_vhost_user } };
        g_autofree char *type = native_take(backend, "type");
        size_t kind = 0;
        while (kind < G_N_ELEMENTS(kinds) && g_strcmp0(kinds[kind].type, type) != 0)
                kind++;
        reader->has_card = true;
        if (kind < G_N_ELEMENTS(kinds))
                kinds[kind].read(reader, backend, interface);
        else
                native_fail(reader, VIRTBUS_ERROR_UNSUPPORTED, "-netdev: type '%.32s' has no counterpart here", type ? type : "");
        native_check_empty(reader, backend, "-netdev");
}

static void finish_interface(xmlNode *interface, const char *mac, const char *model) {
        if (mac)
                native_set(xml_add(interface, "mac", NULL), "address", mac);
        native_set(xml_add(interface, "model", NULL), "type", model);
}

const char *native_card_model(const char *driver) {
        static const char *const models[][2] = {
                { "virtio-net-pci", "virtio" }, { "virtio-net", "virtio" },
                { "virtio", "virtio" },         { "virtio-net-device", "virtio" },
                { "virtio-net-ccw", "virtio" }, { "i82551", "i82551" },
                { "i82557b", "i82557b" },       { "i82559er", "i82559er" },
                { "usb-net", "usb-net" },       { "e1000", "e1000" },
                { "e1000e", "e1000e" },         { "rtl8139", "rtl8139" },
                { "ne2k_pci", "ne2k_pci" },     { "pcnet", "pcnet" },
                { "vmxnet3", "vmxnet3" },
        };
        for (size_t i = 0; i < G_N_ELEMENTS(models); i++)
                if (strcmp(driver, models[i][0]) == 0)
                        return models[i][1];
        return NULL;
}

void native_card_device(NativeReader *reader, GHashTable *device, const char *driver) {
        static const char *const parts[][3] = { { "host_mtu", "mtu", "size" },
                                                { "rx_queue_size", "driver", "rx_queue_size" },
                                                { "tx_queue_size", "driver", "tx_queue_size" },
                                                { "packed", "driver", "packed" },
                                                { "ats", "driver", "ats" },
                                                { "romfile", "rom", "file" } };
        g_autofree char *id = native_take(device, "netdev"), *mac = native_take(device, "mac"),
                        *boot = native_take(device, "bootindex");
        NativeBackend *backend = native_find_backend(reader, "netdev", id);
        xmlNode *interface = xml_add(reader->devices, "interface", NULL);
        if (backend)
                read_network(reader, backend->properties, interface);
        else
                native_fail(reader, VIRTBUS_ERROR_INVALID_ARGUMENT, "-device %s: there is no -netdev '%.64s'", driver,
                            id ? id : "");
        finish_interface(interface, mac, native_card_model(driver));
        if (boot)
                native_set(xml_add(interface, "boot", NULL), "order", boot);
        for (size_t i = 0; i < G_N_ELEMENTS(parts); i++)
                native_move_below(device, parts[i][0], interface, parts[i][1], parts[i][2]);
        native_drop(device, "mq vectors"); /* as many as the queues need */
        if (strcmp(driver, "usb-net") == 0)
                native_usb_address(reader, device, interface);
        else
                native_pci_address(reader, device, interface);
}

/* A card that is not a -device: PROPERTIES are those of its back end. */
static void read_nic(NativeReader *reader, GHashTable *properties, const char *option, const char *mac, const char *model) {
        xmlNode *interface = xml_add(reader->devices, "interface", NULL);
        read_network(reader, properties, interface);
        const char *chosen = model ? model : native_card_default(reader), *known = native_card_model(chosen);
        if (!known)
                native_fail(reader, VIRTBUS_ERROR_UNSUPPORTED, "%s: model '%.32s' has no counterpart here", option, chosen);
        finish_interface(interface, mac, known);
}

const char *native_card_default(const NativeReader *reader) {
        bool is_pc = strcmp(reader->arch, "x86_64") == 0 || strcmp(reader->arch, "i686") == 0;
        return !is_pc ? "virtio" : reader->q35 ? "e1000e" : "e1000";
}

void native_card_nic(NativeReader *reader, const char *text) {
        g_autoptr(GHashTable) properties = native_parse(reader, text, "type");
        g_autofree char *mac = native_take(properties, "mac"), *model = native_take(properties, "model");
        native_drop(properties, "id");
        reader->has_card = true;
        if (g_strcmp0(g_hash_table_lookup(properties, "type"), "none") != 0)
                read_nic(reader, properties, "-nic", mac, model);
}

/* A card of -net and its back end, which come in either order. */
static void join(NativeReader *reader) {
        const char *nic = g_hash_table_lookup(reader->hub, "nic"), *backend = g_hash_table_lookup(reader->hub, "backend");
        if (!nic || !backend)
                return;
        g_autoptr(GHashTable) card = native_parse(reader, nic, "type");
        g_autoptr(GHashTable) properties = native_parse(reader, backend, "type");
        g_autofree char *mac = native_take(card, "macaddr"), *model = native_take(card, "model");
        native_drop(card, "type id name vlan");
        native_drop(properties, "id name vlan");
        native_check_empty(reader, card, "-net nic");
        read_nic(reader, properties, "-net", mac, model);
        g_hash_table_remove_all(reader->hub);
}

void native_card_net(NativeReader *reader, const char *text) {
        g_autoptr(GHashTable) properties = native_parse(reader, text, "type");
        const char *type = g_hash_table_lookup(properties, "type"), *netdev = g_hash_table_lookup(properties, "netdev");
        bool is_nic = g_strcmp0(type, "nic") == 0;
        reader->has_card = true;
        if (g_strcmp0(type, "none") == 0)
                return;
        if (is_nic && netdev) { /* as a -device */
                NativeBackend *backend = native_find_backend(reader, "netdev", netdev);
                g_autofree char *mac = native_take(properties, "macaddr"), *model = native_take(properties, "model");
                if (backend)
                        read_nic(reader, backend->properties, "-net nic", mac, model);
                else
                        native_fail(reader, VIRTBUS_ERROR_INVALID_ARGUMENT, "-net nic: there is no -netdev '%.64s'", netdev);
        } else if (!g_hash_table_insert(reader->hub, g_strdup(is_nic ? "nic" : "backend"), g_strdup(text)))
                native_fail(reader, VIRTBUS_ERROR_UNSUPPORTED,
                            "-net: several cards at one hub have no counterpart here; write -nic, or -netdev and -device, for "
                            "each");
        else
                join(reader);
}

void native_card_finish(NativeReader *reader) {
        if (g_hash_table_size(reader->hub) > 0)
                native_fail(reader, VIRTBUS_ERROR_UNSUPPORTED,
                            "-net: a card without a back end, or the reverse, has no counterpart here");
}
