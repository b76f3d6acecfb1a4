/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/command/build-display.h"

#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "domain/device-elements.h"
#include "errors.h"
#include "qemu/command/build-sound.h"
#include "qemu/command/build-tls.h"
#include "qemu/command/builder-device.h"
#include "qemu/command/builder-read.h"
#include "qemu/command/builder-write.h"
#include "qemu/host/port.h"
#include "qemu/host/runtime.h"

#define VNC_DISPLAYS_MAX 999
#define VNC_PASSWORD_MAX 8

/* What QEMU calls the socket that it gets. */
#define VNC_LISTENER "vnc-listener"

/* Displays */

/* The address to listen at: of <listen>, or of the attribute that older documents have. */
static const char *listen_address(Builder *builder, xmlNode *element) {
        xmlNode *listen = builder_element(builder, element, "listen");
        const char *address = builder_get(builder, listen, "@address"), *old = builder_get(builder, element, "@listen");
        if (listen && builder_is(builder, listen, "@type", "network")) {
                builder_know(builder, listen, "@network");
                builder_not_here(builder, listen, "a display on a network of libvirt's");
        }
        const char *used = address ? address : old;
        return used ? builder_escape(builder, used) : NULL;
}

static const char *bracketed(Builder *builder, const char *address) {
        return strchr(address, ':') ? builder_format(builder, "[%s]", address) : address;
}

static const char *socket_path(Builder *builder, xmlNode *element, const DeviceDefinition *part) {
        const char *path = part->source[0] ? part->source : NULL;
        if (!path && builder->files)
                path = builder_format(builder, "%s/" RUNTIME_QEMU "/%s", builder->context->directory, part->alias);
        if (builder->files) {
                builder_choose_now(element, "socket", path);
                g_ptr_array_add(builder->line->paths, g_strdup(path));
        }
        return path ? path : builder_format(builder, "%s.sock", part->alias);
}

/* QEMU cuts off, without a word, what VNC cannot use. */
static void check_length(Builder *builder, xmlNode *secret) {
        const File *file = builder_file(builder, secret);
        struct stat status;
        if (file && !builder->error && fstat(file->fd, &status) == 0 && status.st_size > VNC_PASSWORD_MAX)
                virtbus_error_set(
                                &builder->error, VIRTBUS_ERROR_OPERATION_INVALID,
                                "%s needs %s: its value is longer than the %d bytes that VNC takes as a password; set a shorter "
                                "one, virtbusctl secret set-value, or use spice",
                                file->whose, file->path, VNC_PASSWORD_MAX);
}

static void expire_password(Builder *builder, xmlNode *element, const char *protocol) {
        const char *valid = builder_get(builder, element, "@passwdValidTo");
        g_autoptr(GTimeZone) utc = g_time_zone_new_utc();
        g_autoptr(GDateTime) time = valid ? g_date_time_new_from_iso8601(valid, utc) : NULL;
        if (valid && !time)
                builder_invalid(builder, element, "passwdValidTo is '%.32s'; it must be like 2030-01-31T12:00:00", valid);
        else if (time)
                builder_add_command(builder, "expire_password",
                                    json_make("protocol", 's', protocol, "time", 's',
                                              builder_format(builder, "%" PRId64, g_date_time_to_unix(time)), NULL));
}

/* The password is in the document, or a secret's value. Returns how the display's option says so, or NULL where it has none. */
static const char *add_password(Builder *builder, xmlNode *element, const DeviceDefinition *part, const char *in_document) {
        const char *password = builder_get(builder, element, "@passwd"),
                   *connected = builder_choose(builder, element, "@connected", "keep disconnect fail"), *option = in_document;
        xmlNode *secret = builder_element(builder, element, "secret");
        builder_know(builder, element, "@passwdValidTo");
        if (secret) {
                builder_choose(builder, secret, "@type", "passphrase");
                if (strcmp(part->type, "vnc") == 0)
                        check_length(builder, secret);
                option = builder_format(builder, ",password-secret=%s",
                                        builder_add_secret(builder, secret, builder_format(builder, "%s-secret0", part->alias)));
        } else if (password)
                builder_add_command(builder, "set_password",
                                    json_make("protocol", 's', part->type, "password", 's', password, "connected", 's', connected,
                                              NULL));
        if (secret || password)
                expire_password(builder, element, part->type);
        return secret || password ? option : NULL;
}

