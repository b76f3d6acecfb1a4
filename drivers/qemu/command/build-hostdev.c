/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/command/build-hostdev.h"

#include <inttypes.h>
#include <string.h>

#include "qemu/command/build-network-source.h"
#include "qemu/command/builder-read.h"
#include "qemu/command/builder-write.h"

static const char *pci_name(Builder *builder, xmlNode *address) {
        return builder_format(builder, "%04" PRIx64 ":%02" PRIx64 ":%02" PRIx64 ".%" PRIu64,
                              builder_number(builder, address, "@domain", 0, 0xffff, 0),
                              builder_number(builder, address, "@bus", 0, 0xff, 0),
                              builder_number(builder, address, "@slot", 0, 31, 0),
                              builder_number(builder, address, "@function", 0, 7, 0));
}

static JsonObject *make_pci_host_device(Builder *builder, xmlNode *element, const DeviceDefinition *part) {
        xmlNode *address = builder_element(builder, element, "source/address");
        if (!address)
                builder_invalid(builder, element, "<source><address .../> is missing");
        builder_know(builder, element, "source/address/@type");
        builder_choose(builder, element, "driver/@name", "vfio");
        builder->line->locks_memory = true;
        JsonObject *device = builder_device_new("vfio-pci", part);
        json_add(device, "host", 's', pci_name(builder, address), NULL);
        if (builder_element(builder, element, "teaming")) {
                builder_know(builder, element, "teaming/@type");
                json_add(device, "failover_pair_id", 's', builder_require(builder, element, "teaming/@persistent"), NULL);
        }
        return device;
}

/* Beside an address: the device that is there must be of this kind. */
static void check_usb_identity(Builder *builder, xmlNode *source) {
        builder_number(builder, source, "vendor/@id", 0, 0xffff, 0);
        builder_number(builder, source, "product/@id", 0, 0xffff, 0);
}

static JsonObject *make_usb_host_device(Builder *builder, xmlNode *element, const DeviceDefinition *part) {
        static const struct {
                const char *mode;
                bool reset, all;
        } resets[] = { { "uninitialized", true, false }, { "on", true, true } };
        xmlNode *source = builder_element(builder, element, "source"), *address = builder_element(builder, source, "address");
        JsonObject *device = builder_device_new("usb-host", part);
        builder_choose(builder, source, "@startupPolicy", "mandatory requisite optional");
        builder_know(builder, source, "address/@type");
        File *file = builder_file(builder, element);
        if (file) {
                /* The one that was found, by its number; QEMU gets it opened. */
                xmlNode *found = xml_ensure_child(source, "address");
                builder_choose_now(found, "bus", builder_format(builder, "%u", file->device->bus));
                builder_choose_now(found, "device", builder_format(builder, "%u", file->device->device));
                json_add(device, "hostdevice", 's', builder_pass_as_file(builder, &file->device->fd, NULL), NULL);
                builder_know(builder, source, "vendor product");
        } else if (address) {
                check_usb_identity(builder, source);
                json_add(device, "hostdevice", 's',
                         builder_format(builder, "/dev/bus/usb/%03" PRIu64 "/%03" PRIu64,
                                        builder_number(builder, address, "@bus", 0, 999, 0),
                                        builder_number(builder, address, "@device", 0, 999, 0)),
                         NULL);
        } else
                json_add(device, "vendorid", 'i', (gint64) builder_number(builder, source, "vendor/@id", 0, 0xffff, 0),
                         "productid", 'i', (gint64) builder_number(builder, source, "product/@id", 0, 0xffff, 0), NULL);
        const char *reset = builder_choose(builder, source, "@guestReset", "off uninitialized on");
        if (g_strcmp0(reset, "off") == 0)
                json_add(device, "guest-reset", 'b', FALSE, NULL);
        for (size_t i = 0; reset && i < G_N_ELEMENTS(resets); i++)
                if (strcmp(reset, resets[i].mode) == 0)
                        json_add(device, "guest-reset", 'b', resets[i].reset, "guest-resets-all", 'b', resets[i].all, NULL);
        return device;
}

