/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/monitor/capabilities-xml.h"

#include <string.h>
#include <sys/utsname.h>
#include <systemd/sd-id128.h>

#include "base/host-topology.h"
#include "base/xml.h"

static void set_yes(xmlNode *element, const char *name, bool yes) {
        xml_set_attribute(element, name, yes ? "yes" : "no");
}

/* Where QEMU calls it otherwise. */
const char *capabilities_xml_architecture(const Capabilities *capabilities) {
        const char *target = json_string(capabilities_data(capabilities), "target");
        return g_strcmp0(target, "i386") == 0 ? "i686" : g_strcmp0(target, "arm") == 0 ? "armv7l" : target;
}

static bool is_32_bit(const Capabilities *capabilities) {
        static const char *const names[] = { "i686", "armv7l", "ppc", "riscv32", NULL };
        return g_strv_contains(names, capabilities_xml_architecture(capabilities));
}

/* The machine that a guest has where its document names none. */
static bool is_usual(JsonObject *machine) {
        static const char *const aliases[] = { "pc", "virt", "pseries", "s390-ccw-virtio", NULL };
        const char *alias = json_string(machine, "alias");
        return alias && g_strv_contains(aliases, alias);
}

static void add_machine(xmlNode *arch, JsonObject *machine) {
        const char *names[] = { json_string(machine, "name"), json_string(machine, "alias") };
        for (size_t which = 0; which < G_N_ELEMENTS(names) && names[0] && strcmp(names[0], "none") != 0; which++) {
                if (!names[which])
                        continue;
                xmlNode *element = xml_add(arch, "machine", names[which]);
                if (which == 1)
                        xml_set_attribute(element, "canonical", names[0]);
                xml_set_number(element, "maxCpus", json_int(machine, "cpu-max", 1));
        }
}

/* The usual machine comes first: virt-install takes the first one. */
static void add_guest(xmlNode *root, const Capabilities *capabilities, const char *emulator) {
        xmlNode *guest = xml_add(root, "guest", NULL), *arch;
        JsonArray *machines = json_array(capabilities_data(capabilities), "machines");
        xml_add(guest, "os_type", "hvm");
        arch = xml_add(guest, "arch", NULL);
        xml_set_attribute(arch, "name", capabilities_xml_architecture(capabilities));
        xml_add(arch, "wordsize", is_32_bit(capabilities) ? "32" : "64");
        xml_add(arch, "emulator", emulator);
        for (int others = 0; others <= 1; others++)
                for (guint i = 0; i < json_array_get_length(machines); i++)
                        if (is_usual(json_object_at(machines, i)) != others)
                                add_machine(arch, json_object_at(machines, i));
        xml_set_attribute(xml_add(arch, "domain", NULL), "type", "qemu");
        if (capabilities_has_kvm(capabilities))
                xml_set_attribute(xml_add(arch, "domain", NULL), "type", "kvm");
        xmlNode *features = xml_add(guest, "features", NULL), *acpi = xml_add(features, "acpi", NULL);
        xml_set_attribute(acpi, "default", "on");
        xml_set_attribute(acpi, "toggle", "yes");
        xml_add(features, "pae", NULL);
}

/* SMBIOS' UUID is for root alone; systemd's machine ID stands for it. */
static void add_host(xmlNode *root, const CpuModels *models, const CpuHost *host_cpu) {
        xmlNode *host = xml_add(root, "host", NULL), *cpu;
        struct utsname system;
        sd_id128_t id;
        if (sd_id128_get_machine_app_specific(SD_ID128_MAKE(0b, 5e, 7d, 1c, 6c, 3f, 4e, 0a, 9d, 21, 55, 0f, 3a, 77, 42, e8),
                                              &id) >= 0)
                xml_add(host, "uuid", SD_ID128_TO_UUID_STRING(id));
        cpu = xml_add(host, "cpu", NULL);
        if (uname(&system) == 0)
                xml_add(cpu, "arch", system.machine);
        if (host_cpu)
                cpu_document_write_host(models, host_cpu, cpu);
        host_topology_add_processors(cpu);
        host_topology_add_nodes(host);
}

char *capabilities_host_xml(CapabilitiesCache *cache, const char *const *emulators, const CpuModels *models,
                            const CpuHost *host) {
        g_autoptr(xmlDoc) document = xmlNewDoc((const xmlChar *) "1.0");
        xmlNode *root = xmlNewDocNode(document, NULL, (const xmlChar *) "capabilities", NULL);
        xmlDocSetRootElement(document, root);
        add_host(root, models, host);
        for (const char *const *emulator = emulators; *emulator; emulator++) {
                const Capabilities *capabilities = capabilities_find(cache, *emulator);
                if (capabilities)
                        add_guest(root, capabilities, *emulator);
        }
        return xml_document_text(document);
}

