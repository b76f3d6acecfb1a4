/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/command/native-card.h"

#include <string.h>

#include "qemu/command/native-address.h"

/* Network cards */

static void read_network(NativeReader *reader, GHashTable *backend, xmlNode *interface) {
        g_autofree char *type = native_take(backend, "type"), *bridge = native_take(backend, "br"),
                        *tap = native_take(backend, "ifname");
        if (g_strcmp0(type, "bridge") == 0) {
                native_set(interface, "type", "bridge");
                native_set(xml_add(interface, "source", NULL), "bridge", bridge ? bridge : "br0");
        } else if (g_strcmp0(type, "tap") == 0) {
                native_set(interface, "type", "ethernet");
                if (tap)
                        native_set(xml_add(interface, "target", NULL), "dev", tap);
        } else if (g_strcmp0(type, "user") == 0)
                native_set(interface, "type", "user");
        else
                native_fail(reader, VIRTBUS_ERROR_UNSUPPORTED, "-netdev: type '%.32s' has no counterpart here", type ? type : "");
        native_drop(backend, "script downscript fd helper");
        native_check_empty(reader, backend, "-netdev");
}

static void finish_interface(xmlNode *interface, const char *mac, const char *model) {
        if (mac)
                native_set(xml_add(interface, "mac", NULL), "address", mac);
        native_set(xml_add(interface, "model", NULL), "type", model);
}

const char *native_card_model(const char *driver) {
        static const char *const models[][2] = {
                { "virtio-net-pci", "virtio" }, { "virtio-net", "virtio" }, { "virtio", "virtio" },
                { "e1000", "e1000" },           { "e1000e", "e1000e" },     { "rtl8139", "rtl8139" },
                { "ne2k_pci", "ne2k_pci" },     { "pcnet", "pcnet" },       { "vmxnet3", "vmxnet3" },
        };
        for (size_t i = 0; i < G_N_ELEMENTS(models); i++)
                if (strcmp(driver, models[i][0]) == 0)
                        return models[i][1];
        return NULL;
}

void native_card_device(NativeReader *reader, GHashTable *device, const char *driver) {
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
        native_pci_address(reader, device, interface);
}

void native_card_nic(NativeReader *reader, const char *text) {
        g_autoptr(GHashTable) properties = native_parse(reader, text, "type");
        g_autofree char *type = native_take(properties, "type"), *mac = native_take(properties, "mac"),
                        *model = native_take(properties, "model");
        if (g_strcmp0(type, "none") == 0)
                return;
        g_hash_table_insert(properties, g_strdup("type"), g_strdup(type ? type : ""));
        xmlNode *interface = xml_add(reader->devices, "interface", NULL);
        read_network(reader, properties, interface);
        const char *known = native_card_model(model ? model : "e1000"); /* QEMU's own choice for a PC */
        if (!known)
                native_fail(reader, VIRTBUS_ERROR_UNSUPPORTED, "-nic: model '%.32s' has no counterpart here", model);
        finish_interface(interface, mac, known);
}
