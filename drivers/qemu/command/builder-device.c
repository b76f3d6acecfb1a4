/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/command/builder-device.h"

#include <inttypes.h>
#include <string.h>

#include "domain/device-elements.h"
#include "qemu/command/builder-read.h"
#include "qemu/command/builder-write.h"

JsonObject *builder_device_new(const char *driver, const DeviceDefinition *part) {
        return json_make("driver", 's', driver, "id", 's', part->alias, NULL);
}

static const Property virtio_options[] = {
        { "driver/@iommu", "iommu_platform", PROPERTY_BOOL },
        { "driver/@ats", "ats", PROPERTY_BOOL },
        { "driver/@packed", "packed", PROPERTY_BOOL },
        { "driver/@page_per_vq", "page-per-vq", PROPERTY_BOOL },
};

void builder_add_virtio_options(Builder *builder, const xmlNode *element, JsonObject *device) {
        builder_copy_properties(builder, element, device, virtio_options, G_N_ELEMENTS(virtio_options));
}

/* Which of a virtio device's kinds goes where it is: its address says. */
static const char *virtio_bus(Builder *builder, const xmlNode *element) {
        const xmlNode *address = xml_child(element, "address");
        if (xml_attribute_is(address, "type", "ccw"))
                return "ccw";
        bool on_board = xml_attribute_is(address, "type", "virtio-mmio") ||
                        (!xml_attribute_is(address, "type", "pci") && builder->kind->virtio == VIRTIO_ON_MMIO);
        return on_board ? "device" : "pci";
}

JsonObject *builder_virtio_device_new(Builder *builder, const xmlNode *element, const DeviceDefinition *part, const char *name) {
        const char *model = part->model, *suffix = "";
        if (g_str_has_suffix(model, "-non-transitional"))
                suffix = "-non-transitional";
        else if (g_str_has_suffix(model, "-transitional"))
                suffix = "-transitional";
        JsonObject *device =
                        builder_device_new(builder_format(builder, "%s-%s%s", name, virtio_bus(builder, element), suffix), part);
        builder_add_virtio_options(builder, element, device);
        return device;
}

/* The elements that USB companion controllers are not. */
xmlNode *builder_controller_at(const Builder *builder, const char *type, uint64_t index) {
        for (xmlNode *element = xml_child(builder->devices, "controller"); element; element = xml_next(element, "controller")) {
                g_autofree char *number_text = xml_attribute(element, "index");
                if (xml_attribute_is(element, "type", type) && !xml_child(element, "master") && number_text &&
                    strtoul(number_text, NULL, 0) == index)
                        return element;
        }
        return NULL;
}

/* The ID that a controller's device has. */
static const char *controller_id(Builder *builder, const char *type, uint64_t index) {
        guint i = 0;
        xmlNode *controller = builder_controller_at(builder, type, index);
        for (xmlNode *element = device_elements_first(builder->context->document); element;
             element = device_elements_next(element), i++)
                if (element == controller)
                        return ((DeviceDefinition *) builder->definition->devices->pdata[i])->alias;
        return NULL;
}

const char *builder_controller_bus(Builder *builder, const xmlNode *element, const char *type, uint64_t index) {
        const char *id = controller_id(builder, type, index);
        if (!id) {
                builder_invalid(builder, element, "there is no controller of type %s with index %" PRIu64, type, index);
                return "";
        }
        bool is_built_in = index == 0 && builder->kind->is_x86 &&
                           ((strcmp(type, "ide") == 0 && !builder->kind->is_q35) ||
                            (strcmp(type, "sata") == 0 && builder->kind->is_q35));
        bool is_root = strcmp(type, "pci") == 0 &&
                       xml_attribute_is(builder_controller_at(builder, type, index), "model", "pci-root");
        return is_built_in ? "ide" : builder_format(builder, is_root ? "%s.0" : "%s", id);
}

static void add_pci_address(Builder *builder, const xmlNode *address, JsonObject *device) {
        uint64_t bus = builder_number(builder, address, "@bus", 0, 255, 0),
                 slot = builder_number(builder, address, "@slot", 0, 31, 0),
                 function = builder_number(builder, address, "@function", 0, 7, 0);
        const char *multifunction = builder_choose(builder, address, "@multifunction", "on off");
        if (builder_number(builder, address, "@domain", 0, 0xffff, 0) != 0)
                builder_unsupported(builder, address, "QEMU's machines have just PCI domain 0");
        const char *name = bus == 0 ? builder_format(builder, "%s.0", machine_kind_is_express(builder->kind) ? "pcie" : "pci")
                                    : builder_controller_bus(builder, address, "pci", bus);
        json_add(device, "bus", 's', name, "addr", 's',
                 function ? builder_format(builder, "0x%" PRIx64 ".0x%" PRIx64, slot, function)
                          : builder_format(builder, "0x%" PRIx64, slot),
                 NULL);
        if (multifunction)
                json_add(device, "multifunction", 'b', strcmp(multifunction, "on") == 0, NULL);
}

