/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The devices of a client's domains. */

#include "virtbus-client.h"

#include <string.h>

#define BUS_NAME "org.virtbus1"

/* A manager of them */

static void on_devices_ready(GObject *source, GAsyncResult *result, gpointer data) {
        g_autoptr(GTask) task = data;
        GError *error = NULL;
        GDBusObjectManager *manager = virtbus_object_manager_client_new_finish(result, &error);
        (void) source;
        if (manager)
                g_task_return_pointer(task, manager, g_object_unref);
        else
                g_task_return_error(task, error);
}

/**
 * virtbus_client_get_devices:
 * @client: a client
 * @domain: one of its domains
 * @cancellable: (nullable): stops it
 * @callback: (scope async): called when the devices are known
 * @data: for @callback
 *
 * Begins to follow the devices of a domain.
 *
 * Since: 0.1
 */
void virtbus_client_get_devices(VirtbusClient *client, VirtbusDomain *domain, GCancellable *cancellable,
                                GAsyncReadyCallback callback, gpointer data) {
        virtbus_object_manager_client_new(virtbus_client_get_connection(client), G_DBUS_OBJECT_MANAGER_CLIENT_FLAGS_NONE,
                                          BUS_NAME, g_dbus_proxy_get_object_path(G_DBUS_PROXY(domain)), cancellable,
                                          on_devices_ready, g_task_new(client, cancellable, callback, data));
}

/**
 * virtbus_client_get_devices_finish:
 * @client: a client
 * @result: what the callback was given
 * @error: why there are none
 *
 * Returns: (transfer full): a manager of [iface@Virtbus.Object]s, each with a [iface@Virtbus.Device] and its kind's interface;
 *   it keeps up with them as long as it lives
 *
 * Since: 0.1
 */
GDBusObjectManager *virtbus_client_get_devices_finish(VirtbusClient *client, GAsyncResult *result, GError **error) {
        g_return_val_if_fail(g_task_is_valid(result, client), NULL);
        return g_task_propagate_pointer(G_TASK(result), error);
}

/**
 * virtbus_client_get_devices_sync:
 * @client: a client
 * @domain: one of its domains
 * @cancellable: (nullable): stops it
 * @error: why there are none
 *
 * Begins to follow the devices of a domain.
 *
 * Returns: (transfer full): as virtbus_client_get_devices_finish()
 *
 * Since: 0.1
 */
GDBusObjectManager *virtbus_client_get_devices_sync(VirtbusClient *client, VirtbusDomain *domain, GCancellable *cancellable,
                                                    GError **error) {
        return virtbus_object_manager_client_new_sync(virtbus_client_get_connection(client),
                                                      G_DBUS_OBJECT_MANAGER_CLIENT_FLAGS_NONE, BUS_NAME,
                                                      g_dbus_proxy_get_object_path(G_DBUS_PROXY(domain)), cancellable, error);
}

/* A list that a program can show */

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

static void on_listed(GObject *source, GAsyncResult *result, gpointer data) {
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

/**
 * virtbus_client_get_device_list:
 * @client: a client
 * @domain: one of its domains
 *
 * Begins to follow the devices of a domain. The list is empty at first: the devices come as the service answers.
 *
 * Returns: (transfer full): the domain's devices, each a [iface@Virtbus.Object] with a [iface@Virtbus.Device] and its kind's
 *   interface, in the order of their aliases; it follows them as long as it lives
 *
 * Since: 0.2
 */
GListModel *virtbus_client_get_device_list(VirtbusClient *client, VirtbusDomain *domain) {
        GListStore *list = g_list_store_new(VIRTBUS_TYPE_OBJECT);
        virtbus_object_manager_client_new(virtbus_client_get_connection(client), G_DBUS_OBJECT_MANAGER_CLIENT_FLAGS_NONE,
                                          BUS_NAME, g_dbus_proxy_get_object_path(G_DBUS_PROXY(domain)), NULL, on_listed,
                                          g_object_ref(list));
        return G_LIST_MODEL(list);
}