static void add_keymap(Builder *builder, xmlNode *element) {
        if (builder_get(builder, element, "@keymap"))
                builder_add(builder, "-k", "%s", builder_get(builder, element, "@keymap"));
}

/* Gives QEMU a socket that listens where its display is to be, so that it needs no network of its own for that. False where it
 * has to listen by itself: at an address by name, and for web sockets; and where none can be plugged. */
static bool hand_listener_over(Builder *builder, const xmlNode *element, const char *address, unsigned port) {
        if (!builder->files || builder->live || builder->error || xmlHasProp((xmlNode *) element, (const xmlChar *) "websocket"))
                return false;
        g_autoptr(GError) failure = NULL;
        int fd = port_listen(address, port, &failure);
        if (failure)
                builder_fail(builder, virtbus_error_code(failure), element, "%s", failure->message);
        if (fd < 0)
                return false;
        JsonArray *addresses = json_array_new();
        json_array_add_object_element(addresses, json_make("type", 's', "fd", "str", 's', VNC_LISTENER, NULL));
        JsonObject *update = json_make("type", 's', "vnc", NULL);
        json_object_set_array_member(update, "addresses", addresses);
        builder_add_command_with_fd(builder, "getfd", json_make("fdname", 's', VNC_LISTENER, NULL), fd);
        builder_add_command(builder, "display-update", update);
        return true;
}

/* Where nothing else is said. */
#define OWN_ADDRESS "127.0.0.1"

/* The live document says where the display is: clients look there, older ones for the attribute. */
static const char *choose_address(Builder *builder, xmlNode *element, xmlNode *listen, const char *address) {
        if (!address && builder->files && !builder->error) {
                builder_choose_now(element, "listen", OWN_ADDRESS);
                if (listen)
                        builder_choose_now(listen, "address", OWN_ADDRESS);
        }
        return address ? address : OWN_ADDRESS;
}

/* VNC by web sockets too, at a port that the document names or leaves open (-1). A display that has no address has none. */
static void add_web_socket(Builder *builder, xmlNode *element, const DeviceDefinition *part, const char *place, GString *option) {
        const char *port = builder_get(builder, element, "@websocket");
        if (port && strcmp(port, "-1") != 0)
                g_string_append_printf(option, ",websocket=%" PRIu64,
                                       builder_number(builder, element, "@websocket", 1, 65535, 0));
        else if (port && place && builder->files && !builder->error) {
                unsigned chosen = port_choose(builder->context->connection, builder->definition->uuid, part->alias, place,
                                              PORT_OF_WEB_SOCKETS, &builder->error);
                builder_choose_now(element, "websocket", builder_format(builder, "%u", chosen));
                g_string_append_printf(option, ",websocket=%u", chosen);
        } else if (port && place)
                g_string_append(option, ",websocket=on");
}

