/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "virtbus-domains.h"

#include <string.h>

#include "parts.h"

#define BUS_NAME "org.virtbus1"
#define DOMAIN_INTERFACE BUS_NAME ".Domain"
#define OBJECT_MANAGER "org.freedesktop.DBus.ObjectManager"
#define PROPERTIES "org.freedesktop.DBus.Properties"

struct Domains {
        GDBusConnection *bus;
        char *owner, *path;
        const DomainsListener *listener;
        gpointer data;
        GHashTable *proxies; /* path, which the proxy has -> VirtbusDomain */
        guint subscription;
        enum { UNREAD, READING, READ } state;
        GQueue held; /* Signal: what comes while parts do */
};

typedef struct Signal {
        char *path, *interface, *member;
        GVariant *arguments;
} Signal;

/* One more */

static VirtbusDomain *make_proxy(Domains *domains, const char *path) {
        /* Nothing is asked for or waited for: the name is a unique one. It begins in the caller's context, which is where its
         * name's end is told. */
        return g_initable_new(VIRTBUS_TYPE_DOMAIN_PROXY, NULL, NULL, "g-connection", domains->bus, "g-flags",
                              G_DBUS_PROXY_FLAGS_DO_NOT_LOAD_PROPERTIES | G_DBUS_PROXY_FLAGS_DO_NOT_CONNECT_SIGNALS, "g-name",
                              domains->owner, "g-object-path", path, "g-interface-name", DOMAIN_INTERFACE, NULL);
}

/* Takes what an object is now; one that is known already is told anew, by a signal that came ahead of its part or after. Children
 * are taken one by one: formats with "&" would have the whole of a large answer copied first. */
static void take(Domains *domains, const char *path, GVariant *interfaces) {
        g_autoptr(GVariant) properties = g_variant_lookup_value(interfaces, DOMAIN_INTERFACE, G_VARIANT_TYPE_VARDICT);
        VirtbusDomain *known = domains_find(domains, path);
        g_autoptr(VirtbusDomain) domain = known ? g_object_ref(known) : properties ? make_proxy(domains, path) : NULL;
        if (!domain || !properties)
                return;
        for (gsize i = 0; i < g_variant_n_children(properties); i++) {
                g_autoptr(GVariant) entry = g_variant_get_child_value(properties, i), name = g_variant_get_child_value(entry, 0),
                                    boxed = g_variant_get_child_value(entry, 1), value = g_variant_get_variant(boxed);
                g_dbus_proxy_set_cached_property(G_DBUS_PROXY(domain), g_variant_get_string(name, NULL), value);
        }
        if (known)
                return;
        g_hash_table_insert(domains->proxies, (gpointer) g_dbus_proxy_get_object_path(G_DBUS_PROXY(domain)),
                            g_object_ref(domain));
        domains->listener->added(domains->data, domain);
}

static void drop(Domains *domains, const char *path) {
        g_autoptr(VirtbusDomain) domain = NULL;
        g_hash_table_steal_extended(domains->proxies, path, NULL, (gpointer *) &domain);
        if (domain)
                domains->listener->removed(domains->data, domain);
}

/* Signals */

static void on_changed(Domains *domains, const char *path, GVariant *arguments) {
        VirtbusDomain *known = domains_find(domains, path);
        g_autoptr(VirtbusDomain) domain = known ? g_object_ref(known) : NULL;
        g_autoptr(GVariant) changed = NULL;
        g_autofree const char **invalidated = NULL;
        GVariantIter iterator;
        const char *interface, *name;
        GVariant *value;
        if (!domain || !g_variant_is_of_type(arguments, G_VARIANT_TYPE("(sa{sv}as)")))
                return;
        g_variant_get(arguments, "(&s@a{sv}^a&s)", &interface, &changed, &invalidated);
        if (strcmp(interface, DOMAIN_INTERFACE) != 0)
                return;
        g_variant_iter_init(&iterator, changed);
        while (g_variant_iter_next(&iterator, "{&sv}", &name, &value)) {
                g_dbus_proxy_set_cached_property(G_DBUS_PROXY(domain), name, value);
                g_variant_unref(value);
        }
        for (gsize i = 0; invalidated[i]; i++)
                g_dbus_proxy_set_cached_property(G_DBUS_PROXY(domain), invalidated[i], NULL);
        g_signal_emit_by_name(domain, "g-properties-changed", changed, invalidated);
}

static void on_added(Domains *domains, GVariant *arguments) {
        g_autoptr(GVariant) interfaces = NULL;
        const char *path;
        if (!g_variant_is_of_type(arguments, G_VARIANT_TYPE("(oa{sa{sv}})")))
                return;
        g_variant_get(arguments, "(&o@a{sa{sv}})", &path, &interfaces);
        take(domains, path, interfaces);
}

static void on_removed(Domains *domains, GVariant *arguments) {
        g_autofree const char **interfaces = NULL;
        const char *path;
        if (!g_variant_is_of_type(arguments, G_VARIANT_TYPE("(oas)")))
                return;
        g_variant_get(arguments, "(&o^a&s)", &path, &interfaces);
        if (g_strv_contains(interfaces, DOMAIN_INTERFACE))
                drop(domains, path);
}

