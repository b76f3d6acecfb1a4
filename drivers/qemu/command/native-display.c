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
        reader->has_video = true;
        if (device)
                native_pci_address(reader, device, video);
}

/* An address that a display listens at: a socket, or a host of the network. */
static void set_listen(xmlNode *graphics, const char *host, const char *socket) {
        if (!host && !socket)
                return;
        xmlNode *listen = xml_add(graphics, "listen", NULL);
        native_set(listen, "type", socket ? "socket" : "address");
        native_set(listen, socket ? "socket" : "address", socket ? socket : host);
}

static void refuse_password(NativeReader *reader, GHashTable *properties, const char *option) {
        g_autofree char *password = native_take(properties, "password"), *secret = native_take(properties, "password-secret");
        if (native_is_on(password) || secret || (password && strcmp(password, "off") != 0))
                native_fail(reader, VIRTBUS_ERROR_UNSUPPORTED,
                            "%s: its password is not on the command line: leave it out here, and give the document's <graphics> "
                            "a passwd",
                            option);
}

void native_display_vnc(NativeReader *reader, const char *text) {
        g_autoptr(GHashTable) properties = native_parse(reader, text, "at");
        g_autofree char *at = native_take(properties, "at"), *share = native_take(properties, "share"),
                        *websocket = native_take(properties, "websocket"), *power = native_take(properties, "power-control");
        const char *colon = at ? strrchr(at, ':') : NULL;
        reader->has_display = true;
        refuse_password(reader, properties, "-vnc");
        if (at && strcmp(at, "none") == 0)
                return;
        xmlNode *graphics = xml_add(reader->devices, "graphics", NULL);
        native_set(graphics, "type", "vnc");
        native_set(graphics, "sharePolicy", share);
        native_set(graphics, "powerControl", native_yes(power));
        native_set(graphics, "websocket", native_is_on(websocket) ? "-1" : websocket);
        if (at && g_str_has_prefix(at, "unix:"))
                set_listen(graphics, NULL, at + strlen("unix:"));
        else if (colon) {
                uint64_t display = 0;
                if (!g_ascii_string_to_unsigned(colon + 1, 10, 0, UINT16_MAX - 5900, &display, NULL))
                        native_fail(reader, VIRTBUS_ERROR_INVALID_ARGUMENT, "-vnc: '%.32s' is not a display; write HOST:NUMBER",
                                    at);
                g_autofree char *host = g_strndup(at, (gsize) (colon - at));
                xml_set_number(graphics, "port", (int64_t) display + 5900);
                native_set(graphics, "autoport", "no");
                set_listen(graphics, *host ? host : NULL, NULL);
        } else
                native_fail(reader, VIRTBUS_ERROR_INVALID_ARGUMENT, "-vnc: '%.32s' is not a display; write HOST:NUMBER",
                            at ? at : "");
        native_drop(properties, "audiodev to");
        native_check_empty(reader, properties, "-vnc");
}

