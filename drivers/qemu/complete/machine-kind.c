/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/complete/machine-kind.h"

#include <stdio.h>
#include <string.h>

#define X86 "x86_64 i686"
#define ARM "aarch64 armv7l armv6l"
#define RISCV "riscv64 riscv32"

/* The first row that fits; the first of an architecture is the usual one. */
static const MachineKind kinds[] = {
        { .architectures = X86,
          .name = "q35",
          .root = "pcie-root",
          .usb = "qemu-xhci",
          .usb_model = "piix3-uhci",
          .serial = "isa-serial",
          .video = "cirrus",
          .card = "rtl8139",
          .memory = "pc.ram",
          .processor = "qemu64",
          .scsi = "lsilogic",
          .is_x86 = true,
          .takes_devices = true,
          .is_q35 = true,
          .has_balloon = true,
          .has_acpi = true },
        { .architectures = X86,
          .name = "",
          .root = "pci-root",
          .usb = "piix3-uhci",
          .usb_model = "piix3-uhci",
          .serial = "isa-serial",
          .video = "cirrus",
          .card = "rtl8139",
          .memory = "pc.ram",
          .processor = "qemu64",
          .scsi = "lsilogic",
          .is_x86 = true,
          .takes_devices = true,
          .has_balloon = true,
          .has_acpi = true },
        { .architectures = ARM,
          .name = "virt",
          .takes_devices = true,
          .root = "pcie-root",
          .usb_model = "qemu-xhci",
          .serial = "system-serial",
          .video = "virtio",
          .card = "virtio",
          .memory = "mach-virt.ram",
          .processor = "cortex-a15",
          .scsi = "lsilogic",
          .has_acpi = true },
        { .architectures = ARM,
          .name = "versatilepb",
          .root = "pci-root",
          .usb_model = "pci-ohci",
          .video = "vga",
          .card = "smc91c111",
          .scsi = "lsilogic" },
        { .architectures = ARM,
          .name = "",
          .usb_model = "pci-ohci",
          .video = "vga",
          .card = "lan9118",
          .scsi = "virtio-scsi",
          .virtio = VIRTIO_ON_MMIO },
        { .architectures = RISCV,
          .name = "virt",
          .takes_devices = true,
          .root = "pcie-root",
          .usb_model = "qemu-xhci",
          .serial = "system-serial",
          .video = "virtio",
          .card = "virtio",
          .memory = "riscv_virt_board.ram",
          .scsi = "lsilogic",
          .has_balloon = true },
        { .architectures = "ppc64 ppc64le",
          .name = "pseries",
          .root = "pci-root",
          .usb = "qemu-xhci",
          .usb_model = "qemu-xhci",
          .serial = "spapr-vio-serial",
          .video = "vga",
          .card = "rtl8139",
          .memory = "ppc_spapr.ram",
          .processor = "POWER9",
          .scsi = "ibmvscsi",
          .panic = "pseries",
          .memory_unit = 256,
          .has_bridges = true,
          .takes_devices = true,
          .has_balloon = true,
          .has_usb_keys = true },
        { .architectures = "ppc64 ppc64le ppc",
          .name = "",
          .root = "pci-root",
          .usb = "piix3-uhci",
          .usb_model = "piix3-uhci",
          .video = "vga",
          .card = "rtl8139",
          .scsi = "lsilogic",
          .has_balloon = true },
        { .architectures = "s390x",
          .name = "s390-ccw",
          .takes_devices = true,
          .root = "pci-root",
          .usb_model = "none",
          .serial = "sclp-serial",
          .video = "virtio",
          .card = "virtio",
          .memory = "s390.ram",
          .processor = "qemu",
          .scsi = "virtio-scsi",
          .panic = "s390",
          .virtio = VIRTIO_ON_CCW,
          .has_balloon = true },
};

static bool is_word(const char *words, const char *word) {
        size_t length = strlen(word);
        for (const char *at = strstr(words, word); at && length > 0; at = strstr(at + 1, word))
                if ((at == words || at[-1] == ' ') && (at[length] == ' ' || !at[length]))
                        return true;
        return false;
}

/* "virt" and "virt-7.2" are one kind; a Q35 is known by what its name contains. */
static bool is_named(const MachineKind *kind, const char *machine) {
        size_t length = strlen(kind->name);
        return kind->is_q35 ? strstr(machine, kind->name) != NULL
                            : length == 0 || (strncmp(machine, kind->name, length) == 0 &&
                                              (!machine[length] || machine[length] == '-'));
}

const MachineKind *machine_kind(const char *architecture, const char *machine) {
        for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++)
                if (is_word(kinds[i].architectures, architecture) && is_named(kinds + i, machine))
                        return kinds + i;
        return NULL;
}

const MachineKind *machine_kind_of(const xmlNode *root) {
        const xmlNode *type = xml_find(root, "os/type");
        g_autofree char *architecture = xml_attribute(type, "arch"), *machine = xml_attribute(type, "machine");
        if (!architecture || !*architecture) {
                g_free(architecture);
                architecture = g_strdup("x86_64");
        }
        return machine_kind(architecture, machine && *machine ? machine : machine_kind_usual(architecture));
}

const char *machine_kind_usual(const char *architecture) {
        static const char *const usual[][2] = { { ARM, "virt" },
                                                { RISCV, "virt" },
                                                { "ppc64 ppc64le", "pseries" },
                                                { "ppc", "g3beige" },
                                                { "s390x", "s390-ccw-virtio" } };
        for (size_t i = 0; i < G_N_ELEMENTS(usual); i++)
                if (is_word(usual[i][0], architecture))
                        return usual[i][1];
        return "pc";
}

bool machine_kind_check(const xmlNode *root, GError **error) {
        static const char known[] = X86 " " ARM " " RISCV " ppc64 ppc64le ppc s390x";
        const xmlNode *type = xml_find(root, "os/type");
        g_autofree char *architecture = xml_attribute(type, "arch");
        return !architecture || !*architecture || is_word(known, architecture) ||
               xml_fail(error, VIRTBUS_ERROR_UNSUPPORTED, type,
                        "the QEMU driver runs guests of the architectures %s, not of %.32s", known, architecture);
}

const char *machine_kind_processor(const MachineKind *kind, const char *machine) {
        static const struct {
                unsigned version; /* major * 100 + minor: the last that has it */
                const char *processor;
        } older[] = { { 207, "POWER7" }, { 301, "POWER8" } };
        unsigned major, minor;
        bool is_old = kind->has_bridges && sscanf(machine + strlen(kind->name), "-%2u.%2u", &major, &minor) == 2;
        for (size_t i = 0; is_old && i < G_N_ELEMENTS(older); i++)
                if (major * 100 + minor <= older[i].version)
                        return older[i].processor;
        return kind->processor;
}

bool machine_kind_is_express(const MachineKind *kind) {
        return g_strcmp0(kind->root, "pcie-root") == 0;
}
