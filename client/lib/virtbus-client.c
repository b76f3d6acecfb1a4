/* SPDX-License-Identifier: LGPL-2.1-or-later */

/**
 * VirtbusClient:
 *
 * Follows what virtbus has: its hypervisor connections, their domains, and jobs.
 *
 * A client knows all of them when it has been made, and keeps up with them from then on. Domains are [iface@Virtbus.Domain]
 * proxies, whose properties are always there, without a call; `notify::state` and its like tell of changes.
 *
 * ## Threads
 *
 * A client belongs to the main context that was the thread's default when it was made: it learns of changes, and emits its
 * signals, while that context is run, and its functions are to be called by the thread that runs it, as it does not lock. The
 * same is true of the proxies and managers that it gives away: what their properties are is what that context has taken in so
 * far. Only the calls on a proxy, such as [method@Virtbus.Domain.call_start_sync], may be made by any thread. Another
 * thread that wants to follow domains makes a client of its own, in a main context of its own; both may share the connection.
 *
 * Functions that end in `_sync` block the thread, and do not run its main context, so that nothing else happens meanwhile;
 * [method@Virtbus.Client.wait_for_job_sync] and [method@Virtbus.Client.wait_for_domain_sync] do run it. A program with a window
 * wants the others.
 *
 * ## When the service restarts
 *
 * The service may end under a client, and come back, for instance when it is updated; guests go on. Domains and jobs are removed
 * then ([signal@Virtbus.Client::domain-removed]), and the domains added again, as new objects, when it is back. Who keeps a
 * domain finds it again by its UUID, with [method@Virtbus.Client.find_domain]. Calls that had no answer fail with
 * %G_DBUS_ERROR_NO_REPLY, and whether they were carried out is not known; a job that was waited for fails with
 * %G_IO_ERROR_CLOSED. A call while the service is away starts it where the bus can. [property@Virtbus.Client:available] tells of
 * both. Where only a hypervisor's driver ends, its connection and domains go and come in the same way.
 *
 * ## When a program does not read
 *
 * The service tells a connection nothing more while too much of what it was told is unread, as by a program that was stopped,
 * and says so afterwards ([signal@Virtbus.Manager::signals-lost]). A client then begins anew by itself: domains and jobs are
 * removed and added again, as after a restart, and who waited for a job that has ended meanwhile is told %G_IO_ERROR_NOT_FOUND.
 * Managers of devices and lists of devices are to be made anew by who has made them.
 *
 * The skeletons of the interfaces, such as [class@Virtbus.DomainSkeleton], are here for the tests of programs that use the
 * library: to play a service.
 *
 * Since: 0.1
 */

#define PROXY_CALLS_THEMSELVES
#include "virtbus-client.h"

#include <stdbool.h>
#include <string.h>

#include "proxy-calls.h"
#include "virtbus-error.h"
#include "virtbus-lists.h"
#include "virtbus-waits.h"

#define BUS_NAME "org.virtbus1"
#define ROOT_PATH "/org/virtbus1"
#define JOB_INTERFACE BUS_NAME ".Job"

enum { LIST_CONNECTIONS, LIST_DOMAINS, LIST_JOBS, N_LISTS };

struct _VirtbusClient {
        GObject parent;
        GDBusConnection *bus;
        VirtbusManager *manager;
        GDBusObjectManager *root;
        GHashTable *followed; /* path of a connection -> Followed */
        guint n_loading;      /* what is still asked for, while the client is being made */
        GTask *loading;
        guint job_signals;
        VirtbusWaits waits;
        GListStore *lists[N_LISTS]; /* each is made when it is asked for first */
        gboolean is_available;
};

/* A hypervisor connection, and the manager of its domains once that has been made. */
typedef struct Followed {
        VirtbusClient *client;
        VirtbusConnection *connection;
        GDBusObjectManager *domains;
        GCancellable *cancellable;
} Followed;

enum {
        PROPERTY_CONNECTION = 1,
        PROPERTY_AVAILABLE,
        PROPERTY_INTERACTIVE,
        PROPERTY_CONNECTION_LIST,
        PROPERTY_DOMAIN_LIST,
        PROPERTY_JOB_LIST,
        N_PROPERTIES
};

enum { SIGNAL_DOMAIN_ADDED, SIGNAL_DOMAIN_REMOVED, SIGNAL_JOB_ADDED, SIGNAL_JOB_CHANGED, SIGNAL_JOB_REMOVED, N_SIGNALS };

static GParamSpec *properties[N_PROPERTIES];
static guint signals[N_SIGNALS];

G_DEFINE_FINAL_TYPE(VirtbusClient, virtbus_client, G_TYPE_OBJECT)