static void build_vnc(Builder *builder, xmlNode *element, const DeviceDefinition *part) {
        xmlNode *listen = builder_element(builder, element, "listen");
        const char *port = builder_get(builder, element, "@port"), *address = listen_address(builder, element),
                   *how = builder_choose(builder, listen, "@type", "address network socket none");
        bool automatic = builder_flag(builder, element, "@autoport") == 1 || (port && strcmp(port, "-1") == 0);
        bool tcp = port || automatic || address || (how && (strcmp(how, "address") == 0 || strcmp(how, "network") == 0));
        g_autoptr(GString) option = g_string_new(NULL);
        builder_know(builder, listen, "@socket");
        if (builder_get(builder, element, "@socket") || builder_get(builder, listen, "@socket") ||
            g_strcmp0(how, "socket") == 0 || g_strcmp0(how, "none") == 0)
                tcp = false;
        const char *place = tcp ? choose_address(builder, element, listen, address) : NULL;
        if (tcp && builder->files && !builder->error && (automatic || !port)) {
                /* The live document says which one it is: clients look there. */
                unsigned chosen = port_choose(builder->context->connection, builder->definition->uuid, part->alias, place,
                                              PORT_OF_DISPLAYS, &builder->error);
                builder_choose_now(element, "port", builder_format(builder, "%u", chosen));
                if (hand_listener_over(builder, element, place, chosen))
                        g_string_append(option, "none");
                else
                        g_string_printf(option, "%s:%u", bracketed(builder, place),
                                        MAX(chosen, PORT_OF_DISPLAYS) - PORT_OF_DISPLAYS);
        } else if (tcp) {
                uint64_t display = automatic || !port ? 0
                                                      : builder_number(builder, element, "@port", PORT_OF_DISPLAYS, 65535,
                                                                       PORT_OF_DISPLAYS) -
                                                                        PORT_OF_DISPLAYS;
                if (port && hand_listener_over(builder, element, place, (unsigned) display + PORT_OF_DISPLAYS))
                        g_string_append(option, "none");
                else
                        g_string_printf(option, "%s:%" PRIu64, bracketed(builder, place), display);
                if (automatic || !port)
                        g_string_append_printf(option, ",to=%d", VNC_DISPLAYS_MAX);
        } else if (g_strcmp0(how, "none") == 0)
                g_string_append(option, "none"); /* clients come by Graphics.Open */
        else
                g_string_printf(option, "unix:%s", builder_escape(builder, socket_path(builder, element, part)));
        add_web_socket(builder, element, part, place, option);
        const char *policy = builder_choose(builder, element, "@sharePolicy", "allow-exclusive force-shared ignore");
        if (policy)
                g_string_append_printf(option, ",share=%s", policy);
        const char *password = add_password(builder, element, part, ",password=on");
        if (password)
                g_string_append(option, password);
        if (builder_flag(builder, element, "@powerControl") >= 0)
                g_string_append_printf(option, ",power-control=%s",
                                       builder_flag(builder, element, "@powerControl") ? "on" : "off");
        if (builder_flag(builder, element, "@tls") == 1)
                g_string_append_printf(option, ",tls-creds=%s", build_tls(builder, element, part->alias, true));
        const char *audio = build_sound_audio(builder, element);
        if (audio)
                g_string_append_printf(option, ",audiodev=%s", audio);
        builder_add(builder, "-vnc", "%s", option->str);
        add_keymap(builder, element);
}

static void add_gl(Builder *builder, xmlNode *element, GString *option) {
        xmlNode *gl = builder_element(builder, element, "gl");
        int enable = builder_flag(builder, gl, "@enable");
        const char *node = builder_get(builder, gl, "@rendernode");
        if (enable == 1 || node) {
                if (builder->has_gl)
                        builder_unsupported(builder, element, "QEMU draws one display with OpenGL, not two");
                builder->has_gl = true;
        }
        if (enable == 1 || (enable == 0 && !xml_attribute_is(element, "type", "spice")))
                g_string_append_printf(option, ",gl=%s", enable ? "on" : "off");
        if (node)
                g_string_append_printf(option, ",rendernode=%s", builder_escape(builder, node));
}