static void add_scsi_address(Builder *builder, xmlNode *element, JsonObject *device) {
        xmlNode *address = builder_element(builder, element, "address");
        uint64_t controller = builder_number(builder, address, "@controller", 0, 255, 0);
        xmlNode *owner = builder_controller_at(builder, "scsi", controller);
        gint64 bus = (gint64) builder_number(builder, address, "@bus", 0, 255, 0),
               target = (gint64) builder_number(builder, address, "@target", 0, 255, 0),
               unit = (gint64) builder_number(builder, address, "@unit", 0, 16383, 0);
        builder_know(builder, address, "@type");
        json_add(device, "bus", 's',
                 builder_format(builder, "%s.0", builder_controller_bus(builder, element, "scsi", controller)), NULL);
        if (xml_attribute_is(owner, "model", "lsilogic"))
                json_add(device, "scsi-id", 'i', unit, NULL);
        else
                json_add(device, "channel", 'i', bus, "scsi-id", 'i', target, "lun", 'i', unit, NULL);
}

static JsonObject *make_scsi_host_device(Builder *builder, xmlNode *element, const DeviceDefinition *part) {
        xmlNode *source = builder_element(builder, element, "source");
        const char *node = builder_format(builder, "%s-backend", strlen(part->alias) > 20 ? "hostdev-ua" : part->alias);
        if (strlen(part->alias) > 20) {
                g_autofree char *digest = g_compute_checksum_for_string(G_CHECKSUM_SHA256, part->alias, -1);
                node = builder_format(builder, "n%.16s-backend", digest);
        }
        bool read_only = builder_element(builder, element, "readonly") != NULL;
        builder_know(builder, element, "shareable @sgio @rawio");
        if (builder_is(builder, source, "@protocol", "iscsi"))
                build_iscsi_node(builder, source, node, read_only);
        else {
                builder_require(builder, source ? source : element, "adapter/@name");
                builder_know(builder, source, "address @protocol");
                builder_not_here(builder, element, "a SCSI device of the host");
                builder_add_json(builder, "-blockdev",
                                 json_make("driver", 's', "host_device", "filename", 's', "/dev/sg0", "node-name", 's', node,
                                           "read-only", 'b', read_only, NULL));
        }
        JsonObject *device = builder_device_new("scsi-generic", part);
        json_add(device, "drive", 's', node, NULL);
        add_scsi_address(builder, element, device);
        builder_know(builder, element, "address");
        return device;
}

static JsonObject *make_scsi_host(Builder *builder, xmlNode *element, const DeviceDefinition *part) {
        JsonObject *device = builder_virtio_device_new(builder, element, part, "vhost-scsi");
        builder_choose(builder, element, "source/@protocol", "vhost");
        builder_know(builder, element, "@model");
        builder_not_here(builder, element, "a SCSI host of the kernel");
        json_add(device, "wwpn", 's', builder_require(builder, element, "source/@wwpn"), NULL);
        return device;
}

static JsonObject *make_mediated_device(Builder *builder, xmlNode *element, const DeviceDefinition *part) {
        const char *uuid = builder_get(builder, element, "source/address/@uuid");
        if (!uuid)
                builder_invalid(builder,
                                builder_element(builder, element, "source/address")
                                                ? builder_element(builder, element, "source/address")
                                                : element,
                                "its attribute uuid is missing");
        int display = builder_switch(builder, element, "@display"), ramfb = builder_switch(builder, element, "@ramfb");
        builder_choose(builder, element, "@model", "vfio-pci");
        builder_not_here(builder, element, "a mediated device of the host: leave it out, or give the whole device (type='pci')");
        JsonObject *device = builder_device_new(ramfb == 1 ? "vfio-pci-nohotplug" : "vfio-pci", part);
        json_add(device, "sysfsdev", 's', builder_format(builder, "/sys/bus/mdev/devices/%s", uuid ? uuid : ""), NULL);
        json_add(device, "display", 's', display == 1 ? "on" : "off", NULL);
        if (ramfb == 1)
                json_add(device, "ramfb", 'b', TRUE, NULL);
        return device;
}

