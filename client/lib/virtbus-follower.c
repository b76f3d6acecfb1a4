/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "virtbus-follower.h"

#include "virtbus-domains.h"
#include "virtbus-error.h"

#define BUS_NAME "org.virtbus1"
#define ROOT_PATH "/org/virtbus1"

struct Followed {
        Follower *follower;
        VirtbusConnection *connection;
        Domains *domains;
        GCancellable *cancellable;
};

/* Asks for the manager of what is below a path. The owner is there at least until the answer, which takes it by take_owner(). */
static void ask(Follower *follower, const char *path, GCancellable *cancellable, GAsyncReadyCallback callback) {
        g_object_ref(follower->owner);
        virtbus_object_manager_client_new(follower->bus, G_DBUS_OBJECT_MANAGER_CLIENT_FLAGS_NONE, BUS_NAME, path, cancellable,
                                          callback, follower);
}

static GDBusObjectManager *ask_sync(Follower *follower, const char *path, GCancellable *cancellable, GError **error) {
        return virtbus_object_manager_client_new_sync(follower->bus, G_DBUS_OBJECT_MANAGER_CLIENT_FLAGS_NONE, BUS_NAME, path,
                                                      cancellable, error);
}

static void each_object(GDBusObjectManager *manager, Follower *follower,
                        void (*each)(GDBusObjectManager *manager, GDBusObject *object, Follower *follower)) {
        GList *objects = g_dbus_object_manager_get_objects(manager);
        for (GList *link = objects; link; link = link->next)
                each(manager, link->data, follower);
        g_list_free_full(objects, g_object_unref);
}

/* Domains */

static void on_domain_added(gpointer data, VirtbusDomain *domain) {
        Follower *follower = data;
        follower->listener->added(follower->owner, FOLLOWED_DOMAIN, G_DBUS_PROXY(domain));
}

static void on_domain_removed(gpointer data, VirtbusDomain *domain) {
        Follower *follower = data;
        follower->listener->removed(follower->owner, FOLLOWED_DOMAIN, G_DBUS_PROXY(domain));
}

static const DomainsListener domains_listener = { on_domain_added, on_domain_removed };

static void followed_free(Followed *followed) {
        g_cancellable_cancel(followed->cancellable);
        g_object_unref(followed->cancellable);
        if (followed->follower->root) /* else the owner itself is going */
                domains_each(followed->domains, on_domain_removed, followed->follower);
        domains_free(followed->domains);
        g_object_unref(followed->connection);
        g_free(followed);
}

/* Where the owner is being made, it is done with the last of what is asked for. */
static void loaded(Follower *follower, GError *error) {
        if (!follower->loading) {
                g_clear_error(&error);
                return;
        }
        if (follower->n_loading > 0)
                follower->n_loading--;
        if (error || follower->n_loading == 0) {
                g_autoptr(GTask) task = g_steal_pointer(&follower->loading);
                if (error)
                        g_task_return_error(task, error);
                else
                        g_task_return_pointer(task, g_object_ref(follower->owner), g_object_unref);
        }
}

/* Whether only one connection is concerned, of which nothing can be known now. It has gone again, of which there is a signal on
 * its way, or its driver has failed, and may come back. */
static gboolean is_of_one_connection(const GError *error) {
        return g_error_matches(error, G_DBUS_ERROR, G_DBUS_ERROR_UNKNOWN_OBJECT) ||
               g_error_matches(error, VIRTBUS_ERROR, VIRTBUS_ERROR_HYPERVISOR_FAILED);
}

