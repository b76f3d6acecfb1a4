/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Saved states as streams: see virtbus-streams.h. */

#include <gio/gunixfdlist.h>
#include <gio/gunixinputstream.h>
#include <gio/gunixoutputstream.h>
#include <glib-unix.h>

#include "virtbus-streams.h"

/* What a call of these passes: it may ask for a password, and takes as long as that. */
#define CALL G_DBUS_CALL_FLAGS_ALLOW_INTERACTIVE_AUTHORIZATION, -1

/* A pipe: the end for the service as the one descriptor of FDS, and the other. INDEX: which end is the service's. */
static GUnixFDList *open_pipe(guint index, int *own, GError **error) {
        int ends[2];
        if (!g_unix_open_pipe(ends, FD_CLOEXEC, error))
                return NULL;
        *own = ends[!index];
        return g_unix_fd_list_new_from_array(&ends[index], 1);
}

static GVariant *save_options(const char *compression, VirtbusDomainSaveFlags flags) {
        GVariantDict options;
        g_variant_dict_init(&options, NULL);
        if (compression)
                g_variant_dict_insert(&options, "compression", "s", compression);
        if (flags & VIRTBUS_DOMAIN_SAVE_PAUSED)
                g_variant_dict_insert(&options, "paused", "b", TRUE);
        return g_variant_dict_end(&options);
}

static void on_saving(GObject *source, GAsyncResult *result, gpointer data) {
        g_autoptr(GTask) task = data;
        GError *error = NULL;
        char *job = NULL;
        if (!virtbus_domain_call_save_to_fd_finish(VIRTBUS_DOMAIN(source), &job, NULL, result, &error)) {
                g_task_return_error(task, error);
                return;
        }
        GInputStream *stream = g_object_ref(g_task_get_task_data(task));
        g_object_set_data_full(G_OBJECT(task), "job", job, g_free);
        g_task_return_pointer(task, stream, g_object_unref);
}

/**
 * virtbus_domain_save_to_stream:
 * @domain: a running domain
 * @compression: (nullable): "none", "gzip", "zstd", "xz" or "lz4"; %NULL for "none"
 * @flags: options
 * @cancellable: (nullable): stops the waiting for the call's answer
 * @callback: (scope async): called when the job has begun
 * @data: for @callback
 *
 * Saves the state of a domain into a stream that the caller reads, and ends the domain.
 *
 * Since: 0.2
 */
void virtbus_domain_save_to_stream(VirtbusDomain *domain, const char *compression, VirtbusDomainSaveFlags flags,
                                   GCancellable *cancellable, GAsyncReadyCallback callback, gpointer data) {
        g_autoptr(GTask) task = g_task_new(domain, cancellable, callback, data);
        GError *error = NULL;
        int own;
        g_autoptr(GUnixFDList) fds = open_pipe(1, &own, &error);
        if (!fds) {
                g_task_return_error(task, error);
                return;
        }
        g_task_set_task_data(task, g_unix_input_stream_new(own, TRUE), g_object_unref);
        virtbus_domain_call_save_to_fd(domain, g_variant_new_handle(0), save_options(compression, flags), CALL, fds, cancellable,
                                       on_saving, g_object_ref(task));
}

/**
 * virtbus_domain_save_to_stream_finish:
 * @domain: a domain
 * @job: (out) (optional) (transfer full): the job's object path, for [method@Virtbus.Client.wait_for_job]: the state is whole
 *   only when the job has succeeded
 * @result: what the callback was given
 * @error: why it cannot be saved
 *
 * Returns: (transfer full): what is to be read to its end
 *
 * Since: 0.2
 */
GInputStream *virtbus_domain_save_to_stream_finish(VirtbusDomain *domain, char **job, GAsyncResult *result, GError **error) {
        g_return_val_if_fail(g_task_is_valid(result, domain), NULL);
        GInputStream *stream = g_task_propagate_pointer(G_TASK(result), error);
        if (job)
                *job = g_strdup(stream ? g_object_get_data(G_OBJECT(result), "job") : NULL);
        return stream;
}

/**
 * virtbus_domain_save_to_stream_sync:
 * @domain: a running domain
 * @compression: (nullable): "none", "gzip", "zstd", "xz" or "lz4"; %NULL for "none"
 * @flags: options
 * @job: (out) (optional) (transfer full): the job's object path
 * @cancellable: (nullable): stops the waiting for the call's answer
 * @error: why it cannot be saved
 *
 * Begins to save the state of a domain into a stream that the caller reads.
 *
 * Returns: (transfer full): what is to be read to its end
 *
 * Since: 0.2
 */
