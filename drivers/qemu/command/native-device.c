/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/command/native-device.h"

#include <string.h>

#include "qemu/command/native-address.h"
#include "qemu/command/native-card.h"
#include "qemu/command/native-character.h"
#include "qemu/command/native-disk.h"
#include "qemu/command/native-display.h"

/* Other devices */

static void read_controller(NativeReader *reader, GHashTable *device, xmlNode *element, const char *driver, const char *id) {
        static const char *const targets[][2] = {
                { "chassis", "chassis" }, { "chassis_nr", "chassisNr" }, { "port", "port" }, { "hotplug", "hotplug" }
        };
        g_autofree char *type = xml_attribute(element, "type");
        xml_set_number(element, "index", native_keep_controller(reader, type, id));
        if (strcmp(driver, "ioh3420") == 0)
                native_set(xml_add(element, "model", NULL), "name", driver);
        for (size_t i = 0; strcmp(type, "pci") == 0 && i < G_N_ELEMENTS(targets); i++) {
                g_autofree char *value = native_take(device, targets[i][0]);
                if (value)
                        native_set(xml_ensure_child(element, "target"), targets[i][1], value);
        }
}

static void read_simple_device(NativeReader *reader, GHashTable *device, const char *driver, const char *id) {
        static const struct {
                const char *driver, *element, *attributes; /* name=value, '|' between */
        } kinds[] = {
                { "usb-tablet", "input", "type=tablet|bus=usb" },
                { "usb-mouse", "input", "type=mouse|bus=usb" },
                { "usb-kbd", "input", "type=keyboard|bus=usb" },
                { "usb-hub", "hub", "type=usb" },
                { "virtio-tablet-pci", "input", "type=tablet|bus=virtio" },
                { "virtio-keyboard-pci", "input", "type=keyboard|bus=virtio" },
                { "virtio-mouse-pci", "input", "type=mouse|bus=virtio" },
                { "virtio-balloon-pci", "memballoon", "model=virtio" },
                { "virtio-balloon", "memballoon", "model=virtio" },
                { "i6300esb", "watchdog", "model=i6300esb" },
                { "ib700", "watchdog", "model=ib700" },
                { "AC97", "sound", "model=ac97" },
                { "intel-hda", "sound", "model=ich6" },
                { "ich9-intel-hda", "sound", "model=ich9" },
                { "piix3-usb-uhci", "controller", "type=usb|model=piix3-uhci" },
                { "nec-usb-xhci", "controller", "type=usb|model=nec-xhci" },
                { "qemu-xhci", "controller", "type=usb|model=qemu-xhci" },
                { "usb-ehci", "controller", "type=usb|model=ehci" },
                { "virtio-serial-pci", "controller", "type=virtio-serial" },
                { "virtio-scsi-pci", "controller", "type=scsi|model=virtio-scsi" },
                { "ich9-ahci", "controller", "type=sata" },
                { "ahci", "controller", "type=sata" },
                { "lsi", "controller", "type=scsi|model=lsilogic" },
                { "pcie-root-port", "controller", "type=pci|model=pcie-root-port" },
                { "ioh3420", "controller", "type=pci|model=pcie-root-port" },
                { "pci-bridge", "controller", "type=pci|model=pci-bridge" },
                { "i82801b11-bridge", "controller", "type=pci|model=dmi-to-pci-bridge" },
                { "pcie-pci-bridge", "controller", "type=pci|model=pcie-to-pci-bridge" },
                { "x3130-upstream", "controller", "type=pci|model=pcie-switch-upstream-port" },
                { "xio3130-downstream", "controller", "type=pci|model=pcie-switch-downstream-port" },
        };
        for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++) {
                if (strcmp(driver, kinds[i].driver) != 0)
                        continue;
                xmlNode *element = xml_add(reader->devices, kinds[i].element, NULL);
                g_auto(GStrv) attributes = g_strsplit(kinds[i].attributes, "|", -1);
                for (size_t j = 0; attributes[j]; j++) {
                        char *equals = strchr(attributes[j], '=');
                        *equals = '\0';
                        native_set(element, attributes[j], equals + 1);
                }
                bool is_controller = strcmp(kinds[i].element, "controller") == 0;
                if (is_controller)
                        read_controller(reader, device, element, driver, id);
                if (g_str_has_prefix(driver, "usb-") && !is_controller)
                        native_usb_address(reader, device, element);
                else
                        native_pci_address(reader, device, element);
                native_drop(device, "audiodev bus");
                return;
        }
        native_fail(reader, VIRTBUS_ERROR_UNSUPPORTED, "-device: the device '%.64s' has no counterpart here", driver);
}

static void read_rng(NativeReader *reader, GHashTable *device) {
        g_autofree char *id = native_take(device, "rng");
        NativeBackend *object = native_find_backend(reader, "object", id);
        g_autofree char *type = object ? native_take(object->properties, "qom-type") : NULL,
                        *path = object ? native_take(object->properties, "filename") : NULL;
        xmlNode *rng = xml_add(reader->devices, "rng", NULL), *backend = xml_add(rng, "backend", path);
        native_set(rng, "model", "virtio");
        native_set(backend, "model", type && strcmp(type, "rng-random") == 0 ? "random" : "builtin");
        native_pci_address(reader, device, rng);
}

static void read_device(NativeReader *reader, GHashTable *device) {
        static const char *const disks[] = { "virtio-blk-pci", "virtio-blk", "ide-hd",      "ide-cd",
                                             "scsi-hd",        "scsi-cd",    "usb-storage", NULL };
        static const char *const characters[] = { "isa-serial", "virtserialport", "virtconsole", NULL };
        static const char *const videos[][2] = { { "VGA", "vga" },           { "cirrus-vga", "cirrus" },
                                                 { "qxl-vga", "qxl" },       { "virtio-vga", "virtio" },
                                                 { "vmware-svga", "vmvga" }, { "bochs-display", "bochs" } };
        g_autofree char *driver = native_take(device, "driver"), *id = native_take(device, "id");
        for (size_t i = 0; driver && i < G_N_ELEMENTS(videos); i++)
                if (strcmp(driver, videos[i][0]) == 0) {
                        native_display_video(reader, device, driver, videos[i][1]);
                        native_check_empty(reader, device, driver);
                        return;
                }
        if (!driver)
                native_fail(reader, VIRTBUS_ERROR_INVALID_ARGUMENT, "-device: its driver is missing");
        else if (g_strv_contains(disks, driver))
                native_disk_device(reader, device, driver);
        else if (native_card_model(driver))
                native_card_device(reader, device, driver);
        else if (g_strv_contains(characters, driver))
                native_character_device(reader, device, driver);
        else if (strcmp(driver, "virtio-rng-pci") == 0)
                read_rng(reader, device);
        else if (!g_str_has_prefix(driver, "hda-")) /* which its card has by itself */
                read_simple_device(reader, device, driver, id);
        else
                g_hash_table_remove_all(device);
        native_check_empty(reader, device, driver ? driver : "-device");
}

void native_device_option(NativeReader *reader, const char *text) {
        g_autoptr(GHashTable) device = native_parse(reader, text, "driver");
        read_device(reader, device);
}
