/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/complete/pci-kind.h"

#include <string.h>

static const PciModel models[] = {
        { "pci-root", 0, PCI_HOTPLUG | PCI_CONVENTIONAL | PCI_BRIDGE | PCI_EXPANDER, 1, 31 },
        { "pcie-root", 0, PCI_EXPRESS | PCI_ROOT_PORT | PCI_DMI_BRIDGE | PCI_EXPRESS_EXPANDER, 1, 31 },
        { "pci-bridge", PCI_BRIDGE, PCI_HOTPLUG | PCI_CONVENTIONAL | PCI_BRIDGE, 1, 31 },
        { "dmi-to-pci-bridge", PCI_DMI_BRIDGE, PCI_CONVENTIONAL | PCI_BRIDGE, 0, 31 },
        { "pcie-to-pci-bridge", PCI_EXPRESS_BRIDGE, PCI_HOTPLUG | PCI_CONVENTIONAL | PCI_BRIDGE, 1, 31 },
        { "pcie-root-port", PCI_ROOT_PORT | PCI_AGGREGATE,
          PCI_HOTPLUG | PCI_EXPRESS | PCI_UPSTREAM_PORT | PCI_EXPRESS_BRIDGE | PCI_DMI_BRIDGE, 0, 0 },
        { "pcie-switch-upstream-port", PCI_UPSTREAM_PORT, PCI_DOWNSTREAM_PORT, 0, 31 },
        { "pcie-switch-downstream-port", PCI_DOWNSTREAM_PORT, PCI_HOTPLUG | PCI_EXPRESS | PCI_UPSTREAM_PORT | PCI_EXPRESS_BRIDGE,
          0, 0 },
        { "pci-expander-bus", PCI_EXPANDER, PCI_HOTPLUG | PCI_CONVENTIONAL | PCI_BRIDGE, 0, 31 },
        { "pcie-expander-bus", PCI_EXPRESS_EXPANDER, PCI_ROOT_PORT | PCI_DMI_BRIDGE | PCI_EXPRESS, 0, 31 },
};

const PciModel *pci_model_find(const char *name) {
        for (size_t i = 0; name && i < G_N_ELEMENTS(models); i++)
                if (strcmp(name, models[i].name) == 0)
                        return models + i;
        return NULL;
}

bool pci_is_controller(const xmlNode *element) {
        return xml_is(element, "controller") && xml_attribute_is(element, "type", "pci");
}

/* virtio is PCI Express where there is such, but for the model that stands for both of its standards. */
static unsigned virtio_kind(bool q35, const xmlNode *element) {
        g_autofree char *model = xml_attribute(element, "model"),
                        *inner = model ? NULL : xml_attribute(xml_child(element, "model"), "type");
        const char *name = model ? model : inner;
        bool both = name && g_str_has_suffix(name, "-transitional") && !g_str_has_suffix(name, "non-transitional");
        return (q35 && !both ? PCI_EXPRESS : PCI_CONVENTIONAL) | PCI_HOTPLUG;
}

static unsigned controller_kind(bool q35, const xmlNode *element) {
        g_autofree char *type = xml_attribute(element, "type"), *model = xml_attribute(element, "model");
        unsigned express = (q35 ? PCI_EXPRESS : PCI_CONVENTIONAL) | PCI_HOTPLUG;
        if (!type)
                return 0;
        if (strcmp(type, "pci") == 0)
                return pci_model_find(model) ? pci_model_find(model)->is : 0;
        if (strcmp(type, "usb") == 0)
                return model && strcmp(model, "none") == 0        ? 0
                       : model && g_str_has_suffix(model, "xhci") ? express
                                                                  : PCI_CONVENTIONAL | PCI_HOTPLUG;
        if (strcmp(type, "scsi") == 0)
                return model && g_str_has_prefix(model, "virtio") ? virtio_kind(q35, element) : PCI_CONVENTIONAL | PCI_HOTPLUG;
        if (strcmp(type, "virtio-serial") == 0)
                return virtio_kind(q35, element);
        if (strcmp(type, "sata") == 0)
                return PCI_CONVENTIONAL | PCI_HOTPLUG;
        return 0;
}