GQuark virtbus_error_quark(void) {
        static gsize quark;
        GDBusErrorEntry entries[VIRTBUS_ERROR_NO_SUCH_SECRET + 1];
        guint n = 0;
        for (int code = 0; code < (int) G_N_ELEMENTS(entries); code++)
                if (code != VIRTBUS_ERROR_ACCESS_DENIED) /* D-Bus's own, which GIO knows already */
                        entries[n++] = (GDBusErrorEntry){ code, virtbus_error_name((VirtbusError) code) };
        g_dbus_error_register_error_domain("virtbus-error", &quark, entries, n);
        return (GQuark) quark;
}

/* Domains */

static void on_domain_added(GDBusObjectManager *manager, GDBusObject *object, VirtbusClient *client) {
        g_autoptr(VirtbusDomain) domain = virtbus_object_get_domain(VIRTBUS_OBJECT(object));
        (void) manager;
        if (!domain)
                return;
        if (client->lists[LIST_DOMAINS])
                list_add(client->lists[LIST_DOMAINS], domain);
        g_signal_emit(client, signals[SIGNAL_DOMAIN_ADDED], 0, domain);
        waits_end(client, g_dbus_object_get_object_path(object), NULL);
}

static void on_domain_removed(GDBusObjectManager *manager, GDBusObject *object, VirtbusClient *client) {
        g_autoptr(VirtbusDomain) domain = virtbus_object_get_domain(VIRTBUS_OBJECT(object));
        (void) manager;
        if (!domain)
                return;
        if (client->lists[LIST_DOMAINS])
                list_remove(client->lists[LIST_DOMAINS], domain);
        g_signal_emit(client, signals[SIGNAL_DOMAIN_REMOVED], 0, domain);
}

static void each_object(GDBusObjectManager *manager, VirtbusClient *client,
                        void (*each)(GDBusObjectManager *manager, GDBusObject *object, VirtbusClient *client)) {
        GList *objects = g_dbus_object_manager_get_objects(manager);
        for (GList *link = objects; link; link = link->next)
                each(manager, link->data, client);
        g_list_free_full(objects, g_object_unref);
}

static void followed_free(Followed *followed) {
        g_cancellable_cancel(followed->cancellable);
        g_object_unref(followed->cancellable);
        if (followed->domains) {
                g_signal_handlers_disconnect_by_data(followed->domains, followed->client);
                if (followed->client->root) /* else the client itself is going */
                        each_object(followed->domains, followed->client, on_domain_removed);
                g_object_unref(followed->domains);
        }
        g_object_unref(followed->connection);
        g_free(followed);
}

/* Where the client is being made, it is done with the last of what is asked for. */
static void loaded(VirtbusClient *client, GError *error) {
        if (!client->loading) {
                g_clear_error(&error);
                return;
        }
        if (client->n_loading > 0)
                client->n_loading--;
        if (error || client->n_loading == 0) {
                g_autoptr(GTask) task = g_steal_pointer(&client->loading);
                if (error)
                        g_task_return_error(task, error);
                else
                        g_task_return_pointer(task, g_object_ref(client), g_object_unref);
        }
}

/* Takes the manager of a connection's domains, if the connection is still there. */
static void take_domains(VirtbusClient *client, GDBusObjectManager *manager) {
        Followed *followed = g_hash_table_lookup(client->followed, g_dbus_object_manager_get_object_path(manager));
        if (!followed || followed->domains)
                return;
        followed->domains = g_object_ref(manager);
        g_signal_connect(manager, "object-added", G_CALLBACK(on_domain_added), client);
        g_signal_connect(manager, "object-removed", G_CALLBACK(on_domain_removed), client);
        each_object(manager, client, on_domain_added);
}

static void on_domains_ready(GObject *source, GAsyncResult *result, gpointer data) {
        g_autoptr(VirtbusClient) client = data;
        GError *error = NULL;
        g_autoptr(GDBusObjectManager) manager = virtbus_object_manager_client_new_finish(result, &error);
        (void) source;
        if (manager)
                take_domains(client, manager);
        else if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
                g_clear_error(&error); /* the connection has gone again */
        loaded(client, error);
}

/* A new connection, whose domains are to be asked for; NULL for another object. */
static Followed *follow(VirtbusClient *client, GDBusObject *object) {
        g_autoptr(VirtbusConnection) connection = virtbus_object_get_connection(VIRTBUS_OBJECT(object));
        g_autoptr(VirtbusJob) job = virtbus_object_get_job(VIRTBUS_OBJECT(object));
        if (job && client->lists[LIST_JOBS])
                list_add(client->lists[LIST_JOBS], job);
        if (job)
                g_signal_emit(client, signals[SIGNAL_JOB_ADDED], 0, job);
        if (!connection)
                return NULL;
        if (client->lists[LIST_CONNECTIONS])
                list_add(client->lists[LIST_CONNECTIONS], connection);
        Followed *followed = g_new0(Followed, 1);
        *followed = (Followed){ .client = client, .connection = g_object_ref(connection), .cancellable = g_cancellable_new() };
        g_hash_table_replace(client->followed, g_strdup(g_dbus_object_get_object_path(object)), followed);
        return followed;
}