/* A source that another device has too, and more than one video memory for display: neither can work. */
static void check_host_devices(Builder *builder, xmlNode *element) {
        bool ramfb = xml_attribute_is(element, "ramfb", "on");
        g_autofree char *mine = xml_child(element, "source") ? xml_element_text(xml_child(element, "source")) : NULL;
        g_autofree char *type = xml_attribute(element, "type");
        xmlNode *address = xml_find(element, "source/address");
        for (xmlNode *other = xml_child(builder->devices, "hostdev"); other && other != element;
             other = xml_next(other, "hostdev")) {
                if (ramfb && xml_attribute_is(other, "ramfb", "on"))
                        builder_unsupported(builder, element, "only one mediated device can have a ramfb");
                if (!xml_attribute_is(other, "type", type) || !address)
                        continue;
                bool same = true, any = false;
                static const char *const keys[] = { "uuid", "domain", "bus", "slot", "function", "device", "target", "unit" };
                xmlNode *others = xml_find(other, "source/address");
                for (size_t i = 0; i < G_N_ELEMENTS(keys); i++) {
                        g_autofree char *a = xml_attribute(address, keys[i]), *b = xml_attribute(others, keys[i]);
                        any |= a != NULL;
                        same &= (!a && !b) || (a && b &&
                                               (strcmp(a, b) == 0 ||
                                                (strcmp(keys[i], "uuid") != 0 && strtoul(a, NULL, 0) == strtoul(b, NULL, 0))));
                }
                g_autofree char *name = xml_attribute(xml_find(element, "source/adapter"), "name");
                if (same && any && xml_attribute_is(xml_find(other, "source/adapter"), "name", name))
                        builder_invalid(builder, element, "the domain has this host device already");
        }
}

void build_hostdev(Builder *builder, xmlNode *element, const DeviceDefinition *part) {
        static const struct {
                const char *type;
                JsonObject *(*make)(Builder *builder, xmlNode *element, const DeviceDefinition *part);
        } types[] = {
                { "pci", make_pci_host_device }, { "usb", make_usb_host_device },  { "scsi", make_scsi_host_device },
                { "scsi_host", make_scsi_host }, { "mdev", make_mediated_device },
        };
        const char *type = builder_get(builder, element, "@type");
        bool interface = xml_is(element, "interface");
        builder_know(builder, element, "@managed");
        if (interface) {
                /* A network card of the host: what is set on it before it is given away is libvirt's doing too. */
                type = builder_get(builder, element, "source/address/@type");
                builder_know(builder, element, "@type model/@type");
                if (builder_element(builder, element, "mac")) {
                        builder_know(builder, element, "mac");
                        builder_not_here(builder, builder_element(builder, element, "mac"),
                                         "a MAC address of a card of the host's: set it on the host (ip link set DEVICE vf "
                                         "NUMBER mac "
                                         "...), and leave out <mac>");
                }
        } else {
                const char *mode = builder_choose(builder, element, "@mode", "subsystem capabilities");
                if (g_strcmp0(mode, "capabilities") == 0)
                        builder_unsupported(builder, element, "host devices of mode capabilities are for containers");
                check_host_devices(builder, element);
        }
        for (size_t i = 0; type && i < G_N_ELEMENTS(types); i++)
                if (strcmp(type, types[i].type) == 0) {
                        const File *file = builder_file(builder, element);
                        if (file && file->missing) { /* the guest does without */
                                builder_choose_now(xml_ensure_child(element, "source"), "missing", "yes");
                                builder_know_turned_off(builder, element);
                                return;
                        }
                        JsonObject *device = types[i].make(builder, element, part);
                        uint64_t order = interface ? part->boot
                                                   : builder_number(builder, element, "boot/@order", 1, DEVICES_MAX, 0);
                        builder_know(builder, element, "boot");
                        if (order > 0)
                                json_add(device, "bootindex", 'i', (gint64) order, NULL);
                        builder_add_device(builder, element, device);
                        return;
                }
        builder_unsupported(builder, element, "QEMU has no host devices of type '%.32s'", type ? type : "");
}
