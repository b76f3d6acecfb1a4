/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

#include "virtbus-generated.h"

G_BEGIN_DECLS

#define VIRTBUS_TYPE_CLIENT (virtbus_client_get_type())
G_DECLARE_FINAL_TYPE(VirtbusClient, virtbus_client, VIRTBUS, CLIENT, GObject)

void virtbus_client_new(GDBusConnection *connection, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer data);
VirtbusClient *virtbus_client_new_finish(GAsyncResult *result, GError **error);
VirtbusClient *virtbus_client_new_sync(GDBusConnection *connection, GCancellable *cancellable, GError **error);

GDBusConnection *virtbus_client_get_connection(VirtbusClient *client);
gboolean virtbus_client_get_available(VirtbusClient *client);
gboolean virtbus_client_get_interactive(VirtbusClient *client);
void virtbus_client_set_interactive(VirtbusClient *client, gboolean interactive);
VirtbusManager *virtbus_client_get_manager(VirtbusClient *client);
GList *virtbus_client_get_connections(VirtbusClient *client);
GList *virtbus_client_get_domains(VirtbusClient *client);
GList *virtbus_client_get_jobs(VirtbusClient *client);
VirtbusJob *virtbus_client_get_job_at(VirtbusClient *client, const char *path);
VirtbusDomain *virtbus_client_get_domain_by_name(VirtbusClient *client, const char *name, GError **error);
VirtbusDomain *virtbus_client_get_domain_by_uuid(VirtbusClient *client, const char *uuid, GError **error);
VirtbusDomain *virtbus_client_find_domain(VirtbusClient *client, const char *text, GError **error);
VirtbusDomain *virtbus_client_get_domain_at(VirtbusClient *client, const char *path);
VirtbusConnection *virtbus_client_get_connection_of(VirtbusClient *client, VirtbusDomain *domain);

GListModel *virtbus_client_get_connection_list(VirtbusClient *client);
GListModel *virtbus_client_get_domain_list(VirtbusClient *client);
GListModel *virtbus_client_get_job_list(VirtbusClient *client);
GListModel *virtbus_client_get_device_list(VirtbusClient *client, VirtbusDomain *domain);

void virtbus_client_get_devices(VirtbusClient *client, VirtbusDomain *domain, GCancellable *cancellable,
                                GAsyncReadyCallback callback, gpointer data);
GDBusObjectManager *virtbus_client_get_devices_finish(VirtbusClient *client, GAsyncResult *result, GError **error);
GDBusObjectManager *virtbus_client_get_devices_sync(VirtbusClient *client, VirtbusDomain *domain, GCancellable *cancellable,
                                                    GError **error);

void virtbus_client_wait_for_job(VirtbusClient *client, const char *path, GCancellable *cancellable, GAsyncReadyCallback callback,
                                 gpointer data);
gboolean virtbus_client_wait_for_job_finish(VirtbusClient *client, GAsyncResult *result, GError **error);
gboolean virtbus_client_wait_for_job_sync(VirtbusClient *client, const char *path, GCancellable *cancellable, GError **error);

void virtbus_client_wait_for_domain(VirtbusClient *client, const char *path, GCancellable *cancellable,
                                    GAsyncReadyCallback callback, gpointer data);
VirtbusDomain *virtbus_client_wait_for_domain_finish(VirtbusClient *client, GAsyncResult *result, GError **error);
VirtbusDomain *virtbus_client_wait_for_domain_sync(VirtbusClient *client, const char *path, GCancellable *cancellable,
                                                   GError **error);

G_END_DECLS