static void on_object_added(GDBusObjectManager *manager, GDBusObject *object, VirtbusClient *client) {
        const Followed *followed = follow(client, object);
        (void) manager;
        if (!followed)
                return;
        if (client->loading)
                client->n_loading++;
        virtbus_object_manager_client_new(client->bus, G_DBUS_OBJECT_MANAGER_CLIENT_FLAGS_NONE, BUS_NAME,
                                          g_dbus_object_get_object_path(object), followed->cancellable, on_domains_ready,
                                          g_object_ref(client));
}

static void on_object_removed(GDBusObjectManager *manager, GDBusObject *object, VirtbusClient *client) {
        g_autoptr(VirtbusJob) job = virtbus_object_get_job(VIRTBUS_OBJECT(object));
        (void) manager;
        if (job && client->lists[LIST_JOBS])
                list_remove(client->lists[LIST_JOBS], job);
        if (job)
                g_signal_emit(client, signals[SIGNAL_JOB_REMOVED], 0, job);
        const Followed *followed = g_hash_table_lookup(client->followed, g_dbus_object_get_object_path(object));
        if (followed && client->lists[LIST_CONNECTIONS])
                list_remove(client->lists[LIST_CONNECTIONS], followed->connection);
        g_hash_table_remove(client->followed, g_dbus_object_get_object_path(object));
}

/* Jobs */

static void on_properties_changed(GDBusObjectManager *manager, GDBusObjectProxy *object, GDBusProxy *proxy, GVariant *changed,
                                  const char *const *invalidated, VirtbusClient *client) {
        (void) manager;
        (void) object;
        (void) changed;
        (void) invalidated;
        if (VIRTBUS_IS_JOB(proxy))
                g_signal_emit(client, signals[SIGNAL_JOB_CHANGED], g_quark_try_string(g_dbus_proxy_get_object_path(proxy)),
                              proxy);
}

/* Making one */

static gboolean has_owner(VirtbusClient *client) {
        g_autofree char *owner = g_dbus_object_manager_client_get_name_owner(G_DBUS_OBJECT_MANAGER_CLIENT(client->root));
        return owner != NULL;
}

static void on_owner_changed(GObject *root, GParamSpec *specification, VirtbusClient *client) {
        (void) root;
        (void) specification;
        gboolean is_available = has_owner(client);
        if (!is_available) {
                g_autoptr(GError) error = g_error_new(G_IO_ERROR, G_IO_ERROR_CLOSED, "virtbusd has gone, and its jobs with it");
                waits_end(client, NULL, error);
        }
        if (is_available == client->is_available)
                return;
        client->is_available = is_available;
        g_object_notify_by_pspec(G_OBJECT(client), properties[PROPERTY_AVAILABLE]);
}

/* Takes the manager of what is at the top. */
static void take_root(VirtbusClient *client, GDBusObjectManager *root) {
        client->root = root;
        client->is_available = has_owner(client);
        g_signal_connect(root, "object-added", G_CALLBACK(on_object_added), client);
        g_signal_connect(root, "object-removed", G_CALLBACK(on_object_removed), client);
        g_signal_connect(root, "interface-proxy-properties-changed", G_CALLBACK(on_properties_changed), client);
        g_signal_connect(root, "notify::name-owner", G_CALLBACK(on_owner_changed), client);
}

static void on_root_ready(GObject *source, GAsyncResult *result, gpointer data) {
        g_autoptr(VirtbusClient) client = data;
        GError *error = NULL;
        (void) source;
        GDBusObjectManager *root = virtbus_object_manager_client_new_finish(result, &error);
        if (root) {
                take_root(client, root);
                each_object(root, client, on_object_added);
        }
        loaded(client, error);
}

/* What there was is removed, and what there is added, as after a restart of the service. */
static void on_root_again(GObject *source, GAsyncResult *result, gpointer data) {
        g_autoptr(VirtbusClient) client = data;
        GDBusObjectManager *root = virtbus_object_manager_client_new_finish(result, NULL);
        g_autoptr(GDBusObjectManager) before = client->root;
        (void) source;
        if (!root || !before) { /* the old one follows a service that comes back; or the client has gone */
                g_clear_object(&root);
                g_steal_pointer(&before);
                return;
        }
        g_signal_handlers_disconnect_by_data(before, client);
        take_root(client, root);
        each_object(before, client, on_object_removed);
        each_object(root, client, on_object_added);
        waits_end_lost(client);
}

static void on_signals_lost(VirtbusManager *manager, VirtbusClient *client) {
        (void) manager;
        virtbus_object_manager_client_new(client->bus, G_DBUS_OBJECT_MANAGER_CLIENT_FLAGS_NONE, BUS_NAME, ROOT_PATH, NULL,
                                          on_root_again, g_object_ref(client));
}

static void take_manager(VirtbusClient *client, VirtbusManager *manager) {
        client->manager = manager;
        if (manager)
                g_signal_connect(manager, "signals-lost", G_CALLBACK(on_signals_lost), client);
}

