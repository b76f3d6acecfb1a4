/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/command/native-firmware.h"

#include <string.h>

static xmlNode *find_information(NativeReader *reader, const char *type) {
        for (xmlNode *info = xml_child(reader->root, "sysinfo"); info; info = xml_next(info, "sysinfo"))
                if (xml_attribute_is(info, "type", type))
                        return info;
        xmlNode *info = xml_add(reader->root, "sysinfo", NULL);
        native_set(info, "type", type);
        return info;
}

static void add_entry(xmlNode *block, const char *name, const char *value) {
        xmlNode *entry = xml_add(block, "entry", value);
        native_set(entry, "name", name);
}

/* "type=1,serial=X,product=Y"; "type=11,value=A,value=B". */
void native_firmware_smbios(NativeReader *reader, const char *text) {
        static const struct {
                const char *type, *block, *names;
        } blocks[] = { { "0", "bios", "vendor version date release" },
                       { "1", "system", "manufacturer product version serial sku family" },
                       { "2", "baseBoard", "manufacturer product version serial asset location" },
                       { "3", "chassis", "manufacturer version serial asset sku" },
                       { "11", "oemStrings", "" } };
        g_autoptr(GHashTable) properties = native_parse(reader, text, NULL);
        g_autofree char *type = native_take(properties, "type"), *values = native_take(properties, "value");
        size_t kind = 0;
        while (kind < G_N_ELEMENTS(blocks) && g_strcmp0(blocks[kind].type, type) != 0)
                kind++;
        if (kind == G_N_ELEMENTS(blocks)) {
                native_fail(reader, VIRTBUS_ERROR_UNSUPPORTED, "-smbios: type '%.32s' has no counterpart in a document",
                            type ? type : "of a file");
                return;
        }
        native_set(xml_ensure_child(reader->os, "smbios"), "mode", "sysinfo");
        xmlNode *block = xml_ensure_child(find_information(reader, "smbios"), blocks[kind].block);
        g_auto(GStrv) names = g_strsplit(blocks[kind].names, " ", -1);
        for (size_t i = 0; names[i]; i++) {
                g_autofree char *value = native_take(properties, names[i]);
                if (value)
                        add_entry(block, names[i], value);
        }
        g_autofree char *uuid = kind == 1 ? native_take(properties, "uuid") : NULL;
        if (uuid) { /* which is the machine's */
                xmlNode *element = xml_ensure_child(reader->root, "uuid");
                xmlNodeSetContent(element, (const xmlChar *) uuid);
        }
        g_auto(GStrv) strings = g_strsplit(values ? values : "", "\n", -1);
        for (size_t i = 0; kind == 4 && strings[i]; i++)
                add_entry(block, NULL, strings[i]);
        native_check_empty(reader, properties, "-smbios");
}

/* "name=opt/X,file=PATH", "name=opt/X,string=TEXT" */
void native_firmware_config(NativeReader *reader, const char *text) {
        g_autoptr(GHashTable) properties = native_parse(reader, text, "name");
        g_autofree char *name = native_take(properties, "name"), *path = native_take(properties, "file"),
                        *value = native_take(properties, "string");
        xmlNode *entry = xml_add(find_information(reader, "fwcfg"), "entry", value);
        native_set(entry, "name", name);
        native_set(entry, "file", path);
        native_check_empty(reader, properties, "-fw_cfg");
}
