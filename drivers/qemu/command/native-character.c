/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/command/native-character.h"

#include <string.h>

#include "qemu/command/native-address.h"

/* Character devices */

static void read_character(NativeReader *reader, xmlNode *element, GHashTable *properties, const char *what) {
        g_autofree char *type = native_take(properties, "backend"), *path = native_take(properties, "path"),
                        *server = native_take(properties, "server");
        bool listens = native_is_on(server);
        if (g_strcmp0(type, "pty") == 0 || g_strcmp0(type, "null") == 0 || g_strcmp0(type, "stdio") == 0) {
                /* Whoever sits at QEMU's own terminal has a console of the service's then. */
                native_set(element, "type", strcmp(type, "stdio") == 0 ? "pty" : type);
                native_drop(properties, "signal mux");
        } else if (g_strcmp0(type, "file") == 0 || (g_strcmp0(type, "socket") == 0 && path)) {
                native_set(element, "type", strcmp(type, "file") == 0 ? "file" : "unix");
                xmlNode *source = xml_add(element, "source", NULL);
                if (strcmp(type, "socket") == 0)
                        native_set(source, "mode", listens ? "bind" : "connect");
                native_set(source, "path", path);
                native_drop(properties, "wait append");
        } else
                native_fail(reader, VIRTBUS_ERROR_UNSUPPORTED, "%s: type '%.32s' has no counterpart here", what,
                            type ? type : "");
        native_check_empty(reader, properties, what);
}

void native_character_device(NativeReader *reader, GHashTable *device, const char *driver) {
        g_autofree char *id = native_take(device, "chardev"), *name = native_take(device, "name");
        NativeBackend *backend = native_find_backend(reader, "chardev", id);
        bool channel = strcmp(driver, "virtserialport") == 0, console = strcmp(driver, "virtconsole") == 0;
        xmlNode *element = xml_add(reader->devices, channel ? "channel" : console ? "console" : "serial", NULL);
        if (backend)
                read_character(reader, element, backend->properties, "-chardev");
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
        native_drop(device, "index");
}

void native_character_serial(NativeReader *reader, const char *text) {
        g_autoptr(GHashTable) properties = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
        bool file = g_str_has_prefix(text, "file:"), mixed = g_str_has_prefix(text, "mon:");
        if (strcmp(text, "none") == 0)
                return;
        g_hash_table_insert(properties, g_strdup("backend"), g_strdup(file ? "file" : mixed ? text + strlen("mon:") : text));
        if (file)
                g_hash_table_insert(properties, g_strdup("path"), g_strdup(text + strlen("file:")));
        read_character(reader, xml_add(reader->devices, "serial", NULL), properties, "-serial");
}
