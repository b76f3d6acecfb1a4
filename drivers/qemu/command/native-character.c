/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/command/native-character.h"

#include <string.h>

#include "qemu/command/native-address.h"

void native_character_read(NativeReader *reader, xmlNode *element, GHashTable *properties, const char *what) {
        static const char *const plain[] = { "pty", "null", "vc", "spicevmc", NULL };
        g_autofree char *type = native_take(properties, "backend"), *path = native_take(properties, "path"),
                        *server = native_take(properties, "server"), *host = native_take(properties, "host"),
                        *port = native_take(properties, "port"), *telnet = native_take(properties, "telnet"),
                        *name = native_take(properties, "name");
        bool is_socket = g_strcmp0(type, "socket") == 0, listens = native_is_on(server);
        native_drop(properties, "signal mux");
        if (g_strcmp0(type, "stdio") == 0) /* whoever sits at QEMU's own terminal has a console of the service's then */
                native_set(element, "type", "pty");
        else if (type && g_strv_contains(plain, type))
                native_set(element, "type", type);
        else if (g_strcmp0(type, "spiceport") == 0) {
                native_set(element, "type", type);
                native_set(xml_add(element, "source", NULL), "channel", name);
        } else if (path && (g_strcmp0(type, "file") == 0 || g_strcmp0(type, "pipe") == 0 || g_strcmp0(type, "serial") == 0 ||
                            g_strcmp0(type, "parallel") == 0)) {
                g_autofree char *append = native_take(properties, "append");
                native_set(element, "type", strcmp(type, "file") == 0 || strcmp(type, "pipe") == 0 ? type : "dev");
                xmlNode *source = xml_add(element, "source", NULL);
                native_set(source, "path", path);
                native_set(source, "append", append);
        } else if (is_socket && (path || port)) {
                native_set(element, "type", path ? "unix" : "tcp");
                xmlNode *source = xml_add(element, "source", NULL);
                native_set(source, "mode", listens ? "bind" : "connect");
                native_set(source, "path", path);
                native_set(source, "host", path ? NULL : host && *host ? host : "0.0.0.0");
                native_set(source, "service", port);
                if (port)
                        native_set(xml_add(element, "protocol", NULL), "type", native_is_on(telnet) ? "telnet" : "raw");
                native_drop(properties, "wait delay nodelay");
        } else
                native_fail(reader, VIRTBUS_ERROR_UNSUPPORTED, "%s: type '%.32s' has no counterpart here", what,
                            type ? type : "");
        g_autofree char *log = native_take(properties, "logfile"), *append_log = native_take(properties, "logappend");
        if (log) {
                xmlNode *file = xml_add(element, "log", NULL);
                native_set(file, "file", log);
                native_set(file, "append", append_log);
        }
        native_check_empty(reader, properties, what);
}

void native_character_device(NativeReader *reader, GHashTable *device, const char *driver) {
        g_autofree char *id = native_take(device, "chardev"), *name = native_take(device, "name");
        NativeBackend *backend = native_find_backend(reader, "chardev", id);
        bool channel = strcmp(driver, "virtserialport") == 0, console = strcmp(driver, "virtconsole") == 0;
        xmlNode *element = xml_add(reader->devices, channel ? "channel" : console ? "console" : "serial", NULL);
        if (backend)
                native_character_read(reader, element, backend->properties, "-chardev");
        else
                native_fail(reader, VIRTBUS_ERROR_INVALID_ARGUMENT, "-device %s: there is no -chardev '%.64s'", driver,
                            id ? id : "");
        if (channel || console) {
                xmlNode *target = xml_add(element, "target", NULL);
                native_set(target, "type", "virtio");
                native_set(target, "name", name);
                g_autofree char *bus = native_take(device, "bus"), *port = native_take(device, "nr");
                unsigned controller = 0;
                if (bus &&
                    native_find_controller(reader, "virtio-serial", bus, (const char *[]){ "virtio-serial", NULL },
                                           &controller) &&
                    port) {
                        xmlNode *address = native_add_address(element, "virtio-serial");
                        xml_set_number(address, "controller", controller);
                        native_set(address, "port", port);
                }
        }
        if (strcmp(driver, "pci-serial") == 0 || strcmp(driver, "usb-serial") == 0) {
                native_set(xml_add(element, "target", NULL), "type", driver);
                if (driver[0] == 'p')
                        native_pci_address(reader, device, element);
                else
                        native_usb_address(reader, device, element);
        }
        native_drop(device, "index");
}

