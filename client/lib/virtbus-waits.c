/* SPDX-License-Identifier: LGPL-2.1-or-later */

#define PROXY_CALLS_THEMSELVES
#include "virtbus-waits.h"

#include <stdbool.h>
#include <string.h>

#include "proxy-calls.h"
#include "virtbus-client-private.h"
#include "virtbus-error.h"

#define BUS_NAME "org.virtbus1"
#define ROOT_PATH "/org/virtbus1"

/* How many jobs that have ended are remembered, for those that begin to wait only then. */
#define ENDED_JOBS_MAX 64

typedef struct Ended {
        char *path;
        GError *error; /* NULL: it was done */
} Ended;

/* For the end of a job, or for a domain. */
typedef struct Wait {
        char *path;
        bool is_for_domain;
        GSource *cancelled; /* NULL where it cannot be */
} Wait;

static void ended_free(Ended *ended) {
        g_free(ended->path);
        g_clear_error(&ended->error);
        g_free(ended);
}

static void wait_free(Wait *wait) {
        g_free(wait->path);
        g_free(wait);
}

static void end_wait(VirtbusClient *client, GTask *task, const GError *error) {
        Wait *wait = g_task_get_task_data(task);
        g_queue_remove(&client->waits.waits, task);
        if (wait->cancelled)
                g_source_destroy(wait->cancelled);
        g_clear_pointer(&wait->cancelled, g_source_unref);
        if (error)
                g_task_return_error(task, g_error_copy(error));
        else if (wait->is_for_domain)
                g_task_return_pointer(task, virtbus_client_get_domain_at(client, wait->path), g_object_unref);
        else
                g_task_return_boolean(task, TRUE);
        g_object_unref(task);
}

/* PATH: NULL for all. */
void waits_end(VirtbusClient *client, const char *path, const GError *error) {
        for (GList *link = client->waits.waits.head, *next; link; link = next) {
                const Wait *wait = g_task_get_task_data(link->data);
                next = link->next;
                if (!path || strcmp(wait->path, path) == 0)
                        end_wait(client, link->data, error);
        }
}

void waits_on_completed(GDBusConnection *bus, const char *sender, const char *path, const char *interface, const char *name,
                        GVariant *arguments, gpointer data) {
        VirtbusClient *client = data;
        gboolean success;
        const char *error_name, *message;
        (void) bus;
        (void) sender;
        (void) interface;
        (void) name;
        if (!g_variant_is_of_type(arguments, G_VARIANT_TYPE("(bss)")))
                return;
        g_variant_get(arguments, "(b&s&s)", &success, &error_name, &message);
        Ended *ended = g_new0(Ended, 1);
        ended->path = g_strdup(path);
        if (!success) {
                ended->error = g_dbus_error_new_for_dbus_error(error_name, message);
                g_dbus_error_strip_remote_error(ended->error);
        }
        g_queue_push_head(&client->waits.ended, ended);
        if (client->waits.ended.length > ENDED_JOBS_MAX)
                ended_free(g_queue_pop_tail(&client->waits.ended));
        waits_end(client, path, ended->error);
}

static gboolean on_wait_cancelled(GCancellable *cancellable, gpointer data) {
        g_autoptr(GError) error = NULL;
        g_cancellable_set_error_if_cancelled(cancellable, &error);
        end_wait(g_task_get_source_object(data), data, error);
        return G_SOURCE_REMOVE;
}

static gboolean knows(VirtbusClient *client, const Wait *wait) {
        g_autoptr(VirtbusDomain) domain = wait->is_for_domain ? virtbus_client_get_domain_at(client, wait->path) : NULL;
        g_autoptr(VirtbusJob) job = wait->is_for_domain ? NULL : virtbus_client_get_job_at(client, wait->path);
        return domain || job;
}