static void build_spice(Builder *builder, xmlNode *element, const DeviceDefinition *part) {
        static const struct {
                const char *path, *name, *choices;
        } options[] = {
                { "image/@compression", "image-compression", "auto_glz auto_lz quic glz lz off" },
                { "jpeg/@compression", "jpeg-wan-compression", "auto never always" },
                { "zlib/@compression", "zlib-glz-wan-compression", "auto never always" },
                { "playback/@compression", "playback-compression", "on off" },
                { "streaming/@mode", "streaming-video", "filter all off" },
        };
        xmlNode *listen = builder_element(builder, element, "listen");
        const char *how = builder_choose(builder, listen, "@type", "address network socket none"),
                   *mode = builder_choose(builder, element, "@defaultMode", "any secure insecure"),
                   *address = listen_address(builder, element);
        uint64_t port = builder_is(builder, element, "@port", "-1") ? 0 : builder_number(builder, element, "@port", 0, 65535, 0),
                 tls = builder_is(builder, element, "@tlsPort", "-1") ? 0
                                                                      : builder_number(builder, element, "@tlsPort", 0, 65535, 0);
        bool automatic = builder_flag(builder, element, "@autoport") == 1;
        g_autoptr(GString) option = g_string_new(NULL), channels = g_string_new(NULL);
        builder_know(builder, element, "@socket"); /* of a run: what was saved has it */
        for_each (builder, channel, element, "channel") {
                const char *name = builder_choose(builder, channel, "@name",
                                                  "main display inputs cursor playback record smartcard usbredir"),
                           *channel_mode = builder_choose(builder, channel, "@mode", "any secure insecure");
                if (!name || !channel_mode)
                        builder_invalid(builder, channel, "its attributes name and mode are needed");
                else if (strcmp(channel_mode, "any") != 0)
                        g_string_append_printf(channels, ",%s=%s",
                                               strcmp(channel_mode, "secure") == 0 ? "tls-channel" : "plaintext-channel", name);
        }
        if (builder_get(builder, listen, "@socket") || g_strcmp0(how, "socket") == 0 || (!listen && part->source[0]))
                g_string_printf(option, "unix=on,addr=%s", builder_escape(builder, socket_path(builder, element, part)));
        else if (g_strcmp0(how, "none") == 0 || (port == 0 && tls == 0 && !automatic && !address))
                g_string_append(option, "port=0");
        else {
                const char *place = choose_address(builder, element, listen, address);
                if (builder->files && !builder->error && (automatic || (port == 0 && tls == 0))) {
                        port = port_choose(builder->context->connection, builder->definition->uuid, part->alias, place,
                                           PORT_OF_DISPLAYS, &builder->error);
                        builder_choose_now(element, "port", builder_format(builder, "%" PRIu64, port));
                        tls = automatic ? 0 : tls;
                }
                if (port > 0 || tls == 0)
                        g_string_append_printf(option, "port=%" PRIu64, port);
                if (tls > 0) {
                        builder_not_here(builder, element, "TLS to its display");
                        g_string_append_printf(option, "%stls-port=%" PRIu64, option->len ? "," : "", tls);
                }
                g_string_append_printf(option, ",addr=%s", place);
        }
        if (g_strcmp0(mode, "secure") == 0)
                g_string_append(option, ",tls-channel=default");
        else if (g_strcmp0(mode, "insecure") == 0)
                g_string_append(option, ",plaintext-channel=default");
        g_string_append(option, channels->str);
        for (size_t i = 0; i < G_N_ELEMENTS(options); i++) {
                const char *value = builder_choose(builder, element, options[i].path, options[i].choices);
                if (value)
                        g_string_append_printf(option, ",%s=%s", options[i].name, value);
        }
        const char *mouse = builder_choose(builder, element, "mouse/@mode", "client server");
        if (mouse)
                g_string_append_printf(option, ",agent-mouse=%s", strcmp(mouse, "client") == 0 ? "on" : "off");
        if (builder_flag(builder, element, "clipboard/@copypaste") == 0)
                g_string_append(option, ",disable-copy-paste=on");
        if (builder_flag(builder, element, "filetransfer/@enable") == 0)
                g_string_append(option, ",disable-agent-file-xfer=on");
        add_gl(builder, element, option);
        const char *password = add_password(builder, element, part, "");
        if (password || builder->files)
                g_string_append(option, password ? password : ",disable-ticketing=on");
        g_string_append(option, ",seamless-migration=on");
        builder_add(builder, "-spice", "%s", option->str);
        add_keymap(builder, element);
}