static void on_manager_ready(GObject *source, GAsyncResult *result, gpointer data) {
        g_autoptr(VirtbusClient) client = data;
        GError *error = NULL;
        (void) source;
        take_manager(client, virtbus_manager_proxy_new_finish(result, &error));
        loaded(client, error);
}

static void begin(VirtbusClient *client) {
        virtbus_error_quark(); /* errors are those of this domain from now on */
        client->job_signals = g_dbus_connection_signal_subscribe(client->bus, BUS_NAME, JOB_INTERFACE, "Completed", NULL, NULL,
                                                                 G_DBUS_SIGNAL_FLAGS_NONE, waits_on_completed, client, NULL);
}

static void load(VirtbusClient *client) {
        GCancellable *cancellable = g_task_get_cancellable(client->loading);
        begin(client);
        client->n_loading = 2;
        virtbus_manager_proxy_new(client->bus, G_DBUS_PROXY_FLAGS_NONE, BUS_NAME, ROOT_PATH, cancellable, on_manager_ready,
                                  g_object_ref(client));
        virtbus_object_manager_client_new(client->bus, G_DBUS_OBJECT_MANAGER_CLIENT_FLAGS_NONE, BUS_NAME, ROOT_PATH, cancellable,
                                          on_root_ready, g_object_ref(client));
}

static void on_bus_ready(GObject *source, GAsyncResult *result, gpointer data) {
        g_autoptr(VirtbusClient) client = data;
        GError *error = NULL;
        (void) source;
        client->bus = g_bus_get_finish(result, &error);
        if (client->bus)
                load(client);
        else
                loaded(client, error);
}

/**
 * virtbus_client_new:
 * @connection: (nullable): a connection to a message bus; %NULL for the system bus
 * @cancellable: (nullable): stops it
 * @callback: (scope async): called when the client knows all domains
 * @data: for @callback
 *
 * Makes a client. Where the service does not run, the bus starts it.
 *
 * Since: 0.1
 */
void virtbus_client_new(GDBusConnection *connection, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer data) {
        g_autoptr(VirtbusClient) client = g_object_new(VIRTBUS_TYPE_CLIENT, NULL);
        client->loading = g_task_new(NULL, cancellable, callback, data);
        if (connection) {
                client->bus = g_object_ref(connection);
                load(client);
        } else
                g_bus_get(G_BUS_TYPE_SYSTEM, cancellable, on_bus_ready, g_object_ref(client));
}

/**
 * virtbus_client_new_finish:
 * @result: what the callback was given
 * @error: why there is no client
 *
 * Returns: (transfer full): a client, or %NULL with @error set
 *
 * Since: 0.1
 */
VirtbusClient *virtbus_client_new_finish(GAsyncResult *result, GError **error) {
        return g_task_propagate_pointer(G_TASK(result), error);
}

/**
 * virtbus_client_new_sync:
 * @connection: (nullable): a connection to a message bus; %NULL for the system bus
 * @cancellable: (nullable): stops it
 * @error: why there is no client
 *
 * Makes a client that knows all domains.
 *
 * Returns: (transfer full): a client, or %NULL with @error set
 *
 * Since: 0.1
 */
VirtbusClient *virtbus_client_new_sync(GDBusConnection *connection, GCancellable *cancellable, GError **error) {
        g_autoptr(VirtbusClient) client = g_object_new(VIRTBUS_TYPE_CLIENT, NULL);
        client->bus = connection ? g_object_ref(connection) : g_bus_get_sync(G_BUS_TYPE_SYSTEM, cancellable, error);
        if (!client->bus)
                return NULL;
        begin(client);
        take_manager(client, virtbus_manager_proxy_new_sync(client->bus, G_DBUS_PROXY_FLAGS_NONE, BUS_NAME, ROOT_PATH,
                                                            cancellable, error));
        GDBusObjectManager *root =
                        client->manager ? virtbus_object_manager_client_new_sync(client->bus,
                                                                                 G_DBUS_OBJECT_MANAGER_CLIENT_FLAGS_NONE,
                                                                                 BUS_NAME, ROOT_PATH, cancellable, error)
                                        : NULL;
        if (!root)
                return NULL;
        take_root(client, root);
        GList *objects = g_dbus_object_manager_get_objects(root);
        g_autoptr(GError) failure = NULL;
        for (GList *link = objects; link && !failure; link = link->next) {
                if (!follow(client, link->data))
                        continue;
                g_autoptr(GDBusObjectManager) manager =
                                virtbus_object_manager_client_new_sync(client->bus, G_DBUS_OBJECT_MANAGER_CLIENT_FLAGS_NONE,
                                                                       BUS_NAME, g_dbus_object_get_object_path(link->data),
                                                                       cancellable, &failure);
                if (manager)
                        take_domains(client, manager);
                else if (g_error_matches(failure, G_DBUS_ERROR, G_DBUS_ERROR_UNKNOWN_OBJECT))
                        g_clear_error(&failure); /* it has gone meanwhile, of which there is a signal on its way */
        }
        g_list_free_full(objects, g_object_unref);
        if (failure) {
                g_propagate_error(error, g_steal_pointer(&failure));
                return NULL;
        }
        return g_steal_pointer(&client);
}

