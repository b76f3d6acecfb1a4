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

#include "proxy-calls.h"
#include "virtbus-client-private.h"
#include "virtbus-error.h"
#include "virtbus-lists.h"

#define BUS_NAME "org.virtbus1"
#define JOB_INTERFACE BUS_NAME ".Job"

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

/* What the follower tells */

static void on_added(VirtbusClient *client, FollowedKind kind, GDBusProxy *proxy) {
        if (client->lists[kind])
                list_add(client->lists[kind], proxy);
        if (kind == FOLLOWED_JOB)
                g_signal_emit(client, signals[SIGNAL_JOB_ADDED], 0, proxy);
        if (kind == FOLLOWED_DOMAIN) {
                g_signal_emit(client, signals[SIGNAL_DOMAIN_ADDED], 0, proxy);
                waits_end(client, g_dbus_proxy_get_object_path(proxy), NULL);
        }
}

static void on_removed(VirtbusClient *client, FollowedKind kind, GDBusProxy *proxy) {
        if (client->lists[kind])
                list_remove(client->lists[kind], proxy);
        if (kind == FOLLOWED_JOB)
                g_signal_emit(client, signals[SIGNAL_JOB_REMOVED], 0, proxy);
        if (kind == FOLLOWED_DOMAIN)
                g_signal_emit(client, signals[SIGNAL_DOMAIN_REMOVED], 0, proxy);
}

static void on_job_changed(VirtbusClient *client, VirtbusJob *job) {
        g_signal_emit(client, signals[SIGNAL_JOB_CHANGED], g_quark_try_string(g_dbus_proxy_get_object_path(G_DBUS_PROXY(job))),
                      job);
}

static void on_gone(VirtbusClient *client) {
        g_autoptr(GError) error = g_error_new(G_IO_ERROR, G_IO_ERROR_CLOSED, "virtbusd has gone, and its jobs with it");
        waits_end(client, NULL, error);
}

static void on_availability_changed(VirtbusClient *client) {
        g_object_notify_by_pspec(G_OBJECT(client), properties[PROPERTY_AVAILABLE]);
}

static const FollowerListener listener = {
        .added = on_added,
        .removed = on_removed,
        .job_changed = on_job_changed,
        .gone = on_gone,
        .availability_changed = on_availability_changed,
        .begun_again = waits_end_lost,
};

/* Making one */

/* Takes a connection to a message bus. */
static void take_bus(VirtbusClient *client, GDBusConnection *bus) {
        virtbus_error_quark(); /* errors are those of this domain from now on */
        client->bus = bus;
        client->job_signals = g_dbus_connection_signal_subscribe(bus, BUS_NAME, JOB_INTERFACE, "Completed", NULL, NULL,
                                                                 G_DBUS_SIGNAL_FLAGS_NONE, waits_on_completed, client, NULL);
}

static void on_bus_ready(GObject *source, GAsyncResult *result, gpointer data) {
        g_autoptr(GTask) task = data;
        VirtbusClient *client = g_task_get_task_data(task);
        GError *error = NULL;
        GDBusConnection *bus = g_bus_get_finish(result, &error);
        (void) source;
        if (bus) {
                take_bus(client, bus);
                follower_load(&client->follower, bus, g_steal_pointer(&task));
        } else
                g_task_return_error(task, error);
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
        GTask *task = g_task_new(NULL, cancellable, callback, data);
        if (connection) {
                take_bus(client, g_object_ref(connection));
                follower_load(&client->follower, connection, task);
        } else {
                g_task_set_task_data(task, g_steal_pointer(&client), g_object_unref);
                g_bus_get(G_BUS_TYPE_SYSTEM, cancellable, on_bus_ready, task);
        }
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
        GDBusConnection *bus = connection ? g_object_ref(connection) : g_bus_get_sync(G_BUS_TYPE_SYSTEM, cancellable, error);
        if (!bus)
                return NULL;
        take_bus(client, bus);
        return follower_load_sync(&client->follower, bus, cancellable, error) ? g_steal_pointer(&client) : NULL;
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
        return client->follower.is_available;
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
        return client->follower.manager;
}

/* Lists */

/* The list of this kind, filled with what GET answers where it is new. */
static GListModel *get_list(VirtbusClient *client, FollowedKind kind, GType type, GList *(*get)(VirtbusClient *client)) {
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
        return get_list(client, FOLLOWED_CONNECTION, VIRTBUS_TYPE_CONNECTION, virtbus_client_get_connections);
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
        return get_list(client, FOLLOWED_DOMAIN, VIRTBUS_TYPE_DOMAIN, virtbus_client_get_domains);
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
        return get_list(client, FOLLOWED_JOB, VIRTBUS_TYPE_JOB, virtbus_client_get_jobs);
}

/* GObject */

static void virtbus_client_dispose(GObject *object) {
        VirtbusClient *client = VIRTBUS_CLIENT(object);
        if (client->job_signals)
                g_dbus_connection_signal_unsubscribe(client->bus, client->job_signals);
        client->job_signals = 0;
        follower_stop(&client->follower);
        for (guint i = 0; i < G_N_ELEMENTS(client->lists); i++)
                g_clear_object(&client->lists[i]);
        waits_clear(&client->waits);
        G_OBJECT_CLASS(virtbus_client_parent_class)->dispose(object);
}

static void virtbus_client_finalize(GObject *object) {
        VirtbusClient *client = VIRTBUS_CLIENT(object);
        follower_clear(&client->follower);
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
                g_value_set_boolean(value, virtbus_client_get_available(client));
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
        follower_init(&client->follower, client, &listener);
}