/* s390 knows a PCI device by two numbers of its own, which a device beside it has. */
static void add_zpci(Builder *builder, xmlNode *zpci, const char *id) {
        uint64_t user = builder_number(builder, zpci, "@uid", 1, 0xffff, 0),
                 function = builder_number(builder, zpci, "@fid", 0, UINT32_MAX, 0);
        if (builder->kind->virtio != VIRTIO_ON_CCW) {
                builder_unsupported(builder, zpci, "machine '%.64s' has no zPCI addresses: leave <zpci> out",
                                    builder->definition->machine);
                return;
        }
        builder_add_json(builder, "-device",
                         json_make("driver", 's', "zpci", "uid", 'i', (gint64) user, "fid", 'i', (gint64) function, "target", 's',
                                   id, "id", 's', builder_format(builder, "zpci%" PRIu64, user), NULL));
}

static void add_usb_address(Builder *builder, const xmlNode *address, JsonObject *device) {
        uint64_t bus = builder_number(builder, address, "@bus", 0, 255, 0);
        json_add(device, "bus", 's', builder_format(builder, "%s.0", builder_controller_bus(builder, address, "usb", bus)),
                 "port", 's', builder_get(builder, address, "@port"), NULL);
}

static void add_isa_address(Builder *builder, const xmlNode *address, JsonObject *device) {
        static const Property properties[] = {
                { "@iobase", "iobase", PROPERTY_NUMBER },
                { "@irq", "irq", PROPERTY_NUMBER },
        };
        builder_copy_properties(builder, address, device, properties, G_N_ELEMENTS(properties));
}

static void add_address(Builder *builder, const xmlNode *element, JsonObject *device) {
        xmlNode *address = builder_element(builder, element, "address");
        const char *type = builder_get(builder, address, "@type");
        if (!address)
                return;
        if (xml_child(address, "zpci"))
                add_zpci(builder, builder_element(builder, address, "zpci"), json_string(device, "id"));
        if (!type)
                builder_invalid(builder, address, "its attribute type is missing");
        else if (strcmp(type, "pci") == 0)
                add_pci_address(builder, address, device);
        else if (strcmp(type, "usb") == 0)
                add_usb_address(builder, address, device);
        else if (strcmp(type, "isa") == 0)
                add_isa_address(builder, address, device);
        else if (strcmp(type, "ccw") == 0 && builder->kind->virtio == VIRTIO_ON_CCW)
                json_add(device, "devno", 's',
                         builder_format(builder, "%" PRIx64 ".%" PRIx64 ".%04" PRIx64,
                                        builder_number(builder, address, "@cssid", 0, 0xfe, 0xfe),
                                        builder_number(builder, address, "@ssid", 0, 3, 0),
                                        builder_number(builder, address, "@devno", 0, 0xffff, 0)),
                         NULL);
        else if (strcmp(type, "spapr-vio") == 0 && g_strcmp0(builder->kind->panic, "pseries") == 0)
                json_add(device, "reg", 'i', (gint64) builder_number(builder, address, "@reg", 0, UINT32_MAX, 0), NULL);
        else if (strcmp(type, "virtio-mmio") == 0 && !builder->kind->is_x86) {
                /* one of the board's places */
        } else if (strcmp(type, "virtio-mmio") == 0 || strcmp(type, "ccw") == 0 || strcmp(type, "spapr-vio") == 0)
                builder_unsupported(builder, address, "machine '%.64s' has no addresses of type %s: leave the address out",
                                    builder->definition->machine, type);
}

void builder_add_boot(Builder *builder, const xmlNode *element, JsonObject *device, const DeviceDefinition *part, unsigned kind) {
        gint64 order = !builder->order_by_kind ? part->boot : builder->first[kind] == element ? builder->order[kind] : 0;
        if (order > 0)
                json_add(device, "bootindex", 'i', order, NULL);
}

static void add_rom(Builder *builder, const xmlNode *element, JsonObject *device) {
        xmlNode *rom = builder_element(builder, element, "rom");
        const char *file = builder_get(builder, rom, "@file");
        int bar = builder_switch(builder, rom, "@bar");
        if (!rom)
                return;
        if (builder_is(builder, rom, "@enabled", "no")) {
                if (file || bar >= 0)
                        builder_invalid(builder, rom, "a disabled ROM has neither file nor bar");
                json_add(device, "romfile", 's', "", NULL);
                return;
        }
        builder_know(builder, rom, "@enabled");
        if (bar >= 0)
                json_add(device, "rombar", 'i', (gint64) bar, NULL);
        if (file)
                json_add(device, "romfile", 's', builder_pass_to_read(builder, rom, file), NULL);
}

