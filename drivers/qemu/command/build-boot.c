/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/command/build-boot.h"

#include <inttypes.h>
#include <string.h>

#include "qemu/command/build-nodes.h"
#include "qemu/command/builder-device.h"
#include "qemu/command/builder-read.h"
#include "qemu/command/builder-write.h"
#include "qemu/command/firmware.h"

/* Firmware */

static const char *state_text(int state) {
        return state < 0 ? "on or off" : state ? "on" : "off";
}

/* A loader's file is code that is mapped as flash, with variables in a second one or in itself; or a BIOS that is read. */
void build_firmware(Builder *builder) {
        xmlNode *os = builder_element(builder, builder->root, "os"), *loader = builder_element(builder, os, "loader"),
                *nvram = builder_element(builder, os, "nvram");
        const char *firmware = builder_choose(builder, os, "@firmware", "bios efi"),
                   *type = builder_choose(builder, loader, "@type", "pflash rom"), *path = builder_get(builder, loader, "");
        int stateless = builder_flag(builder, loader, "@stateless"), secure = builder_flag(builder, loader, "@secure");
        builder_choose(builder, loader, "@format", "raw qcow2");
        bool efi = g_strcmp0(firmware, "efi") == 0, pflash = g_strcmp0(type, "pflash") == 0;
        bool read_only = efi || builder_flag(builder, loader, "@readonly") == 1, boot_secure = secure == 1;
        builder_flag(builder, loader, "@readonly");
        int enrolled = -1, secure_boot = -1;
        for_each (builder, feature, os, "firmware/feature") {
                const char *name = builder_choose(builder, feature, "@name", "enrolled-keys secure-boot");
                int enabled = builder_flag(builder, feature, "@enabled");
                if (g_strcmp0(name, "enrolled-keys") == 0)
                        enrolled = enabled;
                else if (g_strcmp0(name, "secure-boot") == 0)
                        secure_boot = enabled;
        }
        if (enrolled == 1 && secure_boot == 0)
                builder_invalid(builder, builder_element(builder, os, "firmware"),
                                "enrolled-keys needs secure-boot: turn that on, or enrolled-keys off");
        bool named = path && *path;
        /* libvirt writes down what it has chosen: the file with its kind. One that was merely named is a contradiction. */
        if (firmware && (named ? !efi || !pflash || builder_flag(builder, loader, "@readonly") != 1
                               : type || builder_flag(builder, loader, "@readonly") >= 0))
                builder_invalid(builder, loader,
                                "with firmware='%s' the loader is chosen: leave out its file, its type and readonly, or say "
                                "type='pflash' readonly='yes' with the file",
                                firmware);
        if (g_strcmp0(firmware, "bios") == 0 && nvram)
                builder_invalid(builder, nvram, "firmware 'bios' has no variables to keep: leave it out");
        builder_know(builder, nvram, "@template @type @format @templateFormat");
        builder_get(builder, nvram, "");
        if (!efi && !pflash) {
                if (g_strcmp0(firmware, "bios") == 0)
                        return;
                if (path && *path)
                        builder_add(builder, "-bios", "%s", builder_escape(builder, builder_pass_to_read(builder, loader, path)));
                return;
        }
        if (pflash && !(path && *path))
                builder_invalid(builder, loader, "a loader of type pflash needs its file");
        boot_secure |= secure_boot == 1 || enrolled == 1;
        if (boot_secure && !builder->kind->is_q35)
                builder_unsupported(builder, os, "secure boot needs machine q35");
        g_autoptr(Firmware) chosen = firmware_choose(builder->root, builder->definition);
        if (!chosen) {
                builder_unsupported(builder, os,
                                    "no UEFI firmware for machine %s with secure boot %s and enrolled keys %s is installed; "
                                    "install %s, or change <firmware><feature .../>",
                                    builder->definition->machine, state_text(secure_boot), state_text(enrolled),
                                    builder->kind->is_x86 ? "ovmf" : "qemu-efi-aarch64 or the like");
                return;
        }
        if (efi && named && !firmware_fits(chosen, builder->root, builder->definition))
                builder_invalid(builder, loader, "its file is firmware %s secure boot: change that, or <firmware><feature .../>",
                                chosen->secure_boot ? "with" : "without");
        if (boot_secure || (efi && !named && chosen->needs_smm)) {
                if (builder_is(builder, builder->root, "features/smm/@state", "off"))
                        builder_invalid(builder, os, "secure boot needs <features><smm state='on'/>");
                if (builder->kind->is_q35)
                        builder_add(builder, "-global", "driver=cfi.pflash01,property=secure,value=on");
                if (!strstr(builder->machine->str, ",smm="))
                        g_string_append(builder->machine, ",smm=on");
        }
        g_string_append_printf(builder->machine, ",pflash0=%s",
                               build_flat_node(builder, os, "pflash0", chosen->code, chosen->format, read_only,
                                               builder_file(builder, os)));
        g_autofree char *variables = firmware_variables(builder->root);
        if (stateless == 1 || (!read_only && !variables)) /* code that can be written keeps its variables, but for those named */
                return;
        g_autofree char *own = firmware_nvram(builder->context->connection, builder->definition->uuid);
        g_autofree char *format = firmware_variables_format(builder->root, chosen);
        const char *template_format = builder_get(builder, nvram, "@templateFormat");
        const File *file = builder_file(builder, firmware_variables_element(builder->root));
        if (!template_format && !builder_get(builder, nvram, "@template"))
                template_format = chosen->variables_format;
        if (strcmp(format, "raw") != 0 && strcmp(format, "qcow2") != 0)
                builder_invalid(builder, nvram, "format is '%.16s'; it must be raw or qcow2", format);
        else if (template_format && strcmp(format, template_format) != 0)
                builder_unsupported(builder, nvram ? nvram : os,
                                    "the template of its variables has format %.16s, and they %s: they are copied as they are",
                                    template_format, format);
        if (nvram && builder_is(builder, nvram, "@type", "network")) {
                builder_not_here(builder, nvram, "UEFI variables on a network");
                g_string_append_printf(builder->machine, ",pflash1=%s",
                                       build_flat_node(builder, nvram, "pflash1", "", "raw", false, NULL));
                builder_know(builder, nvram, "source");
        } else if (file || !builder->files)
                g_string_append_printf(builder->machine, ",pflash1=%s",
                                       build_flat_node(builder, nvram ? nvram : os, "pflash1", variables ? variables : own,
                                                       format, false, file));
        if (builder_get(builder, nvram, "@type"))
                builder_know(builder, nvram, "source/@file source/@dev source/seclabel");
}

