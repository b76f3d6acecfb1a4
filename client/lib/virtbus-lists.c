/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "virtbus-lists.h"

#include <string.h>

#include "virtbus-generated.h"

/* Proxies. Jobs count on: a longer path is a later one. */

static int compare_paths(const char *a, const char *b) {
        size_t a_length = strlen(a), b_length = strlen(b);
        return a_length != b_length ? (a_length > b_length) - (a_length < b_length) : strcmp(a, b);
}

static int compare_proxies(gconstpointer a, gconstpointer b, gpointer data) {
        g_autoptr(GVariant) a_name = g_dbus_proxy_get_cached_property((GDBusProxy *) a, "Name"),
                            b_name = g_dbus_proxy_get_cached_property((GDBusProxy *) b, "Name");
        (void) data;
        int order = a_name && b_name ? strcmp(g_variant_get_string(a_name, NULL), g_variant_get_string(b_name, NULL)) : 0;
        return order ? order
                     : compare_paths(g_dbus_proxy_get_object_path((GDBusProxy *) a),
                                     g_dbus_proxy_get_object_path((GDBusProxy *) b));
}

static void on_renamed(GDBusProxy *proxy, GVariant *changed, const char *const *invalidated, GListStore *list) {
        g_autoptr(GVariant) name = g_variant_lookup_value(changed, "Name", NULL);
        (void) proxy;
        (void) invalidated;
        if (name)
                g_list_store_sort(list, compare_proxies, NULL);
}

GListStore *list_new(GType type) {
        return g_list_store_new(type);
}

void list_add(GListStore *list, gpointer proxy) {
        g_list_store_insert_sorted(list, proxy, compare_proxies, NULL);
        g_signal_connect_object(proxy, "g-properties-changed", G_CALLBACK(on_renamed), list, 0);
}

void list_remove(GListStore *list, gpointer proxy) {
        guint position;
        g_signal_handlers_disconnect_by_func(proxy, on_renamed, list);
        if (g_list_store_find(list, proxy, &position))
                g_list_store_remove(list, position);
}

/* Devices */

static int compare_objects(gconstpointer a, gconstpointer b, gpointer data) {
        (void) data;
        return strcmp(g_dbus_object_get_object_path((GDBusObject *) a), g_dbus_object_get_object_path((GDBusObject *) b));
}

static void on_device_added(GDBusObjectManager *manager, GDBusObject *object, GListStore *list) {
        VirtbusDevice *device = virtbus_object_peek_device(VIRTBUS_OBJECT(object));
        (void) manager;
        if (device)
                g_list_store_insert_sorted(list, object, compare_objects, NULL);
}

static void on_device_removed(GDBusObjectManager *manager, GDBusObject *object, GListStore *list) {
        guint position;
        (void) manager;
        if (g_list_store_find(list, object, &position))
                g_list_store_remove(list, position);
}

static void on_devices_ready(GObject *source, GAsyncResult *result, gpointer data) {
        g_autoptr(GListStore) list = data;
        g_autoptr(GDBusObjectManager) manager = virtbus_object_manager_client_new_finish(result, NULL);
        (void) source;
        if (!manager)
                return; /* the domain has gone meanwhile, or may not be read */
        g_autolist(GDBusObject) objects = g_dbus_object_manager_get_objects(manager);
        for (GList *link = objects; link; link = link->next)
                on_device_added(manager, link->data, list);
        g_signal_connect_object(manager, "object-added", G_CALLBACK(on_device_added), list, 0);
        g_signal_connect_object(manager, "object-removed", G_CALLBACK(on_device_removed), list, 0);
        /* The list's holder keeps the manager, and the manager follows for the list. */
        g_object_set_data_full(G_OBJECT(list), "virtbus-manager", g_steal_pointer(&manager), g_object_unref);
}

GListModel *list_of_devices(GDBusConnection *bus, const char *name, const char *path) {
        GListStore *list = g_list_store_new(VIRTBUS_TYPE_OBJECT);
        virtbus_object_manager_client_new(bus, G_DBUS_OBJECT_MANAGER_CLIENT_FLAGS_NONE, name, path, NULL, on_devices_ready,
                                          g_object_ref(list));
        return G_LIST_MODEL(list);
}
