/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "virtbus-streams.h"

#include <gio/gunixfdlist.h>
#include <gio/gunixinputstream.h>
#include <gio/gunixoutputstream.h>
#include <sys/socket.h>

/* What a call of these passes: it may ask for a password, and takes as long as that. */
#define CALL G_DBUS_CALL_FLAGS_ALLOW_INTERACTIVE_AUTHORIZATION, -1

static GVariant *no_options(void) {
        return g_variant_new("a{sv}", NULL);
}

/* A descriptor of an answer as a stream, which owns it. */
static GIOStream *make_stream(GVariant *handle, GUnixFDList *fds, GError **error) {
        int fd = g_unix_fd_list_get(fds, g_variant_get_handle(handle), error), type;
        socklen_t length = sizeof type;
        if (fd < 0)
                return NULL;
        if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) == 0) {
                g_autoptr(GSocket) socket = g_socket_new_from_fd(fd, error);
                return socket ? G_IO_STREAM(g_socket_connection_factory_create_connection(socket)) : NULL;
        }
        g_autoptr(GInputStream) input = g_unix_input_stream_new(fd, TRUE);
        g_autoptr(GOutputStream) output = g_unix_output_stream_new(fd, FALSE);
        return g_simple_io_stream_new(input, output);
}

/* Ends TASK with the stream of an answer, or with its error. */
static void return_stream(GTask *task, gboolean answered, GVariant *handle, GUnixFDList *fds, GError *error) {
        GIOStream *stream = answered ? make_stream(handle, fds, &error) : NULL;
        if (stream)
                g_task_return_pointer(task, stream, g_object_unref);
        else
                g_task_return_error(task, error);
}

/* Consoles */

static GVariant *console_options(gboolean force) {
        GVariantDict options;
        g_variant_dict_init(&options, NULL);
        if (force)
                g_variant_dict_insert(&options, "force", "b", TRUE);
        return g_variant_dict_end(&options);
}

static void on_console_opened(GObject *source, GAsyncResult *result, gpointer data) {
        g_autoptr(GTask) task = data;
        g_autoptr(GVariant) handle = NULL;
        g_autoptr(GUnixFDList) fds = NULL;
        GError *error = NULL;
        gboolean done = virtbus_device_console_call_open_finish(VIRTBUS_DEVICE_CONSOLE(source), &handle, &fds, result, &error);
        return_stream(task, done, handle, fds, error);
}

/**
 * virtbus_device_console_open_stream:
 * @console: a console
 * @force: whether to take it from who has it open
 * @cancellable: (nullable): stops it
 * @callback: (scope async): called when it is open
 * @data: for @callback
 *
 * Opens a console as a stream of bytes.
 *
 * Since: 0.1
 */
void virtbus_device_console_open_stream(VirtbusDeviceConsole *console, gboolean force, GCancellable *cancellable,
                                        GAsyncReadyCallback callback, gpointer data) {
        virtbus_device_console_call_open(console, console_options(force), CALL, NULL, cancellable, on_console_opened,
                                         g_task_new(console, cancellable, callback, data));
}

/**
 * virtbus_device_console_open_stream_finish:
 * @console: a console
 * @result: what the callback was given
 * @error: why it is not open
 *
 * Returns: (transfer full): the stream; closing it lets go of the console
 *
 * Since: 0.1
 */
GIOStream *virtbus_device_console_open_stream_finish(VirtbusDeviceConsole *console, GAsyncResult *result, GError **error) {
        g_return_val_if_fail(g_task_is_valid(result, console), NULL);
        return g_task_propagate_pointer(G_TASK(result), error);
}

/**
 * virtbus_device_console_open_stream_sync:
 * @console: a console
 * @force: whether to take it from who has it open
 * @cancellable: (nullable): stops it
 * @error: why it is not open
 *
 * Opens a console as a stream of bytes.
 *
 * Returns: (transfer full): the stream; closing it lets go of the console
 *
 * Since: 0.1
 */
GIOStream *virtbus_device_console_open_stream_sync(VirtbusDeviceConsole *console, gboolean force, GCancellable *cancellable,
                                                   GError **error) {
        g_autoptr(GVariant) handle = NULL;
        g_autoptr(GUnixFDList) fds = NULL;
        if (!virtbus_device_console_call_open_sync(console, console_options(force), CALL, NULL, &handle, &fds, cancellable,
                                                   error))
                return NULL;
        return make_stream(handle, fds, error);
}

/* Displays */

static void on_graphics_opened(GObject *source, GAsyncResult *result, gpointer data) {
        g_autoptr(GTask) task = data;
        g_autoptr(GVariant) handle = NULL;
        g_autoptr(GUnixFDList) fds = NULL;
        GError *error = NULL;
        gboolean done = virtbus_device_graphics_call_open_finish(VIRTBUS_DEVICE_GRAPHICS(source), &handle, &fds, result, &error);
        return_stream(task, done, handle, fds, error);
}