GInputStream *virtbus_domain_save_to_stream_sync(VirtbusDomain *domain, const char *compression, VirtbusDomainSaveFlags flags,
                                                 char **job, GCancellable *cancellable, GError **error) {
        int own;
        g_autoptr(GUnixFDList) fds = open_pipe(1, &own, error);
        if (!fds)
                return NULL;
        g_autoptr(GInputStream) stream = g_unix_input_stream_new(own, TRUE);
        if (!virtbus_domain_call_save_to_fd_sync(domain, g_variant_new_handle(0), save_options(compression, flags), CALL, fds,
                                                 job, NULL, cancellable, error))
                return NULL;
        return g_steal_pointer(&stream);
}

static GVariant *restore_options(VirtbusConnectionRestoreDomainFlags flags) {
        GVariantDict options;
        g_variant_dict_init(&options, NULL);
        if (flags & VIRTBUS_CONNECTION_RESTORE_DOMAIN_PAUSED)
                g_variant_dict_insert(&options, "paused", "b", TRUE);
        return g_variant_dict_end(&options);
}

static void on_restoring(GObject *source, GAsyncResult *result, gpointer data) {
        g_autoptr(GTask) task = data;
        GError *error = NULL;
        char *domain = NULL, *job = NULL;
        if (!virtbus_connection_call_restore_domain_from_fd_finish(VIRTBUS_CONNECTION(source), &domain, &job, NULL, result,
                                                                   &error)) {
                g_task_return_error(task, error);
                return;
        }
        g_object_set_data_full(G_OBJECT(task), "domain", domain, g_free);
        g_object_set_data_full(G_OBJECT(task), "job", job, g_free);
        g_task_return_boolean(task, TRUE);
}

/**
 * virtbus_connection_restore_from_stream:
 * @connection: a connection
 * @stream: what virtbus_domain_save_to_stream() has written; it is read to its end and closed
 * @flags: options
 * @cancellable: (nullable): stops the reading, at which the job fails
 * @callback: (scope async): called when the job has begun
 * @data: for @callback
 *
 * Restores a domain from a stream. The stream is read while the main context runs, until the job has ended.
 *
 * Since: 0.2
 */
void virtbus_connection_restore_from_stream(VirtbusConnection *connection, GInputStream *stream,
                                            VirtbusConnectionRestoreDomainFlags flags, GCancellable *cancellable,
                                            GAsyncReadyCallback callback, gpointer data) {
        g_autoptr(GTask) task = g_task_new(connection, cancellable, callback, data);
        GError *error = NULL;
        int own;
        g_autoptr(GUnixFDList) fds = open_pipe(0, &own, &error);
        if (!fds) {
                g_task_return_error(task, error);
                return;
        }
        g_autoptr(GOutputStream) output = g_unix_output_stream_new(own, TRUE);
        /* What becomes of it is told by the job: whoever reads the other end knows whether the state is whole. */
        g_output_stream_splice_async(output, stream, G_OUTPUT_STREAM_SPLICE_CLOSE_SOURCE | G_OUTPUT_STREAM_SPLICE_CLOSE_TARGET,
                                     G_PRIORITY_DEFAULT, cancellable, NULL, NULL);
        virtbus_connection_call_restore_domain_from_fd(connection, g_variant_new_handle(0), restore_options(flags), CALL, fds,
                                                       cancellable, on_restoring, g_object_ref(task));
}

/**
 * virtbus_connection_restore_from_stream_finish:
 * @connection: a connection
 * @domain: (out) (optional) (transfer full): the domain's object path
 * @job: (out) (optional) (transfer full): the job's object path, for [method@Virtbus.Client.wait_for_job]
 * @result: what the callback was given
 * @error: why it cannot be restored
 *
 * Returns: whether the job has begun
 *
 * Since: 0.2
 */
gboolean virtbus_connection_restore_from_stream_finish(VirtbusConnection *connection, char **domain, char **job,
                                                       GAsyncResult *result, GError **error) {
        g_return_val_if_fail(g_task_is_valid(result, connection), FALSE);
        gboolean done = g_task_propagate_boolean(G_TASK(result), error);
        if (domain)
                *domain = g_strdup(done ? g_object_get_data(G_OBJECT(result), "domain") : NULL);
        if (job)
                *job = g_strdup(done ? g_object_get_data(G_OBJECT(result), "job") : NULL);
        return done;
}
