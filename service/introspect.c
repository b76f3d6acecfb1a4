/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "introspect.h"

#include <string.h>

#include "interfaces.h"
#include "paths.h"

#define HEAD \
        "<!DOCTYPE node PUBLIC \"-//freedesktop//DTD D-BUS Object Introspection 1.0//EN\"\n" \
        "\"http://www.freedesktop.org/standards/dbus/1.0/introspect.dtd\">\n<node>\n"

/* D-Bus specification, "Standard Interfaces". */
#define STANDARD_INTERFACES \
        "  <interface name=\"org.freedesktop.DBus.Peer\">\n" \
        "    <method name=\"Ping\"/>\n" \
        "    <method name=\"GetMachineId\"><arg type=\"s\" name=\"machine_uuid\" direction=\"out\"/></method>\n" \
        "  </interface>\n" \
        "  <interface name=\"org.freedesktop.DBus.Introspectable\">\n" \
        "    <method name=\"Introspect\"><arg name=\"xml_data\" type=\"s\" direction=\"out\"/></method>\n" \
        "  </interface>\n"
#define PROPERTIES_INTERFACE \
        "  <interface name=\"org.freedesktop.DBus.Properties\">\n" \
        "    <method name=\"Get\">\n" \
        "      <arg name=\"interface_name\" direction=\"in\" type=\"s\"/>\n" \
        "      <arg name=\"property_name\" direction=\"in\" type=\"s\"/>\n" \
        "      <arg name=\"value\" direction=\"out\" type=\"v\"/>\n" \
        "    </method>\n" \
        "    <method name=\"GetAll\">\n" \
        "      <arg name=\"interface_name\" direction=\"in\" type=\"s\"/>\n" \
        "      <arg name=\"props\" direction=\"out\" type=\"a{sv}\"/>\n" \
        "    </method>\n" \
        "    <method name=\"Set\">\n" \
        "      <arg name=\"interface_name\" direction=\"in\" type=\"s\"/>\n" \
        "      <arg name=\"property_name\" direction=\"in\" type=\"s\"/>\n" \
        "      <arg name=\"value\" direction=\"in\" type=\"v\"/>\n" \
        "    </method>\n" \
        "    <signal name=\"PropertiesChanged\">\n" \
        "      <arg type=\"s\" name=\"interface_name\"/>\n" \
        "      <arg type=\"a{sv}\" name=\"changed_properties\"/>\n" \
        "      <arg type=\"as\" name=\"invalidated_properties\"/>\n" \
        "    </signal>\n" \
        "  </interface>\n"
#define OBJECT_MANAGER_INTERFACE \
        "  <interface name=\"org.freedesktop.DBus.ObjectManager\">\n" \
        "    <method name=\"GetManagedObjects\">\n" \
        "      <arg type=\"a{oa{sa{sv}}}\" name=\"object_paths_interfaces_and_properties\" direction=\"out\"/>\n" \
        "    </method>\n" \
        "    <signal name=\"InterfacesAdded\">\n" \
        "      <arg type=\"o\" name=\"object_path\"/>\n" \
        "      <arg type=\"a{sa{sv}}\" name=\"interfaces_and_properties\"/>\n" \
        "    </signal>\n" \
        "    <signal name=\"InterfacesRemoved\">\n" \
        "      <arg type=\"o\" name=\"object_path\"/>\n" \
        "      <arg type=\"as\" name=\"interfaces\"/>\n" \
        "    </signal>\n" \
        "  </interface>\n"

/* Appends the next element of an object's path below BASE, once. */
static void append_child(GString *xml, GHashTable *seen, const char *base, const char *path) {
        bool root = strcmp(base, "/") == 0;
        if (!root && (!path_is_under(path, base) || strcmp(path, base) == 0))
                return;
        const char *start = path + (root ? 0 : strlen(base)) + 1;
        const char *end = strchrnul(start, '/');
        g_autofree char *name = g_strndup(start, (gsize) (end - start));
        if (g_hash_table_contains(seen, name))
                return;
        g_string_append_printf(xml, "  <node name=\"%s\"/>\n", name);
        g_hash_table_add(seen, g_steal_pointer(&name));
}

char *introspect(Mirror *mirror, const char *path, bool (*may_see)(const Object *object, void *data), void *data) {
        g_autoptr(GString) xml = g_string_new(HEAD);
        g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        Object *nearest = mirror_find_nearest(mirror, path);
        g_string_append(xml, STANDARD_INTERFACES);
        if (!nearest)
                append_child(xml, seen, path, MANAGER_PATH); /* "/" and "/org" */
        else {
                if (strcmp(nearest->path, path) == 0) {
                        bool manages = false;
                        g_string_append(xml, PROPERTIES_INTERFACE);
                        for (size_t i = 0; i < nearest->n_blocks; i++) {
                                g_string_append(xml, nearest->blocks[i].interface->xml);
                                manages |= nearest->blocks[i].interface->manages_objects;
                        }
                        if (manages) {
                                g_string_append(xml, OBJECT_MANAGER_INTERFACE);
                                g_string_append(xml, interface_managed_objects.xml);
                        }
                }
                for (Object *child = nearest->first_child; child; child = child->next)
                        if (may_see(child, data))
                                append_child(xml, seen, path, child->path);
        }
        if (g_hash_table_size(seen) == 0 && !(nearest && strcmp(nearest->path, path) == 0))
                return NULL;
        g_string_append(xml, "</node>\n");
        return g_string_free(g_steal_pointer(&xml), FALSE);
}
