/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/command/build-controller.h"

#include <inttypes.h>
#include <string.h>

#include "qemu/check/check-index.h"
#include "qemu/command/builder-device.h"
#include "qemu/command/builder-read.h"
#include "qemu/command/builder-write.h"

#define PORTS_MAX 65535

/* Those of one kind of controller that say which version of virtio it speaks. */
#define VIRTIO_MODELS "virtio-transitional virtio-non-transitional"

/* The driver of each model. Those without one are part of the machine; an empty model is a type's only one. */
static const struct {
        const char *type, *model, *driver;
} controllers[] = {
        { "pci", "pci-root", NULL },
        { "pci", "pcie-root", NULL },
        { "pci", "pcie-root-port", "pcie-root-port" },
        { "pci", "pci-bridge", "pci-bridge" },
        { "pci", "dmi-to-pci-bridge", "i82801b11-bridge" },
        { "pci", "pcie-to-pci-bridge", "pcie-pci-bridge" },
        { "pci", "pcie-switch-upstream-port", "x3130-upstream" },
        { "pci", "pcie-switch-downstream-port", "xio3130-downstream" },
        { "pci", "pci-expander-bus", "pxb" },
        { "pci", "pcie-expander-bus", "pxb-pcie" },
        { "ide", "", NULL },
        { "fdc", "", NULL },
        { "isa", "", NULL },
        { "sata", "", "ahci" },
        { "ccid", "", "usb-ccid" },
        { "virtio-serial", "", "virtio-serial" },
        { "scsi", "lsilogic", "lsi" },
        { "scsi", "ibmvscsi", "spapr-vscsi" },
        { "scsi", "virtio-scsi", "virtio-scsi" },
        { "scsi", "lsisas1068", "mptsas1068" },
        { "scsi", "lsisas1078", "megasas" },
        { "scsi", "vmpvscsi", "pvscsi" },
        { "scsi", "am53c974", "am53c974" },
        { "scsi", "dc390", "dc-390" },
        { "usb", "piix3-uhci", "piix3-usb-uhci" },
        { "usb", "piix4-uhci", "piix4-usb-uhci" },
        { "usb", "ehci", "usb-ehci" },
        { "usb", "ich9-ehci1", "ich9-usb-ehci1" },
        { "usb", "ich9-uhci1", "ich9-usb-uhci1" },
        { "usb", "ich9-uhci2", "ich9-usb-uhci2" },
        { "usb", "ich9-uhci3", "ich9-usb-uhci3" },
        { "usb", "vt82c686b-uhci", "vt82c686b-usb-uhci" },
        { "usb", "pci-ohci", "pci-ohci" },
        { "usb", "nec-xhci", "nec-usb-xhci" },
        { "usb", "qemu-xhci", "qemu-xhci" },
};

static gint64 target_number(Builder *builder, xmlNode *element, const char *path, uint64_t max) {
        if (!builder_get(builder, element, path)) {
                builder_invalid(builder, element, "<target> lacks what it needs");
                return 0;
        }
        return (gint64) builder_number(builder, element, path, 0, max, 0);
}

