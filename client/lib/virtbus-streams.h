/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

#include "virtbus-generated.h"
#include "virtbus-verbs.h"

G_BEGIN_DECLS

void virtbus_device_console_open_stream(VirtbusDeviceConsole *console, gboolean force, GCancellable *cancellable,
                                        GAsyncReadyCallback callback, gpointer data);
GIOStream *virtbus_device_console_open_stream_finish(VirtbusDeviceConsole *console, GAsyncResult *result, GError **error);
GIOStream *virtbus_device_console_open_stream_sync(VirtbusDeviceConsole *console, gboolean force, GCancellable *cancellable,
                                                   GError **error);

void virtbus_device_graphics_open_stream(VirtbusDeviceGraphics *graphics, GCancellable *cancellable, GAsyncReadyCallback callback,
                                         gpointer data);
GIOStream *virtbus_device_graphics_open_stream_finish(VirtbusDeviceGraphics *graphics, GAsyncResult *result, GError **error);
GIOStream *virtbus_device_graphics_open_stream_sync(VirtbusDeviceGraphics *graphics, GCancellable *cancellable, GError **error);

void virtbus_domain_take_screenshot(VirtbusDomain *domain, guint screen, GCancellable *cancellable, GAsyncReadyCallback callback,
                                    gpointer data);
GBytes *virtbus_domain_take_screenshot_finish(VirtbusDomain *domain, GAsyncResult *result, GError **error);
GBytes *virtbus_domain_take_screenshot_sync(VirtbusDomain *domain, guint screen, GCancellable *cancellable, GError **error);

void virtbus_domain_open_log_stream(VirtbusDomain *domain, GCancellable *cancellable, GAsyncReadyCallback callback,
                                    gpointer data);
GInputStream *virtbus_domain_open_log_stream_finish(VirtbusDomain *domain, GAsyncResult *result, GError **error);
GInputStream *virtbus_domain_open_log_stream_sync(VirtbusDomain *domain, GCancellable *cancellable, GError **error);

void virtbus_domain_save_to_stream(VirtbusDomain *domain, const char *compression, VirtbusDomainSaveFlags flags,
                                   GCancellable *cancellable, GAsyncReadyCallback callback, gpointer data);
GInputStream *virtbus_domain_save_to_stream_finish(VirtbusDomain *domain, char **job, GAsyncResult *result, GError **error);
GInputStream *virtbus_domain_save_to_stream_sync(VirtbusDomain *domain, const char *compression, VirtbusDomainSaveFlags flags,
                                                 char **job, GCancellable *cancellable, GError **error);

void virtbus_connection_restore_from_stream(VirtbusConnection *connection, GInputStream *stream,
                                            VirtbusConnectionRestoreDomainFlags flags, GCancellable *cancellable,
                                            GAsyncReadyCallback callback, gpointer data);
gboolean virtbus_connection_restore_from_stream_finish(VirtbusConnection *connection, char **domain, char **job,
                                                       GAsyncResult *result, GError **error);

G_END_DECLS
