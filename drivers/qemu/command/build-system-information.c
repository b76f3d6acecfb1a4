/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/command/build-system-information.h"

#include <string.h>

#include "qemu/command/builder-device.h"
#include "qemu/command/builder-read.h"
#include "qemu/command/builder-write.h"

#define SMBIOS_VALUES_MAX 64

/* What the kernel has read of the host's SMBIOS. */
#define DMI "/sys/class/dmi/id"

static void build_smbios_type(Builder *builder, xmlNode *block, unsigned type) {
        /* The entries of each type, in QEMU's order; QEMU's names but for two. */
        static const struct {
                unsigned type;
                const char *entry, *name;
        } entries[] = {
                { 0, "vendor", "vendor" },
                { 0, "version", "version" },
                { 0, "date", "date" },
                { 0, "release", "release" },
                { 1, "manufacturer", "manufacturer" },
                { 1, "product", "product" },
                { 1, "version", "version" },
                { 1, "serial", "serial" },
                { 1, "uuid", "uuid" },
                { 1, "sku", "sku" },
                { 1, "family", "family" },
                { 2, "manufacturer", "manufacturer" },
                { 2, "product", "product" },
                { 2, "version", "version" },
                { 2, "serial", "serial" },
                { 2, "asset", "asset" },
                { 2, "location", "location" },
                { 3, "manufacturer", "manufacturer" },
                { 3, "version", "version" },
                { 3, "serial", "serial" },
                { 3, "asset", "asset" },
                { 3, "sku", "sku" },
        };
        g_autoptr(GString) option = g_string_new(NULL);
        g_string_printf(option, "type=%u", type);
        gsize empty = option->len;
        for_each (builder, entry, block, "entry") {
                const char *name = type == 11 ? "" : builder_require(builder, entry, "@name"),
                           *value = builder_get(builder, entry, "");
                bool found = type == 11;
                for (size_t i = 0; i < G_N_ELEMENTS(entries) && !found; i++)
                        found = entries[i].type == type && strcmp(entries[i].entry, name) == 0;
                if (!found)
                        builder_unsupported(builder, entry, "QEMU has no entry '%.32s' here", name);
                if (type == 1 && strcmp(name, "uuid") == 0) {
                        g_autofree char *uuid = uuid_normalize(value);
                        if (g_strcmp0(uuid, builder->definition->uuid) != 0)
                                builder_invalid(builder, entry, "it is not the domain's UUID, %s", builder->definition->uuid);
                        value = builder->definition->uuid;
                }
                g_string_append_printf(option, ",%s=%s", type == 11 ? "value" : name, builder_escape(builder, value));
        }
        /* These two are said without a manufacturer, too, as libvirt says them: QEMU's own would be another. */
        bool is_named = strstr(option->str, ",manufacturer=") || (type != 2 && type != 3);
        if (option->len > empty)
                builder_add(builder, "-smbios", "%s%s", option->str, is_named ? "" : ",manufacturer=");
}

static void build_firmware_entry(Builder *builder, xmlNode *entry) {
        const char *name = builder_require(builder, entry, "@name"), *path = builder_get(builder, entry, "@file");
        if (!g_str_has_prefix(name, "opt/"))
                builder_invalid(builder, entry, "'%.64s' is a name of the firmware's own: a name must begin with opt/", name);
        if (path)
                builder_add(builder, "-fw_cfg", "name=%s,file=%s", builder_escape(builder, name),
                            builder_escape(builder, builder_pass_to_read(builder, entry, path)));
        else
                builder_add(builder, "-fw_cfg", "name=%s,string=%s", builder_escape(builder, name),
                            builder_escape(builder, builder_get(builder, entry, "")));
}

/* What the host's own firmware says of it; its UUID stays its own. The kernel has it in memory: reading it does not wait. */
static void build_host_information(Builder *builder) {
        static const struct {
                unsigned type;
                const char *name, *file;
        } entries[] = {
                { 0, "vendor", "bios_vendor" },      { 0, "version", "bios_version" },      { 0, "date", "bios_date" },
                { 0, "release", "bios_release" },    { 1, "manufacturer", "sys_vendor" },   { 1, "product", "product_name" },
                { 1, "version", "product_version" }, { 1, "serial", "product_serial" },     { 1, "sku", "product_sku" },
                { 1, "family", "product_family" },   { 2, "manufacturer", "board_vendor" }, { 2, "product", "board_name" },
                { 2, "version", "board_version" },   { 2, "serial", "board_serial" },       { 2, "asset", "board_asset_tag" },
        };
        bool any = false;
        for (unsigned type = 0; type <= 2; type++) {
                g_autoptr(GString) option = g_string_new(NULL);
                for (size_t i = 0; i < G_N_ELEMENTS(entries); i++) {
                        g_autofree char *path = g_build_filename(DMI, entries[i].file, NULL), *text = NULL;
                        if (entries[i].type == type && g_file_get_contents(path, &text, NULL, NULL) && *g_strstrip(text))
                                g_string_append_printf(option, ",%s=%s", entries[i].name, builder_escape(builder, text));
                }
                if (option->len > 0)
                        builder_add(builder, "-smbios", "type=%u%s", type, option->str);
                any |= option->len > 0;
        }
        if (!any)
                builder_unsupported(builder, builder_element(builder, builder->root, "os/smbios"),
                                    "this machine's firmware does not say it (" DMI "): use mode='emulate', or 'sysinfo'");
}

void build_system_information(Builder *builder) {
        static const struct {
                const char *block;
                unsigned type;
        } blocks[] = { { "bios", 0 }, { "system", 1 }, { "baseBoard", 2 }, { "chassis", 3 }, { "oemStrings", 11 } };
        const char *mode = builder_choose(builder, builder->root, "os/smbios/@mode", "emulate host sysinfo");
        if (g_strcmp0(mode, "host") == 0 && builder->files)
                build_host_information(builder);
        for_each (builder, info, builder->root, "sysinfo") {
                const char *type = builder_choose(builder, info, "@type", "smbios fwcfg");
                if (g_strcmp0(type, "fwcfg") == 0) {
                        for_each (builder, entry, info, "entry")
                                build_firmware_entry(builder, entry);
                } else if (g_strcmp0(mode, "sysinfo") == 0)
                        for (size_t i = 0; i < G_N_ELEMENTS(blocks); i++)
                                for_each (builder, block, info, blocks[i].block)
                                        build_smbios_type(builder, block, blocks[i].type);
                builder_know(builder, builder->root, "sysinfo");
        }
}