/**
 * virtbus_device_graphics_open_stream:
 * @graphics: a display
 * @cancellable: (nullable): stops it
 * @callback: (scope async): called when it is open
 * @data: for @callback
 *
 * Opens a connection to a display, which a viewer's library takes over: that of gtk-vnc, spice-gtk or, for a display of type
 * "dbus", GDBus.
 *
 * Since: 0.2
 */
void virtbus_device_graphics_open_stream(VirtbusDeviceGraphics *graphics, GCancellable *cancellable, GAsyncReadyCallback callback,
                                         gpointer data) {
        virtbus_device_graphics_call_open(graphics, no_options(), CALL, NULL, cancellable, on_graphics_opened,
                                          g_task_new(graphics, cancellable, callback, data));
}

/**
 * virtbus_device_graphics_open_stream_finish:
 * @graphics: a display
 * @result: what the callback was given
 * @error: why it is not open
 *
 * Returns: (transfer full): the connection, a [class@Gio.SocketConnection]
 *
 * Since: 0.2
 */
GIOStream *virtbus_device_graphics_open_stream_finish(VirtbusDeviceGraphics *graphics, GAsyncResult *result, GError **error) {
        g_return_val_if_fail(g_task_is_valid(result, graphics), NULL);
        return g_task_propagate_pointer(G_TASK(result), error);
}

/**
 * virtbus_device_graphics_open_stream_sync:
 * @graphics: a display
 * @cancellable: (nullable): stops it
 * @error: why it is not open
 *
 * Opens a connection to a display.
 *
 * Returns: (transfer full): the connection, a [class@Gio.SocketConnection]
 *
 * Since: 0.2
 */
GIOStream *virtbus_device_graphics_open_stream_sync(VirtbusDeviceGraphics *graphics, GCancellable *cancellable, GError **error) {
        g_autoptr(GVariant) handle = NULL;
        g_autoptr(GUnixFDList) fds = NULL;
        if (!virtbus_device_graphics_call_open_sync(graphics, no_options(), CALL, NULL, &handle, &fds, cancellable, error))
                return NULL;
        return make_stream(handle, fds, error);
}

/* Screenshots */

static void on_picture_read(GObject *source, GAsyncResult *result, gpointer data) {
        g_autoptr(GTask) task = data;
        GError *error = NULL;
        if (g_output_stream_splice_finish(G_OUTPUT_STREAM(source), result, &error) < 0)
                g_task_return_error(task, error);
        else
                g_task_return_pointer(task, g_memory_output_stream_steal_as_bytes(G_MEMORY_OUTPUT_STREAM(source)),
                                      (GDestroyNotify) g_bytes_unref);
}

static void on_screenshot(GObject *source, GAsyncResult *result, gpointer data) {
        g_autoptr(GTask) task = data;
        g_autoptr(GVariant) handle = NULL;
        g_autoptr(GUnixFDList) fds = NULL;
        GError *error = NULL;
        int fd = -1;
        if (virtbus_domain_call_screenshot_finish(VIRTBUS_DOMAIN(source), &handle, &fds, result, &error))
                fd = g_unix_fd_list_get(fds, g_variant_get_handle(handle), &error);
        if (fd < 0) {
                g_task_return_error(task, error);
                return;
        }
        g_autoptr(GInputStream) input = g_unix_input_stream_new(fd, TRUE);
        g_autoptr(GOutputStream) output = g_memory_output_stream_new_resizable();
        g_output_stream_splice_async(output, input, G_OUTPUT_STREAM_SPLICE_CLOSE_SOURCE | G_OUTPUT_STREAM_SPLICE_CLOSE_TARGET,
                                     G_PRIORITY_DEFAULT, g_task_get_cancellable(task), on_picture_read, g_object_ref(task));
}

/**
 * virtbus_domain_take_screenshot:
 * @domain: a running domain
 * @screen: the number of the screen, from 0
 * @cancellable: (nullable): stops it
 * @callback: (scope async): called when the picture is there
 * @data: for @callback
 *
 * Takes a picture of a screen.
 *
 * Since: 0.2
 */
void virtbus_domain_take_screenshot(VirtbusDomain *domain, guint screen, GCancellable *cancellable, GAsyncReadyCallback callback,
                                    gpointer data) {
        virtbus_domain_call_screenshot(domain, screen, no_options(), CALL, NULL, cancellable, on_screenshot,
                                       g_task_new(domain, cancellable, callback, data));
}