/* Ends a wait for what there is not. */
static void end_wait_for_nothing(VirtbusClient *client, GTask *task) {
        const Wait *wait = g_task_get_task_data(task);
        g_autoptr(GError) error =
                        wait->is_for_domain ? g_error_new(VIRTBUS_ERROR, VIRTBUS_ERROR_NO_SUCH_DOMAIN, "there is no domain %s",
                                                          wait->path)
                                            : g_error_new(G_IO_ERROR, G_IO_ERROR_NOT_FOUND,
                                                          "there is no job %s; it may have ended before this client was made, or "
                                                          "while it read nothing",
                                                          wait->path);
        end_wait(client, task, error);
}

/* All that the service had told before its answer has been taken in: what is not known now never will be. */
static void on_caught_up(GObject *source, GAsyncResult *result, gpointer data) {
        g_autoptr(GTask) task = data;
        g_autoptr(GVariant) answer = g_dbus_connection_call_finish(G_DBUS_CONNECTION(source), result, NULL);
        VirtbusClient *client = g_task_get_source_object(task);
        if (!g_queue_find(&client->waits.waits, task))
                return;
        if (!knows(client, g_task_get_task_data(task)))
                end_wait_for_nothing(client, task);
}

/* Keeps TASK until what it waits for comes; what is not known yet may be on its way. */
static void begin_wait(VirtbusClient *client, GTask *task) {
        Wait *wait = g_task_get_task_data(task);
        GCancellable *cancellable = g_task_get_cancellable(task);
        if (!client->follower.is_available) {
                g_autoptr(GError) error = g_error_new(G_IO_ERROR, G_IO_ERROR_CLOSED, "virtbusd has gone, and its jobs with it");
                end_wait(client, task, error);
                return;
        }
        if (cancellable) {
                wait->cancelled = g_cancellable_source_new(cancellable);
                g_task_attach_source(task, wait->cancelled, (GSourceFunc) (void (*)(void)) on_wait_cancelled);
        }
        if (!knows(client, wait))
                g_dbus_connection_call(client->bus, BUS_NAME, ROOT_PATH, "org.freedesktop.DBus.Peer", "Ping", NULL, NULL,
                                       G_DBUS_CALL_FLAGS_NO_AUTO_START, -1, NULL, on_caught_up, g_object_ref(task));
}

static GTask *wait_new(VirtbusClient *client, const char *path, bool is_for_domain, GCancellable *cancellable,
                       GAsyncReadyCallback callback, gpointer data) {
        GTask *task = g_task_new(client, cancellable, callback, data);
        Wait *wait = g_new0(Wait, 1);
        wait->path = g_strdup(path);
        wait->is_for_domain = is_for_domain;
        g_task_set_task_data(task, wait, (GDestroyNotify) wait_free);
        g_queue_push_tail(&client->waits.waits, task);
        return task;
}

/**
 * virtbus_client_wait_for_job:
 * @client: a client
 * @path: the object path of a job, as methods answer it
 * @cancellable: (nullable): ends the waiting; the job goes on, unless [method@Virtbus.Job.call_cancel] ends it
 * @callback: (scope async): called when the job has ended
 * @data: for @callback
 *
 * Waits for the end of a job. One that has ended while the client was there is known. How it gets on,
 * [signal@Virtbus.Client::job-changed] tells meanwhile, with the path as the detail where only this job is of interest.
 *
 * Since: 0.1
 */
void virtbus_client_wait_for_job(VirtbusClient *client, const char *path, GCancellable *cancellable, GAsyncReadyCallback callback,
                                 gpointer data) {
        GTask *task = wait_new(client, path, false, cancellable, callback, data);
        for (GList *link = client->waits.ended.head; link; link = link->next) {
                const Ended *ended = link->data;
                if (strcmp(ended->path, path) == 0) {
                        end_wait(client, task, ended->error);
                        return;
                }
        }
        begin_wait(client, task);
}

/**
 * virtbus_client_wait_for_job_finish:
 * @client: a client
 * @result: what the callback was given
 * @error: why the job was not done: a %VIRTBUS_ERROR; %G_IO_ERROR_CLOSED where the service has ended before,
 *   %G_IO_ERROR_NOT_FOUND where there is no such job
 *
 * Returns: whether the job was done
 *
 * Since: 0.1
 */
