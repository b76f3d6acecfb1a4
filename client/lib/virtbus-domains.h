/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The domains of one connection, as proxies that are kept up with. The list is read in parts, since it may be longer than any
 * message of the bus; not by an object manager of GDBus, which knows of no parts. */

#include "virtbus-client.h"

typedef struct Domains Domains;

typedef struct DomainsListener {
        void (*added)(gpointer data, VirtbusDomain *domain);
        void (*removed)(gpointer data, VirtbusDomain *domain);
} DomainsListener;

/* Those below PATH, of which the service that has the unique name OWNER tells; none is known yet. There is a match rule for its
 * signals already. */
Domains *domains_new(GDBusConnection *bus, const char *owner, const char *path, const DomainsListener *listener, gpointer data);

/* Tells nothing more, and frees them. */
void domains_free(Domains *domains);

/* Reads them. The callback comes with the last part, or with the error that ended it; it may outlive DOMAINS where CANCELLABLE is
 * cancelled before these are freed. */
void domains_load(Domains *domains, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer data);
gboolean domains_load_finish(GAsyncResult *result, GError **error);
gboolean domains_load_sync(Domains *domains, GCancellable *cancellable, GError **error);

/* Whether they have been read, or are being read: else that has failed. */
gboolean domains_are_read(const Domains *domains);

/* Calls a function with each domain. */
void domains_each(Domains *domains, void (*each)(gpointer data, VirtbusDomain *domain), gpointer data);

/* The domain at a path, borrowed, or NULL. */
VirtbusDomain *domains_find(Domains *domains, const char *path);