static JsonObject *build_pci_controller(Builder *builder, xmlNode *element, const DeviceDefinition *part, const char *driver) {
        xmlNode *target = builder_element(builder, element, "target"), *hole = builder_element(builder, element, "pcihole64");
        const char *name = builder_get(builder, element, "model/@name");
        uint64_t index = builder_number(builder, element, "@index", 0, 255, 0);
        if (!driver && index > 0 && builder->kind->has_bridges)
                driver = HOST_BRIDGE;
        JsonObject *device = driver ? builder_device_new(driver, part) : NULL;
        if (builder->kind->has_bridges && strcmp(part->model, "pci-root") == 0) {
                uint64_t node = builder_number(builder, target, "node", 0, 1023, UINT64_MAX);
                gint64 number = (gint64) builder_number(builder, target, "@index", 0, HOST_BRIDGES_MAX - 1, 0);
                if (device)
                        json_add(device, "index", 'i', number, NULL);
                if (device && node != UINT64_MAX)
                        json_add(device, "numa_node", 'i', (gint64) node, NULL);
        }
        bool expander = g_str_has_suffix(part->model, "expander-bus");
        if (hole)
                builder_add(builder, "-global", "%s-pcihost.pci-hole64-size=%" PRIu64 "K",
                            builder->kind->is_q35 ? "q35" : "i440FX",
                            builder_size(builder, element, "pcihole64", "KiB", 0) / 1024);
        if (g_strcmp0(driver, "pcie-root-port") == 0) {
                if (g_strcmp0(name, "ioh3420") == 0)
                        json_add(device, "driver", 's', "ioh3420", NULL);
                else if (name && strcmp(name, "pcie-root-port") != 0)
                        builder_unsupported(builder, builder_element(builder, element, "model"),
                                            "a root port's model is pcie-root-port or ioh3420");
        }
        if (g_strcmp0(driver, "pcie-root-port") == 0 || g_strcmp0(driver, "xio3130-downstream") == 0) {
                json_add(device, "port", 'i', target_number(builder, element, "target/@port", 255), "chassis", 'i',
                         target_number(builder, element, "target/@chassis", 255), NULL);
                int hotplug = builder_switch(builder, target, "@hotplug");
                if (hotplug >= 0)
                        json_add(device, "hotplug", 'b', hotplug, NULL);
        } else if (g_strcmp0(driver, "pci-bridge") == 0)
                json_add(device, "chassis_nr", 'i', target_number(builder, element, "target/@chassisNr", 255), NULL);
        else if (expander) {
                uint64_t node = builder_number(builder, target, "node", 0, 1023, UINT64_MAX);
                if (strcmp(part->model, "pcie-expander-bus") == 0 && !builder->kind->is_q35)
                        builder_unsupported(builder, element, "pcie-expander-bus needs machine q35");
                if (strcmp(part->model, "pci-expander-bus") == 0 && builder->kind->is_q35)
                        builder_unsupported(builder, element, "pci-expander-bus needs machine pc");
                json_add(device, "bus_nr", 'i', target_number(builder, element, "target/@busNr", 255), NULL);
                if (node != UINT64_MAX)
                        json_add(device, "numa_node", 'i', (gint64) node, NULL);
        }
        if (g_strcmp0(part->model, "pci-root") == 0 && builder->kind->is_x86 && builder_switch(builder, target, "@hotplug") >= 0)
                builder_add(builder, "-global", "PIIX4_PM.acpi-root-pci-hotplug=%s",
                            builder_switch(builder, target, "@hotplug") == 1 ? "on" : "off");
        builder_know(builder, element, "model");
        if (!driver && (builder_element(builder, element, "address")))
                builder_invalid(builder, element, "%s is the machine's own: it has no address", part->model);
        return device;
}

static void build_scsi_controller(Builder *builder, xmlNode *element, JsonObject *device) {
        static const Property properties[] = {
                { "driver/@queues", "num_queues", PROPERTY_NUMBER },
                { "driver/@cmd_per_lun", "cmd_per_lun", PROPERTY_NUMBER },
                { "driver/@max_sectors", "max_sectors", PROPERTY_NUMBER },
                { "driver/@ioeventfd", "ioeventfd", PROPERTY_BOOL },
        };
        builder_copy_properties(builder, element, device, properties, G_N_ELEMENTS(properties));
        json_add(device, "iothread", 's', builder_io_thread(builder, element, "driver/@iothread"), NULL);
}

static JsonObject *build_usb_controller(Builder *builder, xmlNode *element, const DeviceDefinition *part, const char *driver,
                                        uint64_t index) {
        xmlNode *master = builder_element(builder, element, "master");
        gint64 ports = (gint64) builder_number(builder, element, "@ports", 1, 15, 0);
        bool xhci = g_str_has_suffix(driver, "xhci");
        JsonObject *device;
        if (master) {
                xmlNode *owner = builder_controller_at(builder, "usb", index);
                if (!owner)
                        builder_invalid(builder, element,
                                        "there is no USB 2 controller with index %" PRIu64 " to be master of it", index);
                device = json_make("driver", 's', driver, "masterbus", 's',
                                   builder_format(builder, "%s.0",
                                                  owner ? builder_controller_bus(builder, element, "usb", index) : ""),
                                   "firstport", 'i', (gint64) builder_number(builder, master, "@startport", 0, 5, 0), NULL);
        } else {
                if (g_str_has_prefix(driver, "ich9-usb-uhci"))
                        builder_invalid(builder, element, "<master startport='...'/> is missing");
                device = builder_device_new(driver, part);
        }
        if (ports > 0 && !xhci)
                builder_unsupported(builder, element, "only xhci controllers have a number of ports");
        else if (ports > 0)
                json_add(device, "p2", 'i', ports, "p3", 'i', ports, NULL);
        return device;
}

static bool has_floppy(Builder *builder) {
        for_each (builder, disk, builder->root, "devices/disk")
                if (builder_is(builder, disk, "target/@bus", "fdc"))
                        return true;
        return false;
}