static void build_dbus_display(Builder *builder, xmlNode *element, GString *option) {
        const char *address = builder_get(builder, element, "@address");
        g_string_assign(option, "dbus");
        if (builder_flag(builder, element, "@p2p") == 1)
                g_string_append(option, ",p2p=on");
        else {
                if (!address)
                        builder_not_here(builder, element, "a display on a bus of its own: use p2p='yes'");
                g_string_append_printf(option, ",addr=%s", address ? builder_escape(builder, address) : "unix:path=dbus.sock");
        }
        add_gl(builder, element, option);
        if (builder_get(builder, element, "audio/@id"))
                g_string_append_printf(option, ",audiodev=%s", build_sound_audio(builder, element));
}

void build_graphics(Builder *builder, xmlNode *element, const DeviceDefinition *part) {
        g_autoptr(GString) option = g_string_new(NULL);
        builder_know(builder, element, "@type alias");
        if (strcmp(part->type, "vnc") == 0)
                build_vnc(builder, element, part);
        else if (strcmp(part->type, "spice") == 0)
                build_spice(builder, element, part);
        else if (strcmp(part->type, "dbus") == 0)
                build_dbus_display(builder, element, option);
        else if (strcmp(part->type, "egl-headless") == 0) {
                g_string_assign(option, "egl-headless");
                add_gl(builder, element, option);
                if (builder->has_gl && !builder_get(builder, element, "gl/@rendernode"))
                        builder_unsupported(builder, element, "QEMU draws one display with OpenGL, not two");
                builder->has_gl = true;
        } else if (strcmp(part->type, "sdl") == 0) {
                builder_know(builder, element, "@display @xauth");
                builder_not_here(builder, element, "a window of its own: use vnc or spice");
                g_string_assign(option, "sdl");
                if (builder_flag(builder, element, "@fullscreen") == 1)
                        g_string_append(option, ",full-screen=on");
                add_gl(builder, element, option);
        } else
                builder_unsupported(builder, element, "QEMU has no display of type '%.32s'; use vnc or spice", part->type);
        if (option->len > 0) {
                builder->has_display = true;
                builder_add(builder, "-display", "%s", option->str);
        }
}

/* Video cards */

static uint64_t mebibytes(Builder *builder, xmlNode *model, const char *path, uint64_t otherwise) {
        return builder_number(builder, model, path, 0, UINT32_MAX, otherwise * 1024) / 1024;
}

static void add_memory_of_qxl(Builder *builder, xmlNode *model, JsonObject *device) {
        json_add(device, "max_outputs", 'i', (gint64) builder_number(builder, model, "@heads", 1, 64, 1), "ram_size", 'i',
                 (gint64) (builder_number(builder, model, "@ram", 0, UINT32_MAX, 65536) * 1024), "vram_size", 'i',
                 (gint64) (builder_number(builder, model, "@vram", 0, UINT32_MAX, 65536) * 1024), "vram64_size_mb", 'i',
                 (gint64) mebibytes(builder, model, "@vram64", 0), "vgamem_mb", 'i',
                 (gint64) mebibytes(builder, model, "@vgamem", 16), NULL);
}

static void check_videos(Builder *builder, xmlNode *element) {
        unsigned n = 0, n_primary = 0;
        bool none = false;
        for (xmlNode *other = xml_child(builder->devices, "video"); other; other = xml_next(other, "video")) {
                xmlNode *model = xml_child(other, "model");
                n++;
                n_primary += xml_attribute_is(model, "primary", "yes");
                none |= xml_attribute_is(model, "type", "none");
        }
        if (none && n > 1)
                builder_invalid(builder, element, "a video card of model 'none' must be the only one");
        if (n_primary > 1)
                builder_invalid(builder, element, "only one video card can be the primary one");
}

