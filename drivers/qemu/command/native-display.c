/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/command/native-display.h"

#include <string.h>

#include "qemu/command/native-address.h"

void native_display_video(NativeReader *reader, GHashTable *device, const char *driver, const char *model) {
        static const struct {
                const char *property, *attribute;
                guint64 unit; /* bytes; 0: a number */
        } properties[] = {
                { "ram_size", "ram", 1 },           { "vram_size", "vram", 1 },    { "vram64_size_mb", "vram64", 1 << 20 },
                { "vgamem_mb", "vgamem", 1 << 20 }, { "max_outputs", "heads", 0 },
        };
        xmlNode *video = xml_add(reader->devices, "video", NULL), *element = xml_add(video, "model", NULL);
        native_set(element, "type", model);
        for (size_t i = 0; device && i < G_N_ELEMENTS(properties); i++) {
                g_autofree char *text = native_take(device, properties[i].property);
                guint64 value = 0, unit = MAX(properties[i].unit, 1);
                if (!text)
                        continue;
                if (!g_ascii_string_to_unsigned(text, 10, 0, G_MAXUINT32 / unit, &value, NULL)) {
                        native_fail(reader, VIRTBUS_ERROR_INVALID_ARGUMENT, "-device %s: %s is not '%.32s'", driver,
                                    properties[i].property, text);
                        return;
                }
                g_autofree char *number = g_strdup_printf("%" G_GUINT64_FORMAT, properties[i].unit ? value * unit / 1024 : value);
                bool is_vram = strcmp(model, "qxl") != 0 && strcmp(properties[i].attribute, "vgamem") == 0;
                if (value > 0) /* 0 is QEMU's own choice */
                        native_set(element, is_vram ? "vram" : properties[i].attribute, number);
        }
        if (device)
                native_pci_address(reader, device, video);
}

void native_display_vnc(NativeReader *reader, const char *text) {
        g_autoptr(GHashTable) properties = native_parse(reader, text, "at");
        g_autofree char *at = native_take(properties, "at"), *path = native_take(properties, "unix");
        xmlNode *graphics = xml_add(reader->devices, "graphics", NULL);
        const char *colon = at ? strrchr(at, ':') : NULL;
        native_set(graphics, "type", "vnc");
        if (at && g_str_has_prefix(at, "unix:"))
                native_set(graphics, "socket", at + strlen("unix:"));
        else if (colon) {
                g_autofree char *port = g_strdup_printf("%lu", strtoul(colon + 1, NULL, 10) + 5900),
                                *host = g_strndup(at, (gsize) (colon - at));
                native_set(graphics, "port", port);
                native_set(graphics, "autoport", "no");
                if (*host)
                        native_set(graphics, "listen", host);
        } else if (at && strcmp(at, "none") == 0)
                native_set(xml_add(graphics, "listen", NULL), "type", "none");
        native_drop(properties, "audiodev to");
        native_check_empty(reader, properties, "-vnc");
}

void native_display_vga(NativeReader *reader, const char *text) {
        static const char *const models[][2] = { { "std", "vga" },       { "cirrus", "cirrus" }, { "qxl", "qxl" },
                                                 { "virtio", "virtio" }, { "vmware", "vmvga" },  { "none", "none" } };
        for (size_t i = 0; i < G_N_ELEMENTS(models); i++)
                if (strcmp(text, models[i][0]) == 0) {
                        native_display_video(reader, NULL, text, models[i][1]);
                        return;
                }
        native_fail(reader, VIRTBUS_ERROR_UNSUPPORTED, "-vga: '%.32s' has no counterpart here", text);
}

void native_display_option(NativeReader *reader, const char *text) {
        if (strcmp(text, "none") != 0)
                native_fail(reader, VIRTBUS_ERROR_UNSUPPORTED,
                            "-display %.64s has no counterpart here; leave it out, or use -vnc", text);
}

void native_display_audio(NativeReader *reader, const char *text) {
        g_autoptr(GHashTable) properties = native_parse(reader, text, "driver");
        g_autofree char *driver = native_take(properties, "driver"), *id = native_take(properties, "id");
        if (g_strcmp0(driver, "none") != 0)
                native_fail(reader, VIRTBUS_ERROR_UNSUPPORTED, "-audiodev %.64s has no counterpart here; use none",
                            driver ? driver : "");
}
