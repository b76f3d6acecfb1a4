/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/command/native-device.h"

#include <string.h>

#include "qemu/command/native-address.h"
#include "qemu/command/native-card.h"
#include "qemu/command/native-character.h"
#include "qemu/command/native-disk.h"
#include "qemu/command/native-display.h"
#include "qemu/command/native-host.h"
#include "qemu/command/native-machine.h"

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
                const char *properties; /* QEMU's name=the document's attribute, of its <driver> with a '/' before it */
        } kinds[] = {
                { "usb-tablet", "input", "type=tablet|bus=usb" },
                { "usb-mouse", "input", "type=mouse|bus=usb" },
                { "usb-kbd", "input", "type=keyboard|bus=usb" },
                { "usb-hub", "hub", "type=usb" },
                { "virtio-tablet", "input", "type=tablet|bus=virtio" },
                { "virtio-keyboard", "input", "type=keyboard|bus=virtio" },
                { "virtio-mouse", "input", "type=mouse|bus=virtio" },
                { "virtio-tablet-pci", "input", "type=tablet|bus=virtio" },
                { "virtio-keyboard-pci", "input", "type=keyboard|bus=virtio" },
                { "virtio-mouse-pci", "input", "type=mouse|bus=virtio" },
                { "virtio-balloon-pci", "memballoon", "model=virtio",
                  "deflate-on-oom=autodeflate|free-page-reporting=freePageReporting" },
                { "virtio-balloon", "memballoon", "model=virtio",
                  "deflate-on-oom=autodeflate|free-page-reporting=freePageReporting" },
                { "i6300esb", "watchdog", "model=i6300esb" },
                { "ib700", "watchdog", "model=ib700" },
                { "AC97", "sound", "model=ac97" },
                { "intel-hda", "sound", "model=ich6" },
                { "ich9-intel-hda", "sound", "model=ich9" },
                { "piix3-usb-uhci", "controller", "type=usb|model=piix3-uhci" },
                { "nec-usb-xhci", "controller", "type=usb|model=nec-xhci" },
                { "qemu-xhci", "controller", "type=usb|model=qemu-xhci" },
                { "usb-ehci", "controller", "type=usb|model=ehci" },
                { "ich9-usb-ehci1", "controller", "type=usb|model=ich9-ehci1" },
                { "ich9-usb-uhci1", "controller", "type=usb|model=ich9-uhci1" },
                { "ich9-usb-uhci2", "controller", "type=usb|model=ich9-uhci2" },
                { "ich9-usb-uhci3", "controller", "type=usb|model=ich9-uhci3" },
                { "pci-ohci", "controller", "type=usb|model=pci-ohci" },
                { "virtio-serial-pci", "controller", "type=virtio-serial", "max_ports=ports|vectors=vectors" },
                { "virtio-serial", "controller", "type=virtio-serial", "max_ports=ports|vectors=vectors" },
                { "virtio-serial-device", "controller", "type=virtio-serial", "max_ports=ports" },
                { "virtio-scsi-pci", "controller", "type=scsi|model=virtio-scsi",
                  "num_queues=/queues|cmd_per_lun=/cmd_per_lun|max_sectors=/max_sectors" },
                { "virtio-scsi", "controller", "type=scsi|model=virtio-scsi",
                  "num_queues=/queues|cmd_per_lun=/cmd_per_lun|max_sectors=/max_sectors" },
                { "lsi53c895a", "controller", "type=scsi|model=lsilogic" },
                { "mptsas1068", "controller", "type=scsi|model=lsisas1068" },
                { "megasas", "controller", "type=scsi|model=lsisas1078" },
                { "pvscsi", "controller", "type=scsi|model=vmpvscsi" },
                { "am53c974", "controller", "type=scsi|model=am53c974" },
                { "dc390", "controller", "type=scsi|model=dc390" },
                { "ES1370", "sound", "model=es1370" },
                { "sb16", "sound", "model=sb16" },
                { "usb-audio", "sound", "model=usb" },
                { "pvpanic", "panic", "model=isa" },
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
                bool is_controller = strcmp(kinds[i].element, "controller") == 0,
                     is_sound = strcmp(kinds[i].element, "sound") == 0;
                if (is_controller)
                        read_controller(reader, device, element, driver, id);
                g_auto(GStrv) properties = g_strsplit(kinds[i].properties ? kinds[i].properties : "", "|", -1);
                for (size_t j = 0; properties[j]; j++) {
                        char *equals = strchr(properties[j], '=');
                        *equals = '\0';
                        if (equals[1] == '/')
                                native_move_below(device, properties[j], element, "driver", equals + 2);
                        else
                                native_move(device, properties[j], element, equals + 1);
                }
                if (is_sound) {
                        native_display_sound_uses(reader, device, element);
                        reader->sound = element;
                }
                if (g_str_has_prefix(driver, "usb-") && !is_controller)
                        native_usb_address(reader, device, element);
                else if (strcmp(kinds[i].element, "panic") != 0)
                        native_pci_address(reader, device, element);
                native_drop(device, "bus ioport iobase");
                return;
        }
        native_fail(reader, VIRTBUS_ERROR_UNSUPPORTED, "-device: the device '%.64s' has no counterpart here", driver);
}