/**
 * virtbus_domain_take_screenshot_finish:
 * @domain: a domain
 * @result: what the callback was given
 * @error: why there is no picture
 *
 * Returns: (transfer full): a PNG file
 *
 * Since: 0.2
 */
GBytes *virtbus_domain_take_screenshot_finish(VirtbusDomain *domain, GAsyncResult *result, GError **error) {
        g_return_val_if_fail(g_task_is_valid(result, domain), NULL);
        return g_task_propagate_pointer(G_TASK(result), error);
}

/**
 * virtbus_domain_take_screenshot_sync:
 * @domain: a running domain
 * @screen: the number of the screen, from 0
 * @cancellable: (nullable): stops it
 * @error: why there is no picture
 *
 * Takes a picture of a screen.
 *
 * Returns: (transfer full): a PNG file
 *
 * Since: 0.2
 */
GBytes *virtbus_domain_take_screenshot_sync(VirtbusDomain *domain, guint screen, GCancellable *cancellable, GError **error) {
        g_autoptr(GVariant) handle = NULL;
        g_autoptr(GUnixFDList) fds = NULL;
        if (!virtbus_domain_call_screenshot_sync(domain, screen, no_options(), CALL, NULL, &handle, &fds, cancellable, error))
                return NULL;
        int fd = g_unix_fd_list_get(fds, g_variant_get_handle(handle), error);
        if (fd < 0)
                return NULL;
        g_autoptr(GInputStream) input = g_unix_input_stream_new(fd, TRUE);
        g_autoptr(GOutputStream) output = g_memory_output_stream_new_resizable();
        if (g_output_stream_splice(output, input, G_OUTPUT_STREAM_SPLICE_CLOSE_SOURCE | G_OUTPUT_STREAM_SPLICE_CLOSE_TARGET,
                                   cancellable, error) < 0)
                return NULL;
        return g_memory_output_stream_steal_as_bytes(G_MEMORY_OUTPUT_STREAM(output));
}

/* Logs */

static GInputStream *make_input(GVariant *handle, GUnixFDList *fds, GError **error) {
        int fd = g_unix_fd_list_get(fds, g_variant_get_handle(handle), error);
        return fd < 0 ? NULL : g_unix_input_stream_new(fd, TRUE);
}

static void on_log_opened(GObject *source, GAsyncResult *result, gpointer data) {
        g_autoptr(GTask) task = data;
        g_autoptr(GVariant) handle = NULL;
        g_autoptr(GUnixFDList) fds = NULL;
        GError *error = NULL;
        gboolean done = virtbus_domain_call_open_log_finish(VIRTBUS_DOMAIN(source), &handle, &fds, result, &error);
        GInputStream *stream = done ? make_input(handle, fds, &error) : NULL;
        if (stream)
                g_task_return_pointer(task, stream, g_object_unref);
        else
                g_task_return_error(task, error);
}

/**
 * virtbus_domain_open_log_stream:
 * @domain: a domain
 * @cancellable: (nullable): stops it
 * @callback: (scope async): called when it is open
 * @data: for @callback
 *
 * Opens the log of a domain: what the hypervisor's process has said.
 *
 * Since: 0.2
 */
void virtbus_domain_open_log_stream(VirtbusDomain *domain, GCancellable *cancellable, GAsyncReadyCallback callback,
                                    gpointer data) {
        virtbus_domain_call_open_log(domain, no_options(), CALL, NULL, cancellable, on_log_opened,
                                     g_task_new(domain, cancellable, callback, data));
}

/**
 * virtbus_domain_open_log_stream_finish:
 * @domain: a domain
 * @result: what the callback was given
 * @error: why it is not open
 *
 * Returns: (transfer full): the log, from its beginning; there may be more after its end later
 *
 * Since: 0.2
 */
GInputStream *virtbus_domain_open_log_stream_finish(VirtbusDomain *domain, GAsyncResult *result, GError **error) {
        g_return_val_if_fail(g_task_is_valid(result, domain), NULL);
        return g_task_propagate_pointer(G_TASK(result), error);
}

/**
 * virtbus_domain_open_log_stream_sync:
 * @domain: a domain
 * @cancellable: (nullable): stops it
 * @error: why it is not open
 *
 * Opens the log of a domain.
 *
 * Returns: (transfer full): the log, from its beginning; there may be more after its end later
 *
 * Since: 0.2
 */
GInputStream *virtbus_domain_open_log_stream_sync(VirtbusDomain *domain, GCancellable *cancellable, GError **error) {
        g_autoptr(GVariant) handle = NULL;
        g_autoptr(GUnixFDList) fds = NULL;
        if (!virtbus_domain_call_open_log_sync(domain, no_options(), CALL, NULL, &handle, &fds, cancellable, error))
                return NULL;
        return make_input(handle, fds, error);
}