VirtbusWaits *waits_of(VirtbusClient *client) {
        return &client->waits;
}

/* What it knows */

/**
 * virtbus_client_get_connection: (get-property connection)
 * @client: a client
 *
 * Returns: (transfer none): its connection to the message bus
 *
 * Since: 0.1
 */
GDBusConnection *virtbus_client_get_connection(VirtbusClient *client) {
        return client->bus;
}

/**
 * virtbus_client_get_available: (get-property available)
 * @client: a client
 *
 * Returns: whether the service runs
 *
 * Since: 0.1
 */
gboolean virtbus_client_get_available(VirtbusClient *client) {
        return client->is_available;
}

/**
 * virtbus_client_get_interactive: (get-property interactive)
 * @client: a client
 *
 * Returns: whether calls may ask a person for a password
 *
 * Since: 0.2
 */
gboolean virtbus_client_get_interactive(VirtbusClient *client) {
        return proxy_calls_get_interactive(client->bus);
}

/**
 * virtbus_client_set_interactive: (set-property interactive)
 * @client: a client
 * @interactive: whether calls may ask a person for a password
 *
 * Says whether the calls of this client's proxies, and of any others on the same connection, may ask.
 *
 * Since: 0.2
 */
void virtbus_client_set_interactive(VirtbusClient *client, gboolean interactive) {
        if (interactive == virtbus_client_get_interactive(client))
                return;
        proxy_calls_set_interactive(client->bus, interactive);
        g_object_notify_by_pspec(G_OBJECT(client), properties[PROPERTY_INTERACTIVE]);
}

/**
 * virtbus_client_get_manager:
 * @client: a client
 *
 * Returns: (transfer none): the service itself; its properties are %NULL while it does not run
 *
 * Since: 0.1
 */
VirtbusManager *virtbus_client_get_manager(VirtbusClient *client) {
        return client->manager;
}

/**
 * virtbus_client_get_connections:
 * @client: a client
 *
 * Returns: (transfer full) (element-type VirtbusConnection): the hypervisor connections
 *
 * Since: 0.1
 */
GList *virtbus_client_get_connections(VirtbusClient *client) {
        GHashTableIter iterator;
        gpointer value;
        GList *list = NULL;
        g_hash_table_iter_init(&iterator, client->followed);
        while (g_hash_table_iter_next(&iterator, NULL, &value))
                list = g_list_prepend(list, g_object_ref(((Followed *) value)->connection));
        return list;
}

static int compare_domains(gconstpointer a, gconstpointer b) {
        return g_strcmp0(virtbus_domain_get_name((VirtbusDomain *) a), virtbus_domain_get_name((VirtbusDomain *) b));
}

/**
 * virtbus_client_get_domains:
 * @client: a client
 *
 * Returns: (transfer full) (element-type VirtbusDomain): all domains that the caller may see, by their names
 *
 * Since: 0.1
 */
GList *virtbus_client_get_domains(VirtbusClient *client) {
        GHashTableIter iterator;
        gpointer value;
        GList *list = NULL;
        g_hash_table_iter_init(&iterator, client->followed);
        while (g_hash_table_iter_next(&iterator, NULL, &value)) {
                GDBusObjectManager *manager = ((Followed *) value)->domains;
                GList *objects = manager ? g_dbus_object_manager_get_objects(manager) : NULL;
                for (GList *link = objects; link; link = link->next) {
                        VirtbusDomain *domain = virtbus_object_get_domain(link->data);
                        if (domain)
                                list = g_list_prepend(list, domain);
                }
                g_list_free_full(objects, g_object_unref);
        }
        return g_list_sort(list, compare_domains);
}

/**
 * virtbus_client_get_jobs:
 * @client: a client
 *
 * Returns: (transfer full) (element-type VirtbusJob): the jobs at work
 *
 * Since: 0.1
 */
GList *virtbus_client_get_jobs(VirtbusClient *client) {
        GList *objects = g_dbus_object_manager_get_objects(client->root), *list = NULL;
        for (GList *link = objects; link; link = link->next) {
                VirtbusJob *job = virtbus_object_get_job(link->data);
                if (job)
                        list = g_list_prepend(list, job);
        }
        g_list_free_full(objects, g_object_unref);
        return list;
}

/**
 * virtbus_client_get_job_at:
 * @client: a client
 * @path: an object path
 *
 * Returns: (transfer full) (nullable): the job that is there, or %NULL where it has ended
 *
 * Since: 0.1
 */
VirtbusJob *virtbus_client_get_job_at(VirtbusClient *client, const char *path) {
        g_autoptr(GDBusObject) object = g_dbus_object_manager_get_object(client->root, path);
        return object ? virtbus_object_get_job(VIRTBUS_OBJECT(object)) : NULL;
}

