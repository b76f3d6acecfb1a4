/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/command/build-machine.h"

#include <string.h>

#include "qemu/command/build-clock.h"
#include "qemu/command/build-cpu.h"
#include "qemu/command/build-features.h"
#include "qemu/command/build-security.h"
#include "qemu/command/build-system-information.h"
#include "qemu/command/build-threads.h"
#include "qemu/command/builder-read.h"
#include "qemu/command/builder-write.h"
#include "base/uuid.h"

/* A binary runs its own architecture, and that of x86_64 what is older too. */
static void check_emulator(Builder *builder, const xmlNode *type) {
        const Capabilities *capabilities = builder->context->capabilities;
        const char *target = capabilities ? json_string(capabilities_data(capabilities), "target") : NULL,
                   *architecture = builder->definition->architecture;
        if (target && strcmp(target, "i386") == 0 && strcmp(architecture, "i686") != 0)
                builder_invalid(builder, type,
                                "the emulator %.128s is for i686, and cannot run %.32s: name another, or use arch='i686'",
                                builder->context->emulator, architecture);
}

/* What only s390 has: keys that the guest's own are wrapped in, and the parameter of what is booted. */
static void build_s390(Builder *builder) {
        xmlNode *keywrap = builder_element(builder, builder->root, "keywrap");
        const char *parameter = NULL;
        if (keywrap && builder->kind->virtio != VIRTIO_ON_CCW)
                builder_unsupported(builder, keywrap, "keys are wrapped by machines of s390x alone: leave <keywrap> out");
        for_each (builder, cipher, keywrap, "cipher") {
                const char *name = builder_choose(builder, cipher, "@name", "aes dea");
                int state = builder_switch(builder, cipher, "@state");
                if (name && state >= 0)
                        g_string_append_printf(builder->machine, ",%s-key-wrap=%s", name, state ? "on" : "off");
        }
        for (xmlNode *device = xml_child(builder->devices, NULL); device && !parameter; device = xml_next(device, NULL))
                if (builder->kind->virtio == VIRTIO_ON_CCW && xml_child(device, "boot"))
                        parameter = builder_get(builder, device, "boot/@loadparm");
        if (parameter)
                g_string_append_printf(builder->machine, ",loadparm=%s", builder_escape(builder, parameter));
}

void build_machine(Builder *builder) {
        const Definition *definition = builder->definition;
        xmlNode *type = builder_element(builder, builder->root, "os/type");
        g_autoptr(GString) accelerator = g_string_new(builder->kvm ? "kvm" : "tcg");
        builder_know(builder, builder->root,
                     "@type @id name uuid title description metadata memory currentMemory on_poweroff on_reboot on_crash "
                     "on_lockfailure "
                     "bootloader bootloader_args devices/emulator");
        builder_get(builder, type, "");
        builder_know(builder, type, "@arch @machine");
        if (strcmp(definition->type, "kvm") != 0 && strcmp(definition->type, "qemu") != 0)
                builder_unsupported(builder, builder->root, "type '%.32s' is not QEMU's; use kvm or qemu", definition->type);
        if (strcmp(definition->os_type, "hvm") != 0)
                builder_unsupported(builder, type, "type '%.32s' is not QEMU's; use hvm", definition->os_type);
        if (definition->machine[0] && !builder_is_plain_name(definition->machine))
                builder_invalid(builder, type,
                                "'%.64s' is not a name of a machine: use letters, digits, '-', '_' and '.'; GetCapabilities "
                                "lists "
                                "those there are",
                                definition->machine);
        check_emulator(builder, type);
        static const char *const without_pci[] = { "isapc", "microvm", "none", NULL };
        if (builder->kind->is_x86 && g_strv_contains(without_pci, definition->machine))
                builder_not_here(builder, type,
                                 "a machine that has no PCI bus, where its devices are: use machine='q35' or 'pc'");
        g_string_append(builder->machine,
                        definition->machine[0] ? definition->machine : machine_kind_usual(definition->architecture));
        g_string_append(builder->machine, ",usb=off,dump-guest-core=");
        g_string_append(builder->machine, builder_is(builder, builder->root, "memory/@dumpCore", "on") ? "on" : "off");
        xmlNode *identity = builder_element(builder, builder->root, "genid");
        if (identity) {
                const char *text = builder_get(builder, identity, "");
                g_autofree char *uuid = *text ? uuid_normalize(text) : g_uuid_string_random();
                if (!uuid)
                        builder_invalid(builder, identity, "'%.64s' is not a UUID", text);
                builder_add_json(builder, "-device",
                                 json_make("driver", 's', "vmgenid", "guid", 's', uuid, "id", 's', "vmgenid0", NULL));
        }
        build_s390(builder);
        build_features(builder, accelerator);
        build_power_management(builder);
        build_clock(builder);
        build_io_threads(builder);
        build_pins_check(builder);
        build_system_information(builder);
        build_security(builder);
        for (xmlNode *panic = xml_child(builder->devices, "panic"); panic; panic = xml_next(panic, "panic"))
                if (xml_attribute_is(panic, "model", "hyperv"))
                        g_string_append(builder->cpu, ",hv-crash=on");
        build_cpu(builder);
        builder_add(builder, "-accel", "%s", accelerator->str);
        static const char *const not_qemus[] = { "bootloader", "bootloader_args" };
        for (size_t i = 0; i < G_N_ELEMENTS(not_qemus); i++)
                if (xml_child(builder->root, not_qemus[i]))
                        builder_not_here(builder, builder_element(builder, builder->root, not_qemus[i]),
                                         "a boot loader of the host, as Xen has: leave it out");
        const char *crash = builder_get(builder, builder->root, "on_crash");
        if (crash && g_str_has_prefix(crash, "coredump-"))
                builder_not_here(builder, builder_element(builder, builder->root, "on_crash"),
                                 "a dump of its own when it crashes: use preserve, and Dump");
        builder_know(builder, builder->root, "launchSecurity/@none perf/@none");
}