static void on_domains_ready(GObject *source, GAsyncResult *result, gpointer data) {
        Follower *follower = data;
        g_autoptr(VirtbusClient) owner = follower->owner;
        GError *error = NULL;
        (void) source;
        (void) owner;
        domains_load_finish(result, &error);
        if (is_of_one_connection(error) || g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
                g_clear_error(&error);
        loaded(follower, error);
}

static void load_domains(Follower *follower, const Followed *followed) {
        g_object_ref(follower->owner);
        domains_load(followed->domains, followed->cancellable, on_domains_ready, follower);
}

/* What could not be read of a driver that had failed can be, maybe. */
static void on_manager_changed(VirtbusManager *manager, GVariant *changed, const char *const *invalidated, Follower *follower) {
        g_autoptr(GVariant) drivers = g_variant_lookup_value(changed, "Drivers", NULL);
        GHashTableIter iterator;
        gpointer followed;
        (void) manager;
        (void) invalidated;
        g_hash_table_iter_init(&iterator, follower->followed);
        while (drivers && !follower->loading && g_hash_table_iter_next(&iterator, NULL, &followed))
                if (!domains_are_read(((Followed *) followed)->domains))
                        load_domains(follower, followed);
}

/* Connections and jobs */

/* A new connection, whose domains are to be asked for; NULL for another object. */
static Followed *follow(Follower *follower, GDBusObject *object) {
        g_autoptr(VirtbusConnection) connection = virtbus_object_get_connection(VIRTBUS_OBJECT(object));
        g_autoptr(VirtbusJob) job = virtbus_object_get_job(VIRTBUS_OBJECT(object));
        if (job)
                follower->listener->added(follower->owner, FOLLOWED_JOB, G_DBUS_PROXY(job));
        if (!connection)
                return NULL;
        follower->listener->added(follower->owner, FOLLOWED_CONNECTION, G_DBUS_PROXY(connection));
        const char *path = g_dbus_object_get_object_path(object);
        g_autofree char *service = g_dbus_object_manager_client_get_name_owner(G_DBUS_OBJECT_MANAGER_CLIENT(follower->root));
        Followed *followed = g_new0(Followed, 1);
        *followed = (Followed){ .follower = follower,
                                .connection = g_object_ref(connection),
                                .domains = domains_new(follower->bus, service, path, &domains_listener, follower),
                                .cancellable = g_cancellable_new() };
        g_hash_table_replace(follower->followed, g_strdup(path), followed);
        return followed;
}

static void on_object_added(GDBusObjectManager *manager, GDBusObject *object, Follower *follower) {
        const Followed *followed = follow(follower, object);
        (void) manager;
        if (!followed)
                return;
        if (follower->loading)
                follower->n_loading++;
        load_domains(follower, followed);
}

static void on_object_removed(GDBusObjectManager *manager, GDBusObject *object, Follower *follower) {
        const char *path = g_dbus_object_get_object_path(object);
        g_autoptr(VirtbusJob) job = virtbus_object_get_job(VIRTBUS_OBJECT(object));
        (void) manager;
        if (job)
                follower->listener->removed(follower->owner, FOLLOWED_JOB, G_DBUS_PROXY(job));
        const Followed *followed = g_hash_table_lookup(follower->followed, path);
        if (followed)
                follower->listener->removed(follower->owner, FOLLOWED_CONNECTION, G_DBUS_PROXY(followed->connection));
        g_hash_table_remove(follower->followed, path);
}

static void on_properties_changed(GDBusObjectManager *manager, GDBusObjectProxy *object, GDBusProxy *proxy, GVariant *changed,
                                  const char *const *invalidated, Follower *follower) {
        (void) manager;
        (void) object;
        (void) changed;
        (void) invalidated;
        if (VIRTBUS_IS_JOB(proxy))
                follower->listener->job_changed(follower->owner, VIRTBUS_JOB(proxy));
}

/* The service */

static gboolean has_owner(Follower *follower) {
        g_autofree char *name = g_dbus_object_manager_client_get_name_owner(G_DBUS_OBJECT_MANAGER_CLIENT(follower->root));
        return name != NULL;
}

static void on_owner_changed(GObject *root, GParamSpec *specification, Follower *follower) {
        (void) root;
        (void) specification;
        gboolean is_available = has_owner(follower);
        if (!is_available)
                follower->listener->gone(follower->owner);
        if (is_available == follower->is_available)
                return;
        follower->is_available = is_available;
        follower->listener->availability_changed(follower->owner);
}

/* Takes the manager of what is at the top. */
static void take_root(Follower *follower, GDBusObjectManager *root) {
        follower->root = root;
        follower->is_available = has_owner(follower);
        g_signal_connect(root, "object-added", G_CALLBACK(on_object_added), follower);
        g_signal_connect(root, "object-removed", G_CALLBACK(on_object_removed), follower);
        g_signal_connect(root, "interface-proxy-properties-changed", G_CALLBACK(on_properties_changed), follower);
        g_signal_connect(root, "notify::name-owner", G_CALLBACK(on_owner_changed), follower);
}

static void on_root_ready(GObject *source, GAsyncResult *result, gpointer data) {
        Follower *follower = data;
        g_autoptr(VirtbusClient) owner = follower->owner;
        GError *error = NULL;
        GDBusObjectManager *root = virtbus_object_manager_client_new_finish(result, &error);
        (void) source;
        (void) owner;
        if (root) {
                take_root(follower, root);
                each_object(root, follower, on_object_added);
        }
        loaded(follower, error);
}

/* What there was is removed, and what there is added, as after a restart of the service. */
static void on_root_again(GObject *source, GAsyncResult *result, gpointer data) {
        Follower *follower = data;
        g_autoptr(VirtbusClient) owner = follower->owner;
        GDBusObjectManager *root = virtbus_object_manager_client_new_finish(result, NULL);
        g_autoptr(GDBusObjectManager) before = follower->root;
        (void) source;
        (void) owner;
        if (!root || !before) { /* the old one follows a service that comes back; or the owner has gone */
                g_clear_object(&root);
                g_steal_pointer(&before);
                return;
        }
        g_signal_handlers_disconnect_by_data(before, follower);
        take_root(follower, root);
        each_object(before, follower, on_object_removed);
        each_object(root, follower, on_object_added);
        follower->listener->begun_again(follower->owner);
}

static void on_signals_lost(VirtbusManager *manager, Follower *follower) {
        (void) manager;
        ask(follower, ROOT_PATH, NULL, on_root_again);
}

static void take_manager(Follower *follower, VirtbusManager *manager) {
        follower->manager = manager;
        if (!manager)
                return;
        g_signal_connect(manager, "signals-lost", G_CALLBACK(on_signals_lost), follower);
        g_signal_connect(manager, "g-properties-changed", G_CALLBACK(on_manager_changed), follower);
}

static void on_manager_ready(GObject *source, GAsyncResult *result, gpointer data) {
        Follower *follower = data;
        g_autoptr(VirtbusClient) owner = follower->owner;
        GError *error = NULL;
        (void) source;
        (void) owner;
        take_manager(follower, virtbus_manager_proxy_new_finish(result, &error));
        loaded(follower, error);
}

/* Its life */

void follower_init(Follower *follower, VirtbusClient *owner, const FollowerListener *listener) {
        *follower = (Follower){ .owner = owner, .listener = listener };
        follower->followed = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify) followed_free);
}