void build_video(Builder *builder, xmlNode *element, const DeviceDefinition *part) {
        static const struct {
                const char *model, *first, *other;
        } models[] = {
                { "vga", "VGA", "secondary-vga" },
                { "cirrus", "cirrus-vga", NULL },
                { "vmvga", "vmware-svga", NULL },
                { "qxl", "qxl-vga", "qxl" },
                { "virtio", "virtio-vga", "virtio-gpu" }, /* with VGA on PCs alone */
                { "bochs", "bochs-display", "bochs-display" },
                { "ramfb", "ramfb", NULL },
                { "", "cirrus-vga", NULL },
        };
        xmlNode *model = builder_element(builder, element, "model");
        bool first = device_elements_primary_video(builder->devices) == element,
             vhost_user = builder_is(builder, element, "driver/@name", "vhostuser");
        const char *driver = NULL;
        builder_choose(builder, element, "driver/@name", "qemu vhostuser");
        check_videos(builder, element);
        builder_know(builder, element,
                     "model/@type model/@primary model/@heads model/@vram model/@ram model/@vgamem model/acceleration/@accel2d "
                     "driver/@vgaconf");
        if (strcmp(part->model, "none") == 0) {
                builder_know_turned_off(builder, element);
                return;
        }
        bool virtio = strcmp(part->model, "virtio") == 0,
             accelerated = builder_flag(builder, model, "acceleration/@accel3d") == 1;
        for (size_t i = 0; i < G_N_ELEMENTS(models); i++)
                if (strcmp(part->model, models[i].model) == 0)
                        driver = first ? models[i].first : models[i].other;
        if (!driver) {
                builder_unsupported(builder, model ? model : element, "QEMU has no %svideo card of model '%.32s'",
                                    first ? "" : "second ", part->model);
                return;
        }
        JsonObject *device;
        if (virtio) {
                const Capabilities *capabilities = builder->context->capabilities;
                bool has_vga = first && (builder->kind->is_x86 || (builder->kind->has_bridges && capabilities &&
                                                                   capabilities_has_device(capabilities, driver)));
                if (!has_vga)
                        driver = "virtio-gpu";
                if (vhost_user)
                        driver = has_vga ? "vhost-user-vga" : "vhost-user-gpu";
                else if (accelerated)
                        driver = has_vga ? "virtio-vga-gl" : "virtio-gpu-gl";
                device = g_str_has_suffix(driver, "gpu") || g_str_has_suffix(driver, "gpu-gl")
                                         ? builder_virtio_device_new(builder, element, part, driver)
                                         : builder_device_new(driver, part);
                builder_add_virtio_options(builder, element, device);
                json_add(device, "max_outputs", 'i', (gint64) builder_number(builder, model, "@heads", 1, 16, 1), NULL);
                int blob = builder_switch(builder, model, "@blob");
                if (blob >= 0)
                        json_add(device, "blob", 'b', blob, NULL);
                if (vhost_user) {
                        const char *chardev = builder_format(builder, "chr-vu-%s", part->alias);
                        builder_not_here(builder, element, "a video card of another process");
                        builder_know(builder, element, "model/acceleration");
                        builder_add_options(builder, "-chardev",
                                            json_make("backend", 's', "socket", "id", 's', chardev, "path", 's',
                                                      "vhost-user-gpu.sock", NULL));
                        json_add(device, "chardev", 's', chardev, NULL);
                }
        } else {
                device = builder_device_new(driver, part);
                if (strcmp(part->model, "qxl") == 0)
                        add_memory_of_qxl(builder, model, device);
                else if ((strcmp(part->model, "vga") == 0 || strcmp(part->model, "vmvga") == 0) &&
                         builder_get(builder, model, "@vram"))
                        json_add(device, "vgamem_mb", 'i', (gint64) MAX(mebibytes(builder, model, "@vram", 16), 1), NULL);
                else if (strcmp(part->model, "bochs") == 0 && builder_get(builder, model, "@vram"))
                        json_add(device, "vgamem", 'i',
                                 (gint64) (builder_number(builder, model, "@vram", 0, UINT32_MAX, 0) * 1024), NULL);
        }
        static const Property resolution[] = {
                { "model/resolution/@x", "xres", PROPERTY_NUMBER },
                { "model/resolution/@y", "yres", PROPERTY_NUMBER },
        };
        builder_copy_properties(builder, element, device, resolution, G_N_ELEMENTS(resolution));
        builder_add_device(builder, element, device);
}

