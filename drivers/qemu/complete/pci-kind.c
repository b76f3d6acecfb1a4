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
static unsigned virtio_kind(bool is_express, const xmlNode *element) {
        g_autofree char *model = xml_attribute(element, "model"),
                        *inner = model ? NULL : xml_attribute(xml_child(element, "model"), "type");
        const char *name = model ? model : inner;
        bool both = name && g_str_has_suffix(name, "-transitional") && !g_str_has_suffix(name, "non-transitional");
        return (is_express && !both ? PCI_EXPRESS : PCI_CONVENTIONAL) | PCI_HOTPLUG;
}

static unsigned controller_kind(bool is_express, const xmlNode *element) {
        g_autofree char *type = xml_attribute(element, "type"), *model = xml_attribute(element, "model");
        unsigned any = (is_express ? PCI_EXPRESS : PCI_CONVENTIONAL) | PCI_HOTPLUG;
        if (!type)
                return 0;
        if (strcmp(type, "pci") == 0)
                return pci_model_find(model) ? pci_model_find(model)->is : 0;
        if (strcmp(type, "usb") == 0)
                return model && strcmp(model, "none") == 0        ? 0
                       : model && g_str_has_suffix(model, "xhci") ? any
                                                                  : PCI_CONVENTIONAL | PCI_HOTPLUG;
        if (strcmp(type, "scsi") == 0)
                return model && g_str_has_prefix(model, "virtio") ? virtio_kind(is_express, element)
                                                                  : PCI_CONVENTIONAL | PCI_HOTPLUG;
        if (strcmp(type, "virtio-serial") == 0)
                return virtio_kind(is_express, element);
        if (strcmp(type, "sata") == 0)
                return PCI_CONVENTIONAL | PCI_HOTPLUG;
        return 0;
}

static unsigned interface_kind(bool is_express, const xmlNode *element) {
        /* Models that libvirt knows to be conventional; what it does not know, it plugs into a port. */
        static const char *const conventional[] = { "rtl8139", "e1000",   "netfront", "spapr-vlan", "lan9118",   "scm91c111",
                                                    "vlance",  "vmxnet",  "vmxnet2",  "vmxnet3",    "Am79C970A", "Am79C973",
                                                    "82540EM", "82545EM", "82543GC",  NULL };
        g_autofree char *model = xml_attribute(xml_child(element, "model"), "type");
        if (xml_attribute_is(element, "type", "hostdev"))
                return 0; /* placed with the host's devices */
        if (model && g_str_has_prefix(model, "virtio"))
                return virtio_kind(is_express, element);
        if (model && (strcmp(model, "ne2k_isa") == 0 || strcmp(model, "usb-net") == 0))
                return 0;
        return (is_express && model && !g_strv_contains(conventional, model) ? PCI_EXPRESS : PCI_CONVENTIONAL) | PCI_HOTPLUG;
}

/* What the other devices are: the first row of an element's name that fits. */
typedef enum Answer { NOT_PCI, VIRTIO, EXPRESS, CONVENTIONAL, ONLY_EXPRESS } Answer;

static const struct {
        const char *name;
        const char *child, *attribute, *value; /* of the element, or of its child; "...*" is a beginning; NULL fits all */
        Answer answer;
} rows[] = {
        { "crypto", NULL, NULL, NULL, VIRTIO },
        { "disk", "target", "bus", "virtio", VIRTIO },
        { "filesystem", NULL, NULL, NULL, VIRTIO },
        { "hostdev", NULL, "type", "scsi_host", VIRTIO },
        { "hostdev", NULL, "type", "pci", EXPRESS },
        { "hostdev", NULL, "type", "mdev", EXPRESS },
        { "input", NULL, "bus", "virtio", VIRTIO },
        { "iommu", NULL, "model", "virtio", ONLY_EXPRESS },
        { "memballoon", NULL, "model", "none", NOT_PCI },
        { "memballoon", NULL, NULL, NULL, VIRTIO },
        { "memory", NULL, "model", "virtio-*", EXPRESS },
        { "panic", NULL, "model", "pvpanic", CONVENTIONAL },
        { "rng", NULL, NULL, NULL, VIRTIO },
        { "serial", "target", "type", "pci-serial", CONVENTIONAL },
        { "shmem", NULL, NULL, NULL, CONVENTIONAL },
        { "sound", NULL, "model", "pcspk", NOT_PCI },
        { "sound", NULL, "model", "sb16", NOT_PCI },
        { "sound", NULL, "model", "usb", NOT_PCI },
        { "sound", NULL, NULL, NULL, CONVENTIONAL },
        { "video", "model", "type", "none", NOT_PCI },
        { "video", "model", "type", "ramfb", NOT_PCI },
        { "video", "model", "type", "virtio*", VIRTIO },
        { "video", "model", "type", "bochs", EXPRESS },
        { "video", NULL, NULL, NULL, CONVENTIONAL },
        { "vsock", NULL, NULL, NULL, VIRTIO },
        { "watchdog", NULL, "model", "i6300esb", CONVENTIONAL },
};

static bool fits(const xmlNode *element, const char *attribute, const char *value) {
        g_autofree char *text = xml_attribute(element, attribute);
        return text && (g_str_has_suffix(value, "*") ? strncmp(text, value, strlen(value) - 1) == 0 : strcmp(text, value) == 0);
}

static Answer find_answer(const xmlNode *element) {
        for (size_t i = 0; i < G_N_ELEMENTS(rows); i++)
                if (xml_is(element, rows[i].name) &&
                    (!rows[i].value ||
                     fits(rows[i].child ? xml_child(element, rows[i].child) : element, rows[i].attribute, rows[i].value)))
                        return rows[i].answer;
        return NOT_PCI;
}

unsigned pci_kind(const MachineKind *machine, const xmlNode *element) {
        bool express = machine_kind_is_express(machine);
        const unsigned kinds[] = {
                [EXPRESS] = (express ? PCI_EXPRESS : PCI_CONVENTIONAL) | PCI_HOTPLUG,
                [CONVENTIONAL] = PCI_CONVENTIONAL | PCI_HOTPLUG,
                [ONLY_EXPRESS] = express ? PCI_EXPRESS : 0,
        };
        if (xml_is(element, "controller"))
                return controller_kind(express, element);
        if (xml_is(element, "interface"))
                return interface_kind(express, element);
        Answer answer = find_answer(element);
        return answer == VIRTIO ? virtio_kind(express, element) : kinds[answer];
}

bool pci_is_virtio(const xmlNode *element) {
        g_autofree char *model = xml_attribute(element, "model"), *card = xml_attribute(xml_child(element, "model"), "type");
        if (xml_is(element, "controller"))
                return xml_attribute_is(element, "type", "virtio-serial") ||
                       (xml_attribute_is(element, "type", "scsi") && model && g_str_has_prefix(model, "virtio"));
        if (xml_is(element, "interface"))
                return !xml_attribute_is(element, "type", "hostdev") && card && g_str_has_prefix(card, "virtio");
        return find_answer(element) == VIRTIO;
}