void follower_load(Follower *follower, GDBusConnection *bus, GTask *task) {
        GCancellable *cancellable = g_task_get_cancellable(task);
        follower->bus = bus;
        follower->loading = task;
        follower->n_loading = 2;
        virtbus_manager_proxy_new(bus, G_DBUS_PROXY_FLAGS_NONE, BUS_NAME, ROOT_PATH, cancellable, on_manager_ready, follower);
        g_object_ref(follower->owner);
        ask(follower, ROOT_PATH, cancellable, on_root_ready);
}

/* The domains of all connections that there are. */
static gboolean load_domains_sync(Follower *follower, GCancellable *cancellable, GError **error) {
        GList *objects = g_dbus_object_manager_get_objects(follower->root);
        g_autoptr(GError) failure = NULL;
        for (GList *link = objects; link && !failure; link = link->next) {
                const Followed *followed = follow(follower, link->data);
                if (followed && !domains_load_sync(followed->domains, cancellable, &failure) && is_of_one_connection(failure))
                        g_clear_error(&failure);
        }
        g_list_free_full(objects, g_object_unref);
        if (!failure)
                return TRUE;
        g_propagate_error(error, g_steal_pointer(&failure));
        return FALSE;
}

gboolean follower_load_sync(Follower *follower, GDBusConnection *bus, GCancellable *cancellable, GError **error) {
        follower->bus = bus;
        take_manager(follower,
                     virtbus_manager_proxy_new_sync(bus, G_DBUS_PROXY_FLAGS_NONE, BUS_NAME, ROOT_PATH, cancellable, error));
        GDBusObjectManager *root = follower->manager ? ask_sync(follower, ROOT_PATH, cancellable, error) : NULL;
        if (!root)
                return FALSE;
        take_root(follower, root);
        return load_domains_sync(follower, cancellable, error);
}

void follower_stop(Follower *follower) {
        if (follower->root)
                g_signal_handlers_disconnect_by_data(follower->root, follower);
        g_clear_object(&follower->root);
        if (follower->manager)
                g_signal_handlers_disconnect_by_data(follower->manager, follower);
        g_clear_object(&follower->manager);
        g_hash_table_remove_all(follower->followed);
}

void follower_clear(Follower *follower) {
        g_hash_table_unref(follower->followed);
}

VirtbusConnection *followed_get_connection(const Followed *followed) {
        return followed->connection;
}

static void prepend(gpointer data, VirtbusDomain *domain) {
        GList **list = data;
        *list = g_list_prepend(*list, g_object_ref(domain));
}

GList *followed_add_domains(const Followed *followed, GList *list) {
        domains_each(followed->domains, prepend, &list);
        return list;
}

VirtbusDomain *followed_get_domain(const Followed *followed, const char *path) {
        return domains_find(followed->domains, path);
}
