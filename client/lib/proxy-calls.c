/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define PROXY_CALLS_THEMSELVES
#include "proxy-calls.h"

/* Of a connection: set where its calls ask nobody. */
#define SILENT_KEY "virtbus-silent"

void proxy_calls_set_interactive(GDBusConnection *connection, gboolean interactive) {
        g_object_set_data(G_OBJECT(connection), SILENT_KEY, interactive ? NULL : GINT_TO_POINTER(TRUE));
}

gboolean proxy_calls_get_interactive(GDBusConnection *connection) {
        return !g_object_get_data(G_OBJECT(connection), SILENT_KEY);
}

/* A person who types a password takes longer than D-Bus waits by default. virtbusd has deadlines of its own. */
static void allow(GDBusProxy *proxy, GDBusCallFlags *flags, int *timeout) {
        if (proxy_calls_get_interactive(g_dbus_proxy_get_connection(proxy)))
                *flags |= G_DBUS_CALL_FLAGS_ALLOW_INTERACTIVE_AUTHORIZATION;
        else
                *flags &= ~G_DBUS_CALL_FLAGS_ALLOW_INTERACTIVE_AUTHORIZATION;
        if (*timeout == -1 && *flags & G_DBUS_CALL_FLAGS_ALLOW_INTERACTIVE_AUTHORIZATION)
                *timeout = G_MAXINT;
}

static GVariant *strip(GVariant *answer, GError **error) {
        if (!answer && error && *error)
                g_dbus_error_strip_remote_error(*error);
        return answer;
}

void proxy_call(GDBusProxy *proxy, const char *method, GVariant *arguments, GDBusCallFlags flags, int timeout,
                GCancellable *cancellable, GAsyncReadyCallback callback, gpointer data) {
        allow(proxy, &flags, &timeout);
        g_dbus_proxy_call(proxy, method, arguments, flags, timeout, cancellable, callback, data);
}

GVariant *proxy_call_finish(GDBusProxy *proxy, GAsyncResult *result, GError **error) {
        return strip(g_dbus_proxy_call_finish(proxy, result, error), error);
}

GVariant *proxy_call_sync(GDBusProxy *proxy, const char *method, GVariant *arguments, GDBusCallFlags flags, int timeout,
                          GCancellable *cancellable, GError **error) {
        allow(proxy, &flags, &timeout);
        return strip(g_dbus_proxy_call_sync(proxy, method, arguments, flags, timeout, cancellable, error), error);
}

void proxy_call_with_fds(GDBusProxy *proxy, const char *method, GVariant *arguments, GDBusCallFlags flags, int timeout,
                         GUnixFDList *fds, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer data) {
        allow(proxy, &flags, &timeout);
        g_dbus_proxy_call_with_unix_fd_list(proxy, method, arguments, flags, timeout, fds, cancellable, callback, data);
}

GVariant *proxy_call_with_fds_finish(GDBusProxy *proxy, GUnixFDList **fds, GAsyncResult *result, GError **error) {
        return strip(g_dbus_proxy_call_with_unix_fd_list_finish(proxy, fds, result, error), error);
}

GVariant *proxy_call_with_fds_sync(GDBusProxy *proxy, const char *method, GVariant *arguments, GDBusCallFlags flags, int timeout,
                                   GUnixFDList *fds, GUnixFDList **out_fds, GCancellable *cancellable, GError **error) {
        allow(proxy, &flags, &timeout);
        return strip(g_dbus_proxy_call_with_unix_fd_list_sync(proxy, method, arguments, flags, timeout, fds, out_fds, cancellable,
                                                              error),
                     error);
}
