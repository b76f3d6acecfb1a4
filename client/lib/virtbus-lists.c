/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "virtbus-lists.h"

#include <string.h>

/* Jobs count on: a longer path is a later one. */

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