/* Input */

void build_input(Builder *builder, xmlNode *element, const DeviceDefinition *part) {
        static const struct {
                const char *type, *bus, *driver;
        } inputs[] = {
                { "mouse", "ps2", NULL }, /* part of the machine */
                { "keyboard", "ps2", NULL },
                { "mouse", "usb", "usb-mouse" },
                { "keyboard", "usb", "usb-kbd" },
                { "tablet", "usb", "usb-tablet" },
                { "mouse", "virtio", "virtio-mouse" },
                { "keyboard", "virtio", "virtio-keyboard" },
                { "tablet", "virtio", "virtio-tablet" },
                { "passthrough", "virtio", "virtio-input-host" },
        };
        const char *type = builder_require(builder, element, "@type"), *bus;
        if (strcmp(type, "evdev") == 0) {
                if (builder_get(builder, element, "@bus"))
                        builder_invalid(builder, element, "an input device of type evdev is on no bus: leave out its bus");
                static const Property properties[] = {
                        { "source/@grab", "grab_all", PROPERTY_STRING },
                        { "source/@repeat", "repeat", PROPERTY_BOOL },
                        { "source/@grabToggle", "grab-toggle", PROPERTY_STRING },
                };
                JsonObject *object = json_make("qom-type", 's', "input-linux", "id", 's', part->alias, "evdev", 's',
                                               builder_require(builder, element, "source/@dev"), NULL);
                builder_copy_properties(builder, element, object, properties + 1, 2);
                if (builder_is(builder, element, "source/@grab", "all"))
                        json_add(object, "grab_all", 'b', TRUE, NULL);
                builder_know(builder, element, "alias");
                builder_choose(builder, element, "source/@grab", "all");
                builder_choose(builder, element, "source/@grabToggle",
                               "ctrl-ctrl alt-alt shift-shift meta-meta scrolllock ctrl-scrolllock");
                builder_add_json(builder, "-object", object);
                return;
        }
        bus = builder_require(builder, element, "@bus");
        if (strcmp(bus, "virtio") == 0)
                builder_know(builder, element, "@model");
        for (size_t i = 0; i < G_N_ELEMENTS(inputs); i++)
                if (strcmp(type, inputs[i].type) == 0 && strcmp(bus, inputs[i].bus) == 0) {
                        bool virtio = strcmp(bus, "virtio") == 0;
                        if (!inputs[i].driver) {
                                builder_know(builder, element, "alias");
                                return;
                        }
                        JsonObject *device = virtio ? builder_virtio_device_new(builder, element, part, inputs[i].driver)
                                                    : builder_device_new(inputs[i].driver, part);
                        if (strcmp(type, "passthrough") == 0) {
                                json_add(device, "evdev", 's', builder_require(builder, element, "source/@evdev"), NULL);
                        }
                        builder_add_device(builder, element, device);
                        return;
                }
        builder_unsupported(builder, element, "QEMU has no input device of type '%.32s' on bus '%.32s'", type, bus);
}