/* "pty", "file:PATH", "tcp:HOST:PORT,server,nowait", "unix:PATH,server", "/dev/ttyS0": as a -chardev says it; NULL of what is none. */
static GHashTable *parse_short(NativeReader *reader, const char *text) {
        static const struct {
                const char *prefix, *backend, *first;
        } kinds[] = { { "file:", "file", "path" },     { "pipe:", "pipe", "path" },        { "unix:", "socket", "path" },
                      { "tcp:", "socket", "address" }, { "telnet:", "socket", "address" }, { "/dev/parport", "parallel", NULL },
                      { "/dev/", "serial", NULL } };
        size_t kind = 0;
        while (kind < G_N_ELEMENTS(kinds) && !g_str_has_prefix(text, kinds[kind].prefix))
                kind++;
        if (kind == G_N_ELEMENTS(kinds)) {
                GHashTable *properties = native_parse(reader, "", NULL);
                g_hash_table_insert(properties, g_strdup("backend"), g_strdup(g_str_has_prefix(text, "vc:") ? "vc" : text));
                return properties;
        }
        GHashTable *properties = native_parse(reader, text + (kinds[kind].first ? strlen(kinds[kind].prefix) : 0),
                                              kinds[kind].first ? kinds[kind].first : "path");
        g_autofree char *address = native_take(properties, "address");
        char *colon = address ? strrchr(address, ':') : NULL;
        g_hash_table_insert(properties, g_strdup("backend"), g_strdup(kinds[kind].backend));
        if (strcmp(kinds[kind].prefix, "telnet:") == 0)
                g_hash_table_insert(properties, g_strdup("telnet"), g_strdup("on"));
        if (colon) {
                g_hash_table_insert(properties, g_strdup("host"), g_strndup(address, (gsize) (colon - address)));
                g_hash_table_insert(properties, g_strdup("port"), g_strdup(colon + 1));
        }
        native_drop(properties, "nowait");
        return properties;
}

static void read_port(NativeReader *reader, const char *element, const char *option, const char *text) {
        const char *rest = g_str_has_prefix(text, "mon:") ? text + strlen("mon:") : text;
        if (strcmp(rest, "none") == 0)
                return;
        xmlNode *port = xml_add(reader->devices, element, NULL);
        if (g_str_has_prefix(rest, "chardev:")) {
                NativeBackend *backend = native_find_backend(reader, "chardev", rest + strlen("chardev:"));
                if (backend)
                        native_character_read(reader, port, backend->properties, "-chardev");
                else
                        native_fail(reader, VIRTBUS_ERROR_INVALID_ARGUMENT, "%s: there is no -chardev '%.64s'", option,
                                    rest + strlen("chardev:"));
                return;
        }
        g_autoptr(GHashTable) properties = parse_short(reader, rest);
        native_character_read(reader, port, properties, option);
}

void native_character_serial(NativeReader *reader, const char *text) {
        read_port(reader, "serial", "-serial", text);
}

void native_character_parallel(NativeReader *reader, const char *text) {
        read_port(reader, "parallel", "-parallel", text);
}

void native_character_no_graphics(NativeReader *reader) {
        if (!xml_child(reader->devices, "serial"))
                native_set(xml_add(reader->devices, "serial", NULL), "type", "pty");
}
