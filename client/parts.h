/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A list of objects, read in parts (org.virtbus1.ManagedObjects): it may be longer than any message of the bus. It is read whole
 * where the service knows no parts, as that of another host may; a table, which is quicker to read, is not. */

#include <gio/gio.h>

/* Called with each object and its interfaces, a{sa{sv}}. */
typedef void (*PartsEach)(gpointer data, const char *path, GVariant *interfaces);

/* Called with the paths of some objects, ao, and by each property's name an array of its values in their order, a{sv}. */
typedef void (*PartsTable)(gpointer data, GVariant *paths, GVariant *columns);

typedef struct PartsList {
        GDBusConnection *bus;
        const char *service;
        const char *path;              /* of the object that manages them */
        const char *interface;         /* the one that is wanted; of a whole list there are others, too */
        const char *const *properties; /* of that one; NULL: all */
        GDBusCallFlags flags;
        int timeout; /* of each call: milliseconds, -1 or G_MAXINT, as GDBus has it */
        PartsEach each;
        PartsTable table; /* in the place of EACH */
        gpointer data;
} PartsList;

/* Reads the list. False with the error, which may come after some objects. */
gboolean parts_load_sync(const PartsList *list, GCancellable *cancellable, GError **error);

/* The same without waiting; LIST is copied, DATA is not. Once CANCELLABLE is cancelled, DATA is not touched any more. */
void parts_load(const PartsList *list, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer data);
gboolean parts_load_finish(GAsyncResult *result, GError **error);
