/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/command/build-card.h"

#include <inttypes.h>
#include <string.h>

#include "link/tap.h"
#include "qemu/command/builder-read.h"
#include "qemu/command/builder-write.h"

#define QUEUE_SIZE_MAX 1024

/* Cards by model; "" is libvirt's default for a PC. */
static const struct {
        const char *model, *driver;
} cards[] = {
        { "", "rtl8139" },
        { "rtl8139", "rtl8139" },
        { "e1000", "e1000" },
        { "e1000e", "e1000e" },
        { "e1000-82540em", "e1000" },
        { "e1000-82544gc", "e1000-82544gc" },
        { "e1000-82545em", "e1000-82545em" },
        { "igb", "igb" },
        { "ne2k_pci", "ne2k_pci" },
        { "ne2k_isa", "ne2k_isa" },
        { "pcnet", "pcnet" },
        { "vmxnet3", "vmxnet3" },
        { "i82550", "i82550" },
        { "i82551", "i82551" },
        { "i82557a", "i82557a" },
        { "i82557b", "i82557b" },
        { "i82557c", "i82557c" },
        { "i82558a", "i82558a" },
        { "i82558b", "i82558b" },
        { "i82559a", "i82559a" },
        { "i82559b", "i82559b" },
        { "i82559c", "i82559c" },
        { "i82559er", "i82559er" },
        { "i82562", "i82562" },
        { "i82801", "i82801" },
        { "tulip", "tulip" },
        { "usb-net", "usb-net" },
        { "spapr-vlan", "spapr-vlan" },
        { "lan9118", "lan9118" }, /* of boards */
        { "smc91c111", "smc91c111" },
};

bool build_card_is_virtio(const DeviceDefinition *part) {
        return strcmp(part->model, "virtio") == 0 || g_str_has_prefix(part->model, "virtio-");
}

bool build_card_is_of_board(const DeviceDefinition *part) {
        return strcmp(part->model, "lan9118") == 0 || strcmp(part->model, "smc91c111") == 0;
}

bool build_card_has_named_end(const char *type) {
        static const char *const types[] = { "bridge", "ethernet", "network", "direct", "vhostuser", "vdpa", NULL };
        return g_strv_contains(types, type);
}

/* Features that virtio's card offers to its peers, by <driver><host/> and <guest/>. */
static void add_offloads(Builder *builder, xmlNode *element, JsonObject *device) {
        static const Property properties[] = {
                { "driver/host/@csum", "csum", PROPERTY_BOOL },
                { "driver/host/@gso", "gso", PROPERTY_BOOL },
                { "driver/host/@tso4", "host_tso4", PROPERTY_BOOL },
                { "driver/host/@tso6", "host_tso6", PROPERTY_BOOL },
                { "driver/host/@ecn", "host_ecn", PROPERTY_BOOL },
                { "driver/host/@ufo", "host_ufo", PROPERTY_BOOL },
                { "driver/host/@mrg_rxbuf", "mrg_rxbuf", PROPERTY_BOOL },
                { "driver/guest/@csum", "guest_csum", PROPERTY_BOOL },
                { "driver/guest/@tso4", "guest_tso4", PROPERTY_BOOL },
                { "driver/guest/@tso6", "guest_tso6", PROPERTY_BOOL },
                { "driver/guest/@ecn", "guest_ecn", PROPERTY_BOOL },
                { "driver/guest/@ufo", "guest_ufo", PROPERTY_BOOL },
                { "driver/@ioeventfd", "ioeventfd", PROPERTY_BOOL },
                { "driver/@event_idx", "event_idx", PROPERTY_BOOL },
                { "driver/@rss", "rss", PROPERTY_BOOL },
                { "driver/@rss_hash_report", "hash", PROPERTY_BOOL },
        };
        builder_copy_properties(builder, element, device, properties, G_N_ELEMENTS(properties));
}

static void add_queue_size(Builder *builder, xmlNode *element, const char *path, const char *name, JsonObject *device) {
        uint64_t value = builder_number(builder, element, path, 0, QUEUE_SIZE_MAX, 0);
        if (value & (value - 1))
                builder_invalid(builder, builder_element(builder, element, "driver"),
                                "%s is %" PRIu64 "; it must be a power of two", strrchr(path, '@') + 1, value);
        else if (value > 0)
                json_add(device, name, 'i', (gint64) value, NULL);
}

static JsonObject *make_virtio_card(Builder *builder, xmlNode *element, const DeviceDefinition *part, unsigned mtu) {
        JsonObject *device = builder_virtio_device_new(builder, element, part, "virtio-net");
        const char *transmit = builder_choose(builder, element, "driver/@txmode", "iothread timer");
        uint64_t queues = builder_number(builder, element, "driver/@queues", 1, QUEUES_MAX, 1);
        add_offloads(builder, element, device);
        if (transmit)
                json_add(device, "tx", 's', strcmp(transmit, "iothread") == 0 ? "bh" : "timer", NULL);
        add_queue_size(builder, element, "driver/@rx_queue_size", "rx_queue_size", device);
        add_queue_size(builder, element, "driver/@tx_queue_size", "tx_queue_size", device);
        if (queues > 1) {
                if (!build_card_has_named_end(part->type))
                        builder_unsupported(builder, builder_element(builder, element, "driver"),
                                            "an interface of type %.32s has one queue: leave out queues", part->type);
                /* Two for each queue, one for configuration, one for control. */
                json_add(device, "mq", 'b', TRUE, "vectors", 'i', (gint64) (2 * queues + 2), NULL);
        }
        if (mtu > 0)
                json_add(device, "host_mtu", 'i', (gint64) mtu, NULL);
        if (builder_element(builder, element, "teaming")) {
                if (builder_is(builder, element, "teaming/@type", "persistent"))
                        json_add(device, "failover", 'b', TRUE, NULL);
                else if (strcmp(part->type, "network") == 0) { /* a pool of the host's cards */
                        builder_know(builder, element, "teaming/@persistent");
                        builder_not_here(builder, builder_element(builder, element, "teaming"),
                                         "a card of a network's pool of host devices: name the device in an interface of type "
                                         "hostdev");
                } else
                        builder_unsupported(builder, builder_element(builder, element, "teaming"),
                                            "a virtio card is the persistent one");
        }
        return device;
}

JsonObject *build_card(Builder *builder, xmlNode *element, const DeviceDefinition *part, unsigned mtu) {
        if (build_card_is_virtio(part))
                return make_virtio_card(builder, element, part, mtu);
        for (size_t i = 0; i < G_N_ELEMENTS(cards); i++)
                if (strcmp(part->model, cards[i].model) == 0)
                        return builder_device_new(cards[i].driver, part);
        builder_unsupported(builder, builder_element(builder, element, "model"), "QEMU has no network card of model '%.32s'",
                            part->model);
        return json_object_new();
}