static GDBusObjectManager *manager_of(VirtbusClient *client, const char *path, VirtbusConnection **connection) {
        GHashTableIter iterator;
        gpointer key, value;
        g_hash_table_iter_init(&iterator, client->followed);
        while (g_hash_table_iter_next(&iterator, &key, &value)) {
                Followed *followed = value;
                size_t length = strlen(key);
                if (strncmp(path, key, length) == 0 && path[length] == '/') {
                        *connection = followed->connection;
                        return followed->domains;
                }
        }
        return NULL;
}

/**
 * virtbus_client_get_domain_at:
 * @client: a client
 * @path: an object path
 *
 * Returns: (transfer full) (nullable): the domain that is there, or %NULL
 *
 * Since: 0.1
 */
VirtbusDomain *virtbus_client_get_domain_at(VirtbusClient *client, const char *path) {
        VirtbusConnection *connection;
        GDBusObjectManager *manager = manager_of(client, path, &connection);
        g_autoptr(GDBusObject) object = manager ? g_dbus_object_manager_get_object(manager, path) : NULL;
        return object ? virtbus_object_get_domain(VIRTBUS_OBJECT(object)) : NULL;
}

/**
 * virtbus_client_get_connection_of:
 * @client: a client
 * @domain: one of its domains
 *
 * Returns: (transfer none) (nullable): the hypervisor connection of a domain
 *
 * Since: 0.1
 */
VirtbusConnection *virtbus_client_get_connection_of(VirtbusClient *client, VirtbusDomain *domain) {
        VirtbusConnection *connection = NULL;
        manager_of(client, g_dbus_proxy_get_object_path(G_DBUS_PROXY(domain)), &connection);
        return connection;
}

/* The one domain that IS says yes to; TEXT is what the caller named it by. */
static VirtbusDomain *find(VirtbusClient *client, const char *text, gboolean (*is)(VirtbusDomain *domain, const char *text),
                           GError **error) {
        g_autolist(VirtbusDomain) domains = virtbus_client_get_domains(client);
        VirtbusDomain *found = NULL;
        guint n_found = 0;
        for (GList *link = domains; link; link = link->next) {
                if (!is(link->data, text))
                        continue;
                found = link->data;
                n_found++;
        }
        if (n_found == 1)
                return g_object_ref(found);
        if (n_found > 1)
                g_set_error(error, VIRTBUS_ERROR, VIRTBUS_ERROR_INVALID_ARGUMENT,
                            "%u hypervisors have a domain '%s'; say its UUID instead", n_found, text);
        else
                g_set_error(error, VIRTBUS_ERROR, VIRTBUS_ERROR_NO_SUCH_DOMAIN, "there is no domain '%.255s'", text);
        return NULL;
}

static gboolean has_name(VirtbusDomain *domain, const char *text) {
        return g_strcmp0(virtbus_domain_get_name(domain), text) == 0;
}

static gboolean has_uuid(VirtbusDomain *domain, const char *text) {
        const char *uuid = virtbus_domain_get_uuid(domain);
        return uuid && g_ascii_strcasecmp(uuid, text) == 0;
}

static gboolean has_name_or_uuid(VirtbusDomain *domain, const char *text) {
        return has_name(domain, text) || has_uuid(domain, text);
}

/**
 * virtbus_client_get_domain_by_name:
 * @client: a client
 * @name: a domain's whole name
 * @error: %VIRTBUS_ERROR_NO_SUCH_DOMAIN, or %VIRTBUS_ERROR_INVALID_ARGUMENT where several hypervisors have one of that name
 *
 * Returns: (transfer full): the domain
 *
 * Since: 0.2
 */
VirtbusDomain *virtbus_client_get_domain_by_name(VirtbusClient *client, const char *name, GError **error) {
        return find(client, name, has_name, error);
}

/**
 * virtbus_client_get_domain_by_uuid:
 * @client: a client
 * @uuid: a domain's whole UUID, in letters of any case
 * @error: %VIRTBUS_ERROR_NO_SUCH_DOMAIN, or %VIRTBUS_ERROR_INVALID_ARGUMENT where several hypervisors have one of that UUID
 *
 * Returns: (transfer full): the domain
 *
 * Since: 0.2
 */
VirtbusDomain *virtbus_client_get_domain_by_uuid(VirtbusClient *client, const char *uuid, GError **error) {
        return find(client, uuid, has_uuid, error);
}

/**
 * virtbus_client_find_domain:
 * @client: a client
 * @text: a domain's whole name or UUID
 * @error: %VIRTBUS_ERROR_NO_SUCH_DOMAIN, or %VIRTBUS_ERROR_INVALID_ARGUMENT where several domains are meant
 *
 * Finds the domain that a person means. The beginning of a name is not enough: what is done to a domain must never reach another
 * one because the first has gone.
 *
 * Returns: (transfer full): the domain
 *
 * Since: 0.1
 */