static void take_signal(Domains *domains, const char *path, const char *interface, const char *member, GVariant *arguments) {
        if (strcmp(interface, OBJECT_MANAGER) == 0 && strcmp(path, domains->path) == 0) {
                if (strcmp(member, "InterfacesAdded") == 0)
                        on_added(domains, arguments);
                else if (strcmp(member, "InterfacesRemoved") == 0)
                        on_removed(domains, arguments);
        } else if (strcmp(interface, PROPERTIES) == 0 && strcmp(member, "PropertiesChanged") == 0)
                on_changed(domains, path, arguments);
        else if (strcmp(interface, DOMAIN_INTERFACE) == 0) {
                VirtbusDomain *known = domains_find(domains, path);
                g_autoptr(VirtbusDomain) domain = known ? g_object_ref(known) : NULL;
                if (domain)
                        g_signal_emit_by_name(domain, "g-signal", domains->owner, member, arguments);
        }
}

static void signal_free(Signal *signal) {
        g_free(signal->path);
        g_free(signal->interface);
        g_free(signal->member);
        g_variant_unref(signal->arguments);
        g_free(signal);
}

static void on_signal(GDBusConnection *bus, const char *sender, const char *path, const char *interface, const char *member,
                      GVariant *arguments, gpointer data) {
        Domains *domains = data;
        gsize length = strlen(domains->path);
        (void) bus;
        (void) sender;
        if (strncmp(path, domains->path, length) != 0 || (path[length] && path[length] != '/'))
                return;
        if (domains->state != READING) {
                take_signal(domains, path, interface, member, arguments);
                return;
        }
        Signal *signal = g_new(Signal, 1);
        *signal = (Signal){ g_strdup(path), g_strdup(interface), g_strdup(member), g_variant_ref(arguments) };
        g_queue_push_tail(&domains->held, signal);
}

/* The parts have come, or will not. Signals that came meanwhile are taken in their order: whether one was sent before an object's
 * part or after, the last one about it tells what it is now, and where there is none its part does. */
static void end_reading(Domains *domains, gboolean is_read) {
        Signal *signal;
        domains->state = is_read ? READ : UNREAD;
        while ((signal = g_queue_pop_head(&domains->held))) {
                take_signal(domains, signal->path, signal->interface, signal->member, signal->arguments);
                signal_free(signal);
        }
}

/* The list */

static void take_object(gpointer data, const char *path, GVariant *interfaces) {
        take(data, path, interfaces);
}

static PartsList list_of(Domains *domains) {
        return (PartsList){ .bus = domains->bus,
                            .service = BUS_NAME,
                            .path = domains->path,
                            .interface = DOMAIN_INTERFACE,
                            .timeout = -1,
                            .each = take_object,
                            .data = domains };
}

static void on_list(GObject *source, GAsyncResult *result, gpointer data) {
        g_autoptr(GTask) task = data;
        GError *error = NULL;
        gboolean is_read = parts_load_finish(result, &error);
        (void) source;
        /* Those that are cancelled may be freed. */
        if (g_task_return_error_if_cancelled(task)) {
                g_clear_error(&error);
                return;
        }
        end_reading(g_task_get_task_data(task), is_read);
        if (is_read)
                g_task_return_boolean(task, TRUE);
        else
                g_task_return_error(task, error);
}

void domains_load(Domains *domains, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer data) {
        GTask *task = g_task_new(NULL, cancellable, callback, data);
        PartsList list = list_of(domains);
        g_task_set_task_data(task, domains, NULL);
        domains->state = READING;
        parts_load(&list, cancellable, on_list, task);
}

gboolean domains_load_finish(GAsyncResult *result, GError **error) {
        return g_task_propagate_boolean(G_TASK(result), error);
}

gboolean domains_load_sync(Domains *domains, GCancellable *cancellable, GError **error) {
        PartsList list = list_of(domains);
        domains->state = parts_load_sync(&list, cancellable, error) ? READ : UNREAD;
        return domains->state == READ;
}

/* What is known */

Domains *domains_new(GDBusConnection *bus, const char *owner, const char *path, const DomainsListener *listener, gpointer data) {
        Domains *domains = g_new0(Domains, 1);
        *domains = (Domains){
                .bus = g_object_ref(bus),
                .owner = g_strdup(owner),
                .path = g_strdup(path),
                .listener = listener,
                .data = data,
                .proxies = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, g_object_unref),
        };
        domains->subscription = g_dbus_connection_signal_subscribe(bus, owner, NULL, NULL, NULL, NULL,
                                                                   G_DBUS_SIGNAL_FLAGS_NO_MATCH_RULE, on_signal, domains, NULL);
        return domains;
}

void domains_free(Domains *domains) {
        g_dbus_connection_signal_unsubscribe(domains->bus, domains->subscription);
        g_queue_clear_full(&domains->held, (GDestroyNotify) signal_free);
        g_hash_table_unref(domains->proxies);
        g_object_unref(domains->bus);
        g_free(domains->owner);
        g_free(domains->path);
        g_free(domains);
}

gboolean domains_are_read(const Domains *domains) {
        return domains->state != UNREAD;
}

void domains_each(Domains *domains, void (*each)(gpointer data, VirtbusDomain *domain), gpointer data) {
        GHashTableIter iterator;
        gpointer domain;
        g_hash_table_iter_init(&iterator, domains->proxies);
        while (g_hash_table_iter_next(&iterator, NULL, &domain))
                each(data, domain);
}

VirtbusDomain *domains_find(Domains *domains, const char *path) {
        return g_hash_table_lookup(domains->proxies, path);
}