static void override_property(Builder *builder, xmlNode *property, JsonObject *device) {
        const char *name = builder_require(builder, property, "@name"),
                   *type = builder_choose(builder, property, "@type", "string signed unsigned bool remove"),
                   *value = builder_get(builder, property, "@value");
        char *end = NULL;
        builder_mark(property);
        if (!type)
                builder_require(builder, property, "@type");
        else if (strcmp(type, "remove") == 0) {
                if (json_object_has_member(device, name))
                        json_object_remove_member(device, name);
        } else if (!value)
                builder_require(builder, property, "@value");
        else if (strcmp(type, "string") == 0)
                json_add(device, name, 's', value, NULL);
        else if (strcmp(type, "bool") == 0)
                json_add(device, name, 'b', g_strcmp0(builder_choose(builder, property, "@value", "true false"), "true") == 0,
                         NULL);
        else {
                gint64 number = strcmp(type, "signed") == 0 ? g_ascii_strtoll(value, &end, 0)
                                                            : (gint64) g_ascii_strtoull(value, &end, 0);
                if (*end || !*value)
                        builder_invalid(builder, property, "value is '%.32s'; it must be a number", value);
                json_add(device, name, 'i', number, NULL);
        }
}

/* <qemu:override><qemu:device alias='...'><qemu:frontend><qemu:property .../>: the author's own values of a device's
 * properties. */
static void override_properties(Builder *builder, JsonObject *device) {
        const char *id = json_string(device, "id");
        for (xmlNode *override = xml_child(builder->root, NULL); override; override = xml_next(override, NULL)) {
                if (!override->ns || strcmp((const char *) override->ns->href, QEMU_NAMESPACE) != 0 ||
                    !xml_is(override, "override"))
                        continue;
                for (xmlNode *one = xml_child(override, NULL); one; one = xml_next(one, NULL)) {
                        if (!xml_attribute_is(one, "alias", id ? id : ""))
                                continue;
                        for (xmlNode *side = xml_child(one, NULL); side; side = xml_next(side, NULL)) {
                                builder_mark(side);
                                if (!xml_is(side, "frontend"))
                                        builder_unsupported(builder, side,
                                                            "the QEMU driver does not know this element; leave it out");
                                for (xmlNode *property = xml_child(side, NULL); property; property = xml_next(property, NULL))
                                        override_property(builder, property, device);
                        }
                }
        }
}

void builder_add_device(Builder *builder, const xmlNode *element, JsonObject *device) {
        static const Property common[] = { { "acpi/@index", "acpi-index", PROPERTY_NUMBER } };
        add_address(builder, element, device);
        builder_copy_properties(builder, element, device, common, G_N_ELEMENTS(common));
        add_rom(builder, element, device);
        if (builder->kind->virtio == VIRTIO_ON_CCW)
                builder_know(builder, element, "boot/@loadparm"); /* the machine's: build-machine.c */
        else if (builder_get(builder, element, "boot/@loadparm"))
                builder_not_here(builder, builder_element(builder, element, "boot"),
                                 "a loadparm, as s390 machines have: leave it out");
        builder_know(builder, element, "alias");
        override_properties(builder, device);
        builder_add_json(builder, "-device", device);
}

/* <iothreadids> gives some of the threads their numbers; the others have the lowest that are left. */
static bool has_io_thread(Builder *builder, uint64_t id) {
        uint64_t n = builder_number(builder, builder->root, "iothreads", 0, IO_THREADS_MAX, 0), n_named = 0, n_below = 0;
        for_each (builder, thread, builder->root, "iothreadids/iothread") {
                uint64_t named = builder_number(builder, thread, "@id", 1, UINT32_MAX, 0);
                if (named == id)
                        return true;
                n_named++;
                n_below += named < id;
        }
        return n > n_named && id - n_below <= n - n_named;
}

const char *builder_io_thread(Builder *builder, const xmlNode *element, const char *path) {
        uint64_t id = builder_number(builder, element, path, 1, UINT32_MAX, 0);
        if (id == 0)
                return NULL;
        if (!has_io_thread(builder, id))
                builder_invalid(builder, element, "there is no I/O thread %" PRIu64 ": raise <iothreads>, or name another", id);
        return builder_format(builder, "iothread%" PRIu64, id);
}