/* Boot */

static void build_kernel_file(Builder *builder, const char *option, const char *path) {
        xmlNode *element = builder_element(builder, builder->root, path);
        const char *file = element ? builder_get(builder, element, "") : NULL;
        if (file && *file) /* an empty element counts as missing */
                builder_add(builder, option, "%s", builder_pass_to_read(builder, element, file));
}

void build_boot(Builder *builder) {
        static const char *const devices[] = { "hd", "cdrom", "network", "fd" };
        xmlNode *os = builder_element(builder, builder->root, "os"), *menu = builder_element(builder, os, "bootmenu");
        g_autoptr(GString) boot = g_string_new(NULL);
        unsigned order = 0;
        for_each (builder, element, os, "boot") {
                const char *device = builder_choose(builder, element, "@dev", "hd cdrom network fd");
                size_t i = 0;
                while (device && strcmp(device, devices[i]) != 0)
                        i++;
                if (!device) {
                        builder_invalid(builder, element, "its attribute dev is missing");
                        break;
                }
                builder->order_by_kind = true;
                if (builder->order[i] == 0)
                        builder->order[i] = ++order;
        }
        for (guint i = 0; builder->order_by_kind && i < builder->definition->devices->len; i++)
                if (((DeviceDefinition *) builder->definition->devices->pdata[i])->boot > 0)
                        builder_invalid(builder, builder_element(builder, os, "boot"),
                                        "<os><boot dev='...'/> and per-device <boot order='...'/> elements do not go "
                                        "together: leave out one kind, and boot order says more");
        int enabled = builder_flag(builder, menu, "@enable");
        uint64_t timeout = builder_number(builder, menu, "@timeout", 0, 65535, 0);
        if (enabled >= 0)
                g_string_append_printf(boot, "menu=%s,", enabled ? "on" : "off");
        if (timeout > 0 && enabled == 1)
                g_string_append_printf(boot, "splash-time=%" PRIu64 ",", timeout);
        xmlNode *bios = builder_element(builder, os, "bios");
        const char *reboot = builder_get(builder, bios, "@rebootTimeout");
        if (reboot) {
                char *end;
                gint64 value = g_ascii_strtoll(reboot, &end, 10);
                if (*end || !*reboot || value < -1 || value > 65535)
                        builder_invalid(builder, bios, "rebootTimeout is '%.16s'; it must be from -1 to 65535", reboot);
                g_string_append_printf(boot, "reboot-timeout=%" G_GINT64_FORMAT ",", value);
        }
        if (builder_flag(builder, bios, "@useserial") == 1) /* what it shows goes to the first serial port */
                g_string_append(builder->machine, ",graphics=off");
        g_string_append(boot, "strict=on");
        builder_add(builder, "-boot", "%s", boot->str);
        build_kernel_file(builder, "-kernel", "os/kernel");
        build_kernel_file(builder, "-initrd", "os/initrd");
        build_kernel_file(builder, "-dtb", "os/dtb");
        const char *cmdline = builder_get(builder, os, "cmdline"), *shim = builder_get(builder, os, "shim");
        if (cmdline && *cmdline)
                builder_add(builder, "-append", "%s", cmdline);
        if (shim)
                builder_unsupported(builder, builder_element(builder, os, "shim"), "QEMU 7.2 has no option for it");
        xmlNode *table = builder_element(builder, os, "acpi/table");
        if (table) {
                builder_choose(builder, table, "@type", "slic");
                const char *file = builder_get(builder, table, "");
                if (*file) /* as above */
                        builder_add(builder, "-acpitable", "sig=SLIC,file=%s",
                                    builder_escape(builder, builder_pass_to_read(builder, table, file)));
        }
}