gboolean virtbus_client_wait_for_job_finish(VirtbusClient *client, GAsyncResult *result, GError **error) {
        g_return_val_if_fail(g_task_is_valid(result, client), FALSE);
        return g_task_propagate_boolean(G_TASK(result), error);
}

static void store_result(GObject *source, GAsyncResult *result, gpointer data) {
        (void) source;
        *(GAsyncResult **) data = g_object_ref(result);
}

/**
 * virtbus_client_wait_for_job_sync:
 * @client: a client
 * @path: the object path of a job
 * @cancellable: (nullable): ends the waiting
 * @error: as virtbus_client_wait_for_job_finish()
 *
 * Waits for the end of a job, and runs the client's main context meanwhile.
 *
 * Returns: whether the job was done
 *
 * Since: 0.1
 */
gboolean virtbus_client_wait_for_job_sync(VirtbusClient *client, const char *path, GCancellable *cancellable, GError **error) {
        g_autoptr(GMainContext) context = g_main_context_ref_thread_default();
        g_autoptr(GAsyncResult) result = NULL;
        virtbus_client_wait_for_job(client, path, cancellable, store_result, &result);
        while (!result)
                g_main_context_iteration(context, TRUE);
        return virtbus_client_wait_for_job_finish(client, result, error);
}

/**
 * virtbus_client_wait_for_domain:
 * @client: a client
 * @path: the object path of a domain, as [method@Virtbus.Connection.call_define_domain] and its like answer it
 * @cancellable: (nullable): ends the waiting
 * @callback: (scope async): called when the client knows the domain
 * @data: for @callback
 *
 * Waits until the client knows a domain that was just defined, created or restored: it learns of it by signals, which it takes in
 * while its main context is run.
 *
 * Since: 0.2
 */
void virtbus_client_wait_for_domain(VirtbusClient *client, const char *path, GCancellable *cancellable,
                                    GAsyncReadyCallback callback, gpointer data) {
        GTask *task = wait_new(client, path, true, cancellable, callback, data);
        if (knows(client, g_task_get_task_data(task)))
                end_wait(client, task, NULL);
        else
                begin_wait(client, task);
}

/**
 * virtbus_client_wait_for_domain_finish:
 * @client: a client
 * @result: what the callback was given
 * @error: %VIRTBUS_ERROR_NO_SUCH_DOMAIN where there is none, %G_IO_ERROR_CLOSED where the service has ended before
 *
 * Returns: (transfer full): the domain
 *
 * Since: 0.2
 */
VirtbusDomain *virtbus_client_wait_for_domain_finish(VirtbusClient *client, GAsyncResult *result, GError **error) {
        g_return_val_if_fail(g_task_is_valid(result, client), NULL);
        return g_task_propagate_pointer(G_TASK(result), error);
}

/**
 * virtbus_client_wait_for_domain_sync:
 * @client: a client
 * @path: the object path of a domain
 * @cancellable: (nullable): ends the waiting
 * @error: as virtbus_client_wait_for_domain_finish()
 *
 * Waits until the client knows a domain, and runs the client's main context meanwhile.
 *
 * Returns: (transfer full): the domain
 *
 * Since: 0.2
 */
VirtbusDomain *virtbus_client_wait_for_domain_sync(VirtbusClient *client, const char *path, GCancellable *cancellable,
                                                   GError **error) {
        g_autoptr(GMainContext) context = g_main_context_ref_thread_default();
        g_autoptr(GAsyncResult) result = NULL;
        virtbus_client_wait_for_domain(client, path, cancellable, store_result, &result);
        while (!result)
                g_main_context_iteration(context, TRUE);
        return virtbus_client_wait_for_domain_finish(client, result, error);
}

/* Whoever waits for a job whose end was not told waits no longer. */
void waits_end_lost(VirtbusClient *client) {
        for (GList *link = client->waits.waits.head, *next; link; link = next) {
                const Wait *wait = g_task_get_task_data(link->data);
                next = link->next;
                if (!wait->is_for_domain && !knows(client, wait))
                        end_wait_for_nothing(client, link->data);
        }
}

void waits_clear(VirtbusWaits *waits) {
        g_queue_clear_full(&waits->ended, (GDestroyNotify) ended_free);
}