/* One value of an enumeration, where QEMU has the device that it needs. */
typedef struct Choice {
        const char *value, *device; /* NULL: always there */
        unsigned program;           /* InstalledProgram: only where it is there */
} Choice;

typedef struct Enumeration {
        const char *element, *name;
        Choice choices[14];
} Enumeration;

static const Enumeration enumerations[] = {
        { "disk", "diskDevice", { { "disk", NULL }, { "cdrom", NULL }, { "floppy", "floppy" }, { "lun", "scsi-block" } } },
        { "disk",
          "bus",
          { { "ide", "ide-hd" },
            { "fdc", "floppy" },
            { "scsi", "scsi-hd" },
            { "virtio", "virtio-blk-pci" },
            { "usb", "usb-storage" },
            { "sata", "ahci" } } },
        { "disk", "model", { { "virtio", NULL }, { "virtio-transitional", NULL }, { "virtio-non-transitional", NULL } } },
        { "graphics", "type", { { "vnc", NULL }, { "spice", "qxl" }, { "egl-headless", NULL }, { "dbus", NULL } } },
        { "video",
          "modelType",
          { { "vga", "VGA" },
            { "cirrus", "cirrus-vga" },
            { "vmvga", "vmware-svga" },
            { "qxl", "qxl-vga" },
            { "virtio", "virtio-gpu-pci" },
            { "none", NULL },
            { "bochs", "bochs-display" },
            { "ramfb", "ramfb" } } },
        { "hostdev", "mode", { { "subsystem", NULL } } },
        { "hostdev", "subsysType", { { "usb", "usb-host" }, { "pci", "vfio-pci" }, { "scsi", "scsi-generic" } } },
        { "rng",
          "model",
          { { "virtio", "virtio-rng-pci" },
            { "virtio-transitional", "virtio-rng-pci" },
            { "virtio-non-transitional", "virtio-rng-pci" } } },
        { "rng", "backendModel", { { "random", NULL }, { "egd", NULL }, { "builtin", NULL } } },
        { "filesystem", "driverType", { { "path", "virtio-9p-pci" }, { "virtiofs", "vhost-user-fs-pci", INSTALLED_VIRTIOFSD } } },
        { "tpm", "model", { { "tpm-tis", "tpm-tis" }, { "tpm-crb", "tpm-crb" } } },
        { "tpm", "backendModel", { { "emulator", NULL, INSTALLED_TPM }, { "external", NULL } } },
        { "interface", "backendType", { { "default", NULL }, { "passt", NULL, INSTALLED_PASST } } },
        { "redirdev", "bus", { { "usb", "usb-redir" } } },
        { "channel", "type", { { "pty", NULL }, { "unix", NULL }, { "spicevmc", "qxl" } } },
};

static const Enumeration memory_sources = { NULL, "sourceType", { { "file", NULL }, { "anonymous", NULL }, { "memfd", NULL } } };

static void add_choices(xmlNode *parent, const Enumeration *enumeration, const Capabilities *capabilities,
                        const CapabilitiesInstalled *installed) {
        xmlNode *element = xml_add(parent, "enum", NULL);
        xml_set_attribute(element, "name", enumeration->name);
        for (const Choice *choice = enumeration->choices; choice->value; choice++)
                if ((!choice->device || capabilities_has_device(capabilities, choice->device)) &&
                    (choice->program & ~installed->programs) == 0)
                        xml_add(element, "value", choice->value);
}

static void add_values(xmlNode *parent, const char *name, const char *first, const char *second) {
        xmlNode *element = xml_add(parent, "enum", NULL);
        xml_set_attribute(element, "name", name);
        xml_add(element, "value", first);
        if (second)
                xml_add(element, "value", second);
}

static xmlNode *add_mode(xmlNode *cpu, const char *name, bool supported) {
        xmlNode *mode = xml_add(cpu, "mode", NULL);
        xml_set_attribute(mode, "name", name);
        set_yes(mode, "supported", supported);
        return mode;
}

/* MODELS may be NULL. */
static void add_host_model(xmlNode *cpu, const Capabilities *capabilities, const CpuModels *models) {
        xmlNode *mode = add_mode(cpu, "host-model", true);
        if (!models)
                return;
        const CpuHost host = cpu_host_of_guests(models, capabilities_xml_architecture(capabilities));
        cpu_document_write_guest(models, &host, mode);
}