void build_controller(Builder *builder, xmlNode *element, const DeviceDefinition *part) {
        const char *type = builder_require(builder, element, "@type"), *model = part->model;
        uint64_t index = builder_number(builder, element, "@index", 0, 255, 0);
        size_t found = 0;
        builder_know(builder, element, "@model");
        if (strcmp(type, "usb") == 0 && strcmp(model, "none") == 0) {
                builder_know_turned_off(builder, element);
                return;
        }
        if (strcmp(type, "virtio-serial") == 0 && check_is_listed(model, VIRTIO_MODELS " virtio"))
                model = "";
        else if (strcmp(type, "scsi") == 0 && check_is_listed(model, VIRTIO_MODELS))
                model = "virtio-scsi";
        while (found < G_N_ELEMENTS(controllers) &&
               (strcmp(type, controllers[found].type) != 0 || strcmp(model, controllers[found].model) != 0))
                found++;
        if (found == G_N_ELEMENTS(controllers)) {
                builder_unsupported(builder, element, "QEMU has no controller of type %.32s and model '%.32s'", type, model);
                return;
        }
        const char *driver = controllers[found].driver;
        JsonObject *device = NULL;
        if (strcmp(type, "pci") == 0)
                device = build_pci_controller(builder, element, part, driver);
        else if (strcmp(type, "usb") == 0)
                device = build_usb_controller(builder, element, part, driver, index);
        else if (strcmp(type, "sata") == 0)
                device = builder->kind->is_q35 && index == 0 ? NULL : builder_device_new(driver, part);
        else if (strcmp(type, "fdc") == 0)
                device = builder->kind->is_q35 && has_floppy(builder) ? json_make("driver", 's', "isa-fdc", NULL) : NULL;
        else if (strcmp(type, "virtio-serial") == 0 || strcmp(model, "virtio-scsi") == 0)
                device = builder_virtio_device_new(builder, element, part, driver);
        else if (driver)
                device = builder_device_new(driver, part);
        if (strcmp(type, "ide") == 0 && index > 0)
                builder_unsupported(builder, element, "QEMU has one IDE controller, with index 0");
        if (strcmp(type, "scsi") == 0)
                build_scsi_controller(builder, element, device);
        if (strcmp(type, "virtio-serial") == 0) {
                static const Property properties[] = {
                        { "@ports", "max_ports", PROPERTY_NUMBER },
                        { "@vectors", "vectors", PROPERTY_NUMBER },
                };
                builder_copy_properties(builder, element, device, properties, G_N_ELEMENTS(properties));
        }
        builder_know(builder, element, "alias");
        if (device && json_string(device, "driver"))
                builder_add_device(builder, element, device);
        else
                builder_know(builder, element, "address"); /* the machine's own are where they are */
}

void build_hub(Builder *builder, xmlNode *element, const DeviceDefinition *part) {
        builder_choose(builder, element, "@type", "usb");
        builder_add_device(builder, element, builder_device_new("usb-hub", part));
}

void build_iommu(Builder *builder, xmlNode *element, const DeviceDefinition *part) {
        const char *model = builder_require(builder, element, "@model");
        if (strcmp(model, "virtio") == 0) {
                if (!machine_kind_is_express(builder->kind))
                        builder_unsupported(builder, element, "a virtio IOMMU needs a machine with PCI Express: q35 or virt");
                builder_add_device(builder, element, builder_device_new("virtio-iommu-pci", part));
                return;
        }
        if (strcmp(model, "smmuv3") == 0 && strcmp(builder->kind->name, "virt") == 0 && builder->kind->has_acpi) {
                builder_know(builder, element, "alias");
                g_string_append(builder->machine, ",iommu=smmuv3");
                return;
        }
        if (strcmp(model, "intel") != 0) {
                builder_unsupported(
                                builder, element,
                                "machine '%.64s' has no IOMMU of model '%.32s': q35 has intel and virtio, virt of Arm has smmuv3",
                                builder->definition->machine, model);
                return;
        }
        static const Property properties[] = {
                { "driver/@intremap", "intremap", PROPERTY_ON_OFF }, { "driver/@caching_mode", "caching-mode", PROPERTY_BOOL },
                { "driver/@eim", "eim", PROPERTY_ON_OFF },           { "driver/@iotlb", "device-iotlb", PROPERTY_BOOL },
                { "driver/@aw_bits", "aw-bits", PROPERTY_NUMBER },
        };
        if (!builder->kind->is_q35)
                builder_unsupported(builder, element, "an Intel IOMMU needs machine q35");
        JsonObject *device = builder_device_new("intel-iommu", part);
        builder_copy_properties(builder, element, device, properties, G_N_ELEMENTS(properties));
        builder_add_device(builder, element, device);
}
