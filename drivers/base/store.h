/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Documents on disk, one file each, replaced whole: definitions in the state directory, which outlive a power failure, and
 * what is known of running domains in the runtime directory, which does not outlive the machine's run.
 *
 * Definitions are written by a thread, in order. The runtime directory is memory (/run), so that is written at once. */

#include <libxml/tree.h>
#include <stdbool.h>

#include "base/worker.h"

/* The format of these files is in each of them (and that of saved states in theirs: save-image.h). It rises when an older
 * version could not read, or would misread, what a newer one writes. A file of an older format, or without one (that is 1), is
 * read, and written anew in this one when it changes next. A file of a newer format is refused by name and left alone: neither
 * its domain is known, nor can one of its UUID be made or started, until the version that has written it is back. */
#define STORE_FORMAT 2        /* of what has its owner's rights alone (base/kept.h): an older version would give it more */
#define STORE_FORMAT_COMMON 1 /* of all else */

typedef struct Store Store;

/* Makes the folder of a kind ("domains") below STATE and RUNTIME where they are missing. RUNTIME: NULL for a kind of which
 * nothing runs. */
Store *store_new(sd_event *event, const char *kind, const char *state, const char *runtime, GError **error);

/* Finishes what is queued. */
void store_free(Store *store);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Store, store_free)

/* Waits until what is queued is written and told. */
void store_finish(Store *store);

/* Whether something is being written. */
bool store_is_busy(const Store *store);

/* Writes a definition, or with a TEXT of NULL deletes it, then calls DONE. */
void store_define(Store *store, const char *uuid, const char *text, WorkDone done, void *data);

/* Whether there is a file of a definition, whatever it holds. */
bool store_has_definition(const Store *store, const char *uuid);

/* Writes what is known of a running domain, or deletes it. */
bool store_save_status(Store *store, const char *uuid, const char *text, GError **error);

/* Whether this version reads the attribute format of an element. */
bool store_check_format(const xmlNode *element, GError **error);

/* What is known of a running domain is damaged: the file is renamed to UUID.damaged, for a person to look at, and that is
 * logged. */
void store_put_status_aside(Store *store, const char *uuid, const GError *reason);

/* Reads all documents at start, which are named UUID.xml; other files are left alone. EACH decides what becomes of one that
 * cannot be read: its TEXT is NULL, and ERROR says why. */
typedef void (*StoreEach)(void *data, const char *uuid, const char *text, const GError *error);
void store_each_definition(Store *store, StoreEach each, void *data);
void store_each_status(Store *store, StoreEach each, void *data);

/* True for the first caller since the machine started, which then autostarts domains. */
bool store_is_first_run(Store *store);

/* Makes a root directory for everything that a driver keeps, and what is at once below it; open, as systemd makes
 * /run/virtbus, for guests' own users to go through to their sockets. Refuses, with InvalidArgument, one that somebody else
 * could put something into, or lead to elsewhere. */
bool store_make_root(const char *root, GError **error);

/* Refuses, in the same way, a user's runtime directory in which somebody else could put or change something: of a user's own
 * driver, whatever runs lies below it. One that does not exist is made. XDG Base Directory Specification, XDG_RUNTIME_DIR. */
bool store_check_user_runtime(GError **error);

/* Writes a file whole: aside, then renamed into place; with SYNC safe from a power failure. Usable from any thread. What
 * lies aside when a program is killed is whatever file_is_aside says of its NAME, in the same folder. */
bool file_is_aside(const char *name);
bool file_replace(const char *path, const char *text, bool sync, GError **error);

/* Removes a file, where there is one. */
bool file_remove(const char *path, bool sync, GError **error);