static void add_cpus(xmlNode *root, const Capabilities *capabilities, bool kvm, const CpuModels *models) {
        xmlNode *cpu = xml_add(root, "cpu", NULL), *custom;
        g_auto(GStrv) cpus = capabilities_cpu_words(capabilities, kvm);
        xmlNode *passthrough = add_mode(cpu, "host-passthrough", kvm);
        if (kvm)
                add_values(passthrough, "hostPassthroughMigratable", "on", "off");
        add_values(add_mode(cpu, "maximum", true), "maximumMigratable", "on", "off");
        add_host_model(cpu, capabilities, models);
        custom = xml_add(cpu, "mode", NULL);
        xml_set_attribute(custom, "name", "custom");
        set_yes(custom, "supported", true);
        for (char **model = cpus; *model; model++) {
                const char *flags = strchr(*model, '|');
                g_autofree char *name = flags ? g_strndup(*model, (gsize) (flags - *model)) : NULL;
                if (!name || strcmp(name, "host") == 0 || strcmp(name, "max") == 0 || strcmp(name, "base") == 0)
                        continue;
                xmlNode *element = xml_add(custom, "model", name);
                if (strpbrk(flags, "+-"))
                        set_yes(element, "usable", strchr(flags, CAPABILITIES_CPU_USABLE));
                else
                        xml_set_attribute(element, "usable", "unknown");
                set_yes(element, "deprecated", strchr(flags, CAPABILITIES_CPU_DEPRECATED));
                const CpuModel *known = models ? cpu_models_find(models, name) : NULL;
                if (known)
                        xml_set_attribute(element, "vendor", *known->vendor ? known->vendor : "unknown");
        }
}

static void add_firmware(xmlNode *root, const CapabilitiesInstalled *installed) {
        xmlNode *os = xml_add(root, "os", NULL);
        set_yes(os, "supported", true);
        xmlNode *firmware = xml_add(os, "enum", NULL), *loader = xml_add(os, "loader", NULL);
        xml_set_attribute(firmware, "name", "firmware");
        if (*installed->loaders)
                xml_add(firmware, "value", "efi");
        set_yes(loader, "supported", true);
        for (const char *const *path = installed->loaders; *path; path++)
                xml_add(loader, "value", *path);
        add_values(loader, "type", "rom", "pflash");
        add_values(loader, "readonly", "yes", "no");
        add_values(loader, "secure", "no", installed->secure ? "yes" : NULL);
}

char *capabilities_domain_xml(const Capabilities *capabilities, const char *emulator, const char *name, bool kvm,
                              const CapabilitiesInstalled *installed, const CpuModels *models, GError **error) {
        static const char *const elements[] = { "disk",       "graphics", "video",    "hostdev", "rng",
                                                "filesystem", "tpm",      "redirdev", "channel", "interface" };
        JsonObject *machine = capabilities_find_machine(capabilities, name);
        if (!machine) {
                virtbus_error_set(error, VIRTBUS_ERROR_UNSUPPORTED, "%s (QEMU %s) has no machine '%.64s'", emulator,
                                  capabilities_version(capabilities), name);
                return NULL;
        }
        if (kvm && !capabilities_has_kvm(capabilities)) {
                virtbus_error_set(error, VIRTBUS_ERROR_UNSUPPORTED, "%s cannot use KVM on this host; use qemu", emulator);
                return NULL;
        }
        g_autoptr(xmlDoc) document = xmlNewDoc((const xmlChar *) "1.0");
        xmlNode *root = xmlNewDocNode(document, NULL, (const xmlChar *) "domainCapabilities", NULL), *devices;
        xmlDocSetRootElement(document, root);
        xml_add(root, "path", emulator);
        xml_add(root, "domain", kvm ? "kvm" : "qemu");
        xml_add(root, "machine", json_string(machine, "name"));
        xml_add(root, "arch", capabilities_xml_architecture(capabilities));
        xml_set_number(xml_add(root, "vcpu", NULL), "max", json_int(machine, "cpu-max", 1));
        set_yes(xml_add(root, "iothreads", NULL), "supported", true);
        add_firmware(root, installed);
        add_cpus(root, capabilities, kvm, models);
        xmlNode *backing = xml_add(root, "memoryBacking", NULL);
        set_yes(backing, "supported", true);
        add_choices(backing, &memory_sources, capabilities, installed);
        devices = xml_add(root, "devices", NULL);
        for (size_t i = 0; i < G_N_ELEMENTS(elements); i++) {
                xmlNode *element = xml_add(devices, elements[i], NULL);
                set_yes(element, "supported", true);
                for (size_t j = 0; j < G_N_ELEMENTS(enumerations); j++)
                        if (strcmp(enumerations[j].element, elements[i]) == 0)
                                add_choices(element, enumerations + j, capabilities, installed);
        }
        xmlNode *features = xml_add(root, "features", NULL);
        set_yes(xml_add(features, "vmcoreinfo", NULL), "supported", capabilities_has_device(capabilities, "vmcoreinfo"));
        set_yes(xml_add(features, "genid", NULL), "supported", capabilities_has_device(capabilities, "vmgenid"));
        set_yes(xml_add(features, "backup", NULL), "supported", true);
        return xml_document_text(document);
}