static unsigned interface_kind(bool q35, const xmlNode *element) {
        /* Models that libvirt knows to be conventional; what it does not know, it plugs into a port. */
        static const char *const conventional[] = { "rtl8139", "e1000",   "netfront", "spapr-vlan", "lan9118",   "scm91c111",
                                                    "vlance",  "vmxnet",  "vmxnet2",  "vmxnet3",    "Am79C970A", "Am79C973",
                                                    "82540EM", "82545EM", "82543GC",  NULL };
        g_autofree char *model = xml_attribute(xml_child(element, "model"), "type");
        if (xml_attribute_is(element, "type", "hostdev"))
                return 0; /* placed with the host's devices */
        if (model && g_str_has_prefix(model, "virtio"))
                return virtio_kind(q35, element);
        if (model && (strcmp(model, "ne2k_isa") == 0 || strcmp(model, "usb-net") == 0))
                return 0;
        return (q35 && model && !g_strv_contains(conventional, model) ? PCI_EXPRESS : PCI_CONVENTIONAL) | PCI_HOTPLUG;
}

unsigned pci_kind(bool q35, const xmlNode *element) {
        unsigned express = (q35 ? PCI_EXPRESS : PCI_CONVENTIONAL) | PCI_HOTPLUG;
        g_autofree char *model = xml_attribute(element, "model");
        const char *name = (const char *) element->name;
        if (strcmp(name, "controller") == 0)
                return controller_kind(q35, element);
        if (strcmp(name, "interface") == 0)
                return interface_kind(q35, element);
        if (strcmp(name, "disk") == 0)
                return xml_attribute_is(xml_child(element, "target"), "bus", "virtio") ? virtio_kind(q35, element) : 0;
        if (strcmp(name, "filesystem") == 0 || strcmp(name, "rng") == 0 || strcmp(name, "vsock") == 0 ||
            strcmp(name, "crypto") == 0)
                return virtio_kind(q35, element);
        if (strcmp(name, "memballoon") == 0)
                return model && strcmp(model, "none") == 0 ? 0 : virtio_kind(q35, element);
        if (strcmp(name, "sound") == 0)
                return model && (strcmp(model, "sb16") == 0 || strcmp(model, "pcspk") == 0 || strcmp(model, "usb") == 0)
                                       ? 0
                                       : PCI_CONVENTIONAL | PCI_HOTPLUG;
        if (strcmp(name, "video") == 0) {
                xmlNode *video = xml_child(element, "model");
                if (xml_attribute_is(video, "type", "none") || xml_attribute_is(video, "type", "ramfb"))
                        return 0;
                g_autofree char *type = xml_attribute(video, "type");
                return type && g_str_has_prefix(type, "virtio") ? virtio_kind(q35, element)
                       : type && strcmp(type, "bochs") == 0     ? express
                                                                : PCI_CONVENTIONAL | PCI_HOTPLUG;
        }
        if (strcmp(name, "input") == 0)
                return xml_attribute_is(element, "bus", "virtio") ? virtio_kind(q35, element) : 0;
        if (strcmp(name, "watchdog") == 0)
                return model && strcmp(model, "i6300esb") == 0 ? PCI_CONVENTIONAL | PCI_HOTPLUG : 0;
        if (strcmp(name, "shmem") == 0)
                return PCI_CONVENTIONAL | PCI_HOTPLUG;
        if (strcmp(name, "panic") == 0)
                return model && strcmp(model, "pvpanic") == 0 ? PCI_CONVENTIONAL | PCI_HOTPLUG : 0;
        if (strcmp(name, "iommu") == 0)
                return q35 && model && strcmp(model, "virtio") == 0 ? PCI_EXPRESS : 0;
        if (strcmp(name, "memory") == 0)
                return model && g_str_has_prefix(model, "virtio-") ? express : 0;
        if (strcmp(name, "serial") == 0)
                return xml_attribute_is(xml_child(element, "target"), "type", "pci-serial") ? PCI_CONVENTIONAL | PCI_HOTPLUG : 0;
        if (strcmp(name, "hostdev") == 0) {
                if (xml_attribute_is(element, "type", "scsi_host"))
                        return virtio_kind(q35, element);
                return xml_attribute_is(element, "type", "pci") || xml_attribute_is(element, "type", "mdev") ? express : 0;
        }
        return 0;
}