static void read_rng(NativeReader *reader, GHashTable *device, const char *driver) {
        (void) driver;
        g_autofree char *id = native_take(device, "rng");
        NativeBackend *object = native_find_backend(reader, "object", id);
        g_autofree char *type = object ? native_take(object->properties, "qom-type") : NULL,
                        *path = object ? native_take(object->properties, "filename") : NULL;
        xmlNode *rng = xml_add(reader->devices, "rng", NULL);
        native_move_below(device, "max-bytes", rng, "rate", "bytes");
        native_move_below(device, "period", rng, "rate", "period");
        xmlNode *backend = xml_add(rng, "backend", path);
        native_set(rng, "model", "virtio");
        native_set(backend, "model", type && strcmp(type, "rng-random") == 0 ? "random" : "builtin");
        native_pci_address(reader, device, rng);
}

/* A device that has a function of its own, by its driver. */
static const struct {
        const char *driver;
        void (*read)(NativeReader *reader, GHashTable *device, const char *driver);
} special[] = {
        { "virtio-blk-pci", native_disk_device },
        { "virtio-blk", native_disk_device },
        { "virtio-blk-device", native_disk_device },
        { "virtio-blk-ccw", native_disk_device },
        { "ide-hd", native_disk_device },
        { "ide-cd", native_disk_device },
        { "scsi-hd", native_disk_device },
        { "scsi-cd", native_disk_device },
        { "usb-storage", native_disk_device },
        { "isa-serial", native_character_device },
        { "pci-serial", native_character_device },
        { "usb-serial", native_character_device },
        { "virtserialport", native_character_device },
        { "virtconsole", native_character_device },
        { "virtio-rng-pci", read_rng },
        { "virtio-rng", read_rng },
        { "virtio-rng-device", read_rng },
        { "hda-duplex", native_display_codec },
        { "hda-micro", native_display_codec },
        { "hda-output", native_display_codec },
        { "vfio-pci", native_host_pci },
        { "usb-host", native_host_usb },
        { "usb-redir", native_host_redirection },
        { "vhost-user-fs-pci", native_host_folder },
        { "virtio-9p-pci", native_host_folder },
        { "vhost-vsock-pci", native_host_vsock },
        { "tpm-tis", native_host_tpm },
        { "tpm-crb", native_host_tpm },
        { "vmgenid", native_machine_generation },
        { "intel-iommu", native_machine_iommu },
};

static void read_device(NativeReader *reader, GHashTable *device) {
        static const char *const videos[][2] = {
                { "VGA", "vga" },           { "cirrus-vga", "cirrus" }, { "qxl-vga", "qxl" },
                { "qxl", "qxl" },           { "virtio-vga", "virtio" }, { "virtio-gpu-pci", "virtio" },
                { "virtio-gpu", "virtio" }, { "vmware-svga", "vmvga" }, { "bochs-display", "bochs" },
                { "ramfb", "ramfb" }
        };
        g_autofree char *driver = native_take(device, "driver"), *id = native_take(device, "id");
        size_t kind = 0;
        while (driver && kind < G_N_ELEMENTS(special) && strcmp(special[kind].driver, driver) != 0)
                kind++;
        for (size_t i = 0; driver && i < G_N_ELEMENTS(videos); i++)
                if (strcmp(driver, videos[i][0]) == 0) {
                        native_display_video(reader, device, driver, videos[i][1]);
                        native_check_empty(reader, device, driver);
                        return;
                }
        if (!driver)
                native_fail(reader, VIRTBUS_ERROR_INVALID_ARGUMENT, "-device: its driver is missing");
        else if (kind < G_N_ELEMENTS(special))
                special[kind].read(reader, device, driver);
        else if (native_card_model(driver))
                native_card_device(reader, device, driver);
        else
                read_simple_device(reader, device, driver, id);
        native_check_empty(reader, device, driver ? driver : "-device");
}

void native_device_option(NativeReader *reader, const char *text) {
        g_autoptr(GHashTable) device = native_parse(reader, text, "driver");
        read_device(reader, device);
}

/* -soundhw, -usbdevice, -watchdog: what they say is a device. */
static void read_as_device(NativeReader *reader, const char *driver) {
        g_autoptr(GHashTable) device = native_parse(reader, driver, "driver");
        read_device(reader, device);
}

void native_device_sound(NativeReader *reader, const char *text) {
        static const char *const drivers[][2] = {
                { "hda", "intel-hda" }, { "ac97", "AC97" }, { "es1370", "ES1370" }, { "sb16", "sb16" }
        };
        for (size_t i = 0; i < G_N_ELEMENTS(drivers); i++)
                if (strcmp(text, drivers[i][0]) == 0) {
                        read_as_device(reader, drivers[i][1]);
                        return;
                }
        native_fail(reader, VIRTBUS_ERROR_UNSUPPORTED, "-soundhw: '%.32s' has no counterpart here", text);
}

void native_device_usb(NativeReader *reader, const char *text) {
        g_autofree char *driver = g_strdup_printf("usb-%s", strcmp(text, "keyboard") == 0 ? "kbd" : text);
        if (strcmp(text, "tablet") == 0 || strcmp(text, "mouse") == 0 || strcmp(text, "keyboard") == 0)
                read_as_device(reader, driver);
        else
                native_fail(reader, VIRTBUS_ERROR_UNSUPPORTED, "-usbdevice: '%.32s' has no counterpart here", text);
}