VirtbusDomain *virtbus_client_find_domain(VirtbusClient *client, const char *text, GError **error) {
        return find(client, text, has_name_or_uuid, error);
}

/* Lists */

/* The list of this kind, filled with what GET answers where it is new. */
static GListModel *get_list(VirtbusClient *client, guint kind, GType type, GList *(*get)(VirtbusClient *client)) {
        if (!client->lists[kind]) {
                GList *items = get(client);
                client->lists[kind] = list_new(type);
                for (GList *link = items; link; link = link->next)
                        list_add(client->lists[kind], link->data);
                g_list_free_full(items, g_object_unref);
        }
        return G_LIST_MODEL(client->lists[kind]);
}

/**
 * virtbus_client_get_connection_list: (get-property connection-list)
 * @client: a client
 *
 * Returns: (transfer none): the hypervisor connections, each a [iface@Virtbus.Connection], in the order of their names; the list
 *   follows what there is
 *
 * Since: 0.2
 */
GListModel *virtbus_client_get_connection_list(VirtbusClient *client) {
        return get_list(client, LIST_CONNECTIONS, VIRTBUS_TYPE_CONNECTION, virtbus_client_get_connections);
}

/**
 * virtbus_client_get_domain_list: (get-property domain-list)
 * @client: a client
 *
 * Returns: (transfer none): the domains of all connections, each a [iface@Virtbus.Domain], in the order of their names; the list
 *   follows what there is
 *
 * Since: 0.2
 */
GListModel *virtbus_client_get_domain_list(VirtbusClient *client) {
        return get_list(client, LIST_DOMAINS, VIRTBUS_TYPE_DOMAIN, virtbus_client_get_domains);
}

/**
 * virtbus_client_get_job_list: (get-property job-list)
 * @client: a client
 *
 * Returns: (transfer none): the jobs at work, each a [iface@Virtbus.Job], in the order in which they began; the list follows what
 *   there is
 *
 * Since: 0.2
 */
GListModel *virtbus_client_get_job_list(VirtbusClient *client) {
        return get_list(client, LIST_JOBS, VIRTBUS_TYPE_JOB, virtbus_client_get_jobs);
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
        return list_of_devices(client->bus, BUS_NAME, g_dbus_proxy_get_object_path(G_DBUS_PROXY(domain)));
}

/* Devices */

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
        virtbus_object_manager_client_new(client->bus, G_DBUS_OBJECT_MANAGER_CLIENT_FLAGS_NONE, BUS_NAME,
                                          g_dbus_proxy_get_object_path(G_DBUS_PROXY(domain)), cancellable, on_devices_ready,
                                          g_task_new(client, cancellable, callback, data));
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
        return virtbus_object_manager_client_new_sync(client->bus, G_DBUS_OBJECT_MANAGER_CLIENT_FLAGS_NONE, BUS_NAME,
                                                      g_dbus_proxy_get_object_path(G_DBUS_PROXY(domain)), cancellable, error);
}

/* GObject */

static void virtbus_client_dispose(GObject *object) {
        VirtbusClient *client = VIRTBUS_CLIENT(object);
        if (client->job_signals)
                g_dbus_connection_signal_unsubscribe(client->bus, client->job_signals);
        client->job_signals = 0;
        if (client->root)
                g_signal_handlers_disconnect_by_data(client->root, client);
        g_clear_object(&client->root);
        if (client->manager)
                g_signal_handlers_disconnect_by_data(client->manager, client);
        g_clear_object(&client->manager);
        for (guint i = 0; i < N_LISTS; i++)
                g_clear_object(&client->lists[i]);
        g_hash_table_remove_all(client->followed);
        waits_clear(&client->waits);
        G_OBJECT_CLASS(virtbus_client_parent_class)->dispose(object);
}

static void virtbus_client_finalize(GObject *object) {
        VirtbusClient *client = VIRTBUS_CLIENT(object);
        g_hash_table_unref(client->followed);
        g_clear_object(&client->bus);
        G_OBJECT_CLASS(virtbus_client_parent_class)->finalize(object);
}

static void virtbus_client_get_property(GObject *object, guint id, GValue *value, GParamSpec *specification) {
        VirtbusClient *client = VIRTBUS_CLIENT(object);
        switch (id) {
        case PROPERTY_CONNECTION:
                g_value_set_object(value, client->bus);
                break;
        case PROPERTY_AVAILABLE:
                g_value_set_boolean(value, client->is_available);
                break;
        case PROPERTY_INTERACTIVE:
                g_value_set_boolean(value, virtbus_client_get_interactive(client));
                break;
        case PROPERTY_CONNECTION_LIST:
                g_value_set_object(value, virtbus_client_get_connection_list(client));
                break;
        case PROPERTY_DOMAIN_LIST:
                g_value_set_object(value, virtbus_client_get_domain_list(client));
                break;
        case PROPERTY_JOB_LIST:
                g_value_set_object(value, virtbus_client_get_job_list(client));
                break;
        default:
                G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, specification);
        }
}