void native_display_spice(NativeReader *reader, const char *text) {
        static const char *const parts[][3] = { { "image-compression", "image", "compression" },
                                                { "jpeg-wan-compression", "jpeg", "compression" },
                                                { "zlib-glz-wan-compression", "zlib", "compression" },
                                                { "streaming-video", "streaming", "mode" },
                                                { "agent-mouse", "mouse", "mode" } };
        g_autoptr(GHashTable) properties = native_parse(reader, text, NULL);
        g_autofree char *address = native_take(properties, "addr"), *is_unix = native_take(properties, "unix"),
                        *port = native_take(properties, "port"), *tls = native_take(properties, "tls-port"),
                        *copy = native_take(properties, "disable-copy-paste"), *gl = native_take(properties, "gl"),
                        *node = native_take(properties, "rendernode"),
                        *files = native_take(properties, "disable-agent-file-xfer"),
                        *playback = native_take(properties, "playback-compression");
        xmlNode *graphics = xml_add(reader->devices, "graphics", NULL);
        reader->has_display = true;
        refuse_password(reader, properties, "-spice");
        native_set(graphics, "type", "spice");
        native_set(graphics, "port", port);
        native_set(graphics, "tlsPort", tls);
        if (port || tls)
                native_set(graphics, "autoport", "no");
        set_listen(graphics, address, native_is_on(is_unix) ? address : NULL);
        if (!port && !tls && !native_is_on(is_unix))
                native_set(xml_ensure_child(graphics, "listen"), "type", "none");
        for (size_t i = 0; i < G_N_ELEMENTS(parts); i++) {
                g_autofree char *value = native_take(properties, parts[i][0]);
                bool mouse = strcmp(parts[i][0], "agent-mouse") == 0;
                if (value)
                        native_set(xml_add(graphics, parts[i][1], NULL), parts[i][2],
                                   !mouse                ? value
                                   : native_is_on(value) ? "client"
                                                         : "server");
        }
        if (playback)
                native_set(xml_add(graphics, "playback", NULL), "compression", playback);
        if (copy)
                native_set(xml_add(graphics, "clipboard", NULL), "copypaste", native_is_on(copy) ? "no" : "yes");
        if (files)
                native_set(xml_add(graphics, "filetransfer", NULL), "enable", native_is_on(files) ? "no" : "yes");
        if (gl) {
                xmlNode *element = xml_add(graphics, "gl", NULL);
                native_set(element, "enable", native_yes(gl));
                native_set(element, "rendernode", node);
        }
        native_drop(properties, "disable-ticketing seamless-migration x509-dir");
        native_check_empty(reader, properties, "-spice");
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

/* A window of QEMU's own is none of a service's: a display that is reached stands for it, where the command line leaves the
 * choice to QEMU. */
void native_display_option(NativeReader *reader, const char *text) {
        g_autoptr(GHashTable) properties = native_parse(reader, text, "type");
        g_autofree char *type = native_take(properties, "type");
        if (g_strcmp0(type, "none") == 0)
                reader->no_display = true;
        else if (g_strcmp0(type, "egl-headless") == 0) {
                xmlNode *graphics = xml_add(reader->devices, "graphics", NULL);
                native_set(graphics, "type", type);
                native_move_below(properties, "rendernode", graphics, "gl", "rendernode");
                reader->no_display = true;
                native_check_empty(reader, properties, "-display");
        } else if (type && g_str_has_prefix(type, "vnc"))
                native_display_vnc(reader, g_str_has_prefix(text, "vnc=") ? text + strlen("vnc=") : text);
        else
                native_fail(reader, VIRTBUS_ERROR_UNSUPPORTED,
                            "-display %.64s has no counterpart here; leave it out, or use -vnc", text);
}

void native_display_keymap(NativeReader *reader, const char *text) {
        reader->keymap = text;
}

/* Sound */

static const char *audio_type(const char *driver) {
        static const char *const types[][2] = { { "none", "none" },   { "alsa", "alsa" },     { "jack", "jack" },
                                                { "oss", "oss" },     { "pa", "pulseaudio" }, { "sdl", "sdl" },
                                                { "spice", "spice" }, { "wav", "file" } };
        for (size_t i = 0; driver && i < G_N_ELEMENTS(types); i++)
                if (strcmp(driver, types[i][0]) == 0)
                        return types[i][1];
        return NULL;
}

void native_display_audio(NativeReader *reader, const char *text) {
        g_autoptr(GHashTable) properties = native_parse(reader, text, "driver");
        g_autofree char *driver = native_take(properties, "driver"), *id = native_take(properties, "id");
        NativeBackend *backend = native_find_backend(reader, "audio", id);
        const char *type = audio_type(driver);
        if (!type || !backend) {
                native_fail(reader, VIRTBUS_ERROR_UNSUPPORTED,
                            "-audiodev %.64s has no counterpart here; use none, pa, alsa, jack, oss, spice or wav",
                            driver ? driver : "");
                return;
        }
        xmlNode *audio = xml_add(reader->devices, "audio", NULL);
        xml_set_number(audio, "id", backend->number);
        native_set(audio, "type", type);
        if (strcmp(driver, "pa") == 0)
                native_move(properties, "server", audio, "serverName");
        if (strcmp(driver, "wav") == 0)
                native_move(properties, "path", audio, "path");
        native_check_empty(reader, properties, "-audiodev");
}

void native_display_sound_uses(NativeReader *reader, GHashTable *device, xmlNode *sound) {
        g_autofree char *id = native_take(device, "audiodev");
        NativeBackend *backend = id ? native_find_backend(reader, "audio", id) : NULL;
        if (id && !backend)
                native_fail(reader, VIRTBUS_ERROR_INVALID_ARGUMENT, "-device: there is no -audiodev '%.64s'", id);
        if (backend && sound)
                xml_set_number(xml_ensure_child(sound, "audio"), "id", backend->number);
}

/* "hda-duplex,audiodev=A": what the last sound card has at its bus. */
void native_display_codec(NativeReader *reader, GHashTable *device, const char *driver) {
        if (!reader->sound) {
                native_fail(reader, VIRTBUS_ERROR_INVALID_ARGUMENT,
                            "-device %s: there is no intel-hda or ich9-intel-hda before it", driver);
                return;
        }
        native_set(xml_add(reader->sound, "codec", NULL), "type", driver + strlen("hda-"));
        native_display_sound_uses(reader, device, reader->sound);
        native_drop(device, "bus cad");
}

void native_display_finish(NativeReader *reader, bool window) {
        if (window && !reader->has_video)
                native_display_video(reader, NULL, "-vga",
                                     strcmp(reader->arch, "s390x") == 0 || strcmp(reader->arch, "aarch64") == 0 ? "virtio"
                                                                                                                : "vga");
        if (window && !reader->has_display && !reader->no_display) {
                xmlNode *graphics = xml_add(reader->devices, "graphics", NULL);
                native_set(graphics, "type", "vnc");
                native_set(graphics, "autoport", "yes");
        }
        for (xmlNode *graphics = xml_child(reader->devices, "graphics"); graphics && reader->keymap;
             graphics = xml_next(graphics, "graphics"))
                if (!xml_attribute_is(graphics, "type", "egl-headless"))
                        native_set(graphics, "keymap", reader->keymap);
}
