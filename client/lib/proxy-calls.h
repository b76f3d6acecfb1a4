/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the generated proxies call in the place of GDBusProxy's own functions: each call allows interactive authorization,
 * unless virtbus_client_set_interactive() has said otherwise of its connection, and errors read as virtbusd has written them,
 * without the names of D-Bus's that GDBus puts before them. Included in front of the generated code, by the compiler's
 * -include. */

#include <gio/gio.h>
#include <gio/gunixfdlist.h>

/* Of a connection: whether calls on it may ask a person for a password. */
void proxy_calls_set_interactive(GDBusConnection *connection, gboolean interactive);
gboolean proxy_calls_get_interactive(GDBusConnection *connection);

void proxy_call(GDBusProxy *proxy, const char *method, GVariant *arguments, GDBusCallFlags flags, int timeout,
                GCancellable *cancellable, GAsyncReadyCallback callback, gpointer data);
GVariant *proxy_call_finish(GDBusProxy *proxy, GAsyncResult *result, GError **error);
GVariant *proxy_call_sync(GDBusProxy *proxy, const char *method, GVariant *arguments, GDBusCallFlags flags, int timeout,
                          GCancellable *cancellable, GError **error);
void proxy_call_with_fds(GDBusProxy *proxy, const char *method, GVariant *arguments, GDBusCallFlags flags, int timeout,
                         GUnixFDList *fds, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer data);
GVariant *proxy_call_with_fds_finish(GDBusProxy *proxy, GUnixFDList **fds, GAsyncResult *result, GError **error);
GVariant *proxy_call_with_fds_sync(GDBusProxy *proxy, const char *method, GVariant *arguments, GDBusCallFlags flags, int timeout,
                                   GUnixFDList *fds, GUnixFDList **out_fds, GCancellable *cancellable, GError **error);

#ifndef PROXY_CALLS_THEMSELVES
#define g_dbus_proxy_call proxy_call
#define g_dbus_proxy_call_finish proxy_call_finish
#define g_dbus_proxy_call_sync proxy_call_sync
#define g_dbus_proxy_call_with_unix_fd_list proxy_call_with_fds
#define g_dbus_proxy_call_with_unix_fd_list_finish proxy_call_with_fds_finish
#define g_dbus_proxy_call_with_unix_fd_list_sync proxy_call_with_fds_sync
#endif