static void virtbus_client_set_property(GObject *object, guint id, const GValue *value, GParamSpec *specification) {
        if (id == PROPERTY_INTERACTIVE)
                virtbus_client_set_interactive(VIRTBUS_CLIENT(object), g_value_get_boolean(value));
        else
                G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, specification);
}

static void virtbus_client_class_init(VirtbusClientClass *class) {
        GObjectClass *object_class = G_OBJECT_CLASS(class);
        GType type = G_TYPE_FROM_CLASS(class);
        object_class->dispose = virtbus_client_dispose;
        object_class->finalize = virtbus_client_finalize;
        object_class->get_property = virtbus_client_get_property;
        object_class->set_property = virtbus_client_set_property;

        /**
         * VirtbusClient:connection: (getter get_connection)
         *
         * The connection to the message bus.
         *
         * Since: 0.1
         */
        properties[PROPERTY_CONNECTION] = g_param_spec_object("connection", NULL, NULL, G_TYPE_DBUS_CONNECTION,
                                                              G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);
        /**
         * VirtbusClient:available: (getter get_available)
         *
         * Whether the service runs.
         *
         * Since: 0.1
         */
        properties[PROPERTY_AVAILABLE] =
                        g_param_spec_boolean("available", NULL, NULL, FALSE, G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);
        /**
         * VirtbusClient:interactive: (getter get_interactive) (setter set_interactive)
         *
         * Whether calls may ask a person for a password, where polkit wants one. Calls wait for the person then. It is of the
         * connection to the message bus: whoever makes calls on the same one has the same.
         *
         * Since: 0.2
         */
        properties[PROPERTY_INTERACTIVE] =
                        g_param_spec_boolean("interactive", NULL, NULL, TRUE,
                                             G_PARAM_READWRITE | G_PARAM_EXPLICIT_NOTIFY | G_PARAM_STATIC_STRINGS);
        /**
         * VirtbusClient:connection-list: (getter get_connection_list)
         *
         * The hypervisor connections, as a list that follows what there is.
         *
         * Since: 0.2
         */
        properties[PROPERTY_CONNECTION_LIST] = g_param_spec_object("connection-list", NULL, NULL, G_TYPE_LIST_MODEL,
                                                                   G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);
        /**
         * VirtbusClient:domain-list: (getter get_domain_list)
         *
         * The domains of all connections, as a list that follows what there is.
         *
         * Since: 0.2
         */
        properties[PROPERTY_DOMAIN_LIST] = g_param_spec_object("domain-list", NULL, NULL, G_TYPE_LIST_MODEL,
                                                               G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);
        /**
         * VirtbusClient:job-list: (getter get_job_list)
         *
         * The jobs at work, as a list that follows what there is.
         *
         * Since: 0.2
         */
        properties[PROPERTY_JOB_LIST] =
                        g_param_spec_object("job-list", NULL, NULL, G_TYPE_LIST_MODEL, G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);
        g_object_class_install_properties(object_class, N_PROPERTIES, properties);

        /**
         * VirtbusClient::domain-added:
         * @client: the client
         * @domain: the domain
         *
         * There is another domain.
         *
         * Since: 0.1
         */
        signals[SIGNAL_DOMAIN_ADDED] = g_signal_new("domain-added", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 1,
                                                    VIRTBUS_TYPE_DOMAIN);
        /**
         * VirtbusClient::domain-removed:
         * @client: the client
         * @domain: the domain, whose properties are as they were last
         *
         * A domain has gone, or the service.
         *
         * Since: 0.1
         */
        signals[SIGNAL_DOMAIN_REMOVED] = g_signal_new("domain-removed", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE,
                                                      1, VIRTBUS_TYPE_DOMAIN);
        /**
         * VirtbusClient::job-added:
         * @client: the client
         * @job: the job
         *
         * A job has begun.
         *
         * Since: 0.1
         */
        signals[SIGNAL_JOB_ADDED] =
                        g_signal_new("job-added", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 1, VIRTBUS_TYPE_JOB);
        /**
         * VirtbusClient::job-changed:
         * @client: the client
         * @job: the job
         *
         * A job has got on: its properties tell how far. The signal's detail is the job's object path.
         *
         * Since: 0.1
         */
        signals[SIGNAL_JOB_CHANGED] = g_signal_new("job-changed", type, G_SIGNAL_RUN_LAST | G_SIGNAL_DETAILED, 0, NULL, NULL,
                                                   NULL, G_TYPE_NONE, 1, VIRTBUS_TYPE_JOB);
        /**
         * VirtbusClient::job-removed:
         * @client: the client
         * @job: the job
         *
         * A job has ended.
         *
         * Since: 0.1
         */
        signals[SIGNAL_JOB_REMOVED] = g_signal_new("job-removed", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 1,
                                                   VIRTBUS_TYPE_JOB);
}

static void virtbus_client_init(VirtbusClient *client) {
        client->followed = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify) followed_free);
}
