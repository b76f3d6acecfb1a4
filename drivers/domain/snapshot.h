/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The snapshots of a domain: a tree, of which one is the current one. They are published below the domain, and kept in one file
 * for each domain, which is replaced whole: no crash leaves half a change of the tree. What is to be made is in that file
 * before the hypervisor hears of it, so that who follows a driver that was killed can remove what is half made. */

#include "base/worker.h"
#include "domain/domain.h"
#include "domain/snapshot-definition.h"

/* How many one domain may have. The file has all of their documents: its size is bounded too (XML_OWN_BYTES_MAX). */
#define SNAPSHOTS_MAX 256

typedef struct Snapshot {
        Domain *domain;
        SnapshotDefinition *definition;
        Published *published;
} Snapshot;

/* NULL: there is none. */
Snapshot *snapshot_find(const Domain *domain, const char *name);
Snapshot *snapshot_current(const Domain *domain);
guint snapshots_count(const Domain *domain);
Snapshot *snapshots_at(const Domain *domain, guint index);

/* The path of its object; "/" for NULL. */
const char *snapshot_path(const Snapshot *snapshot);

/* Whether one is below another, or is it. */
bool snapshot_is_below(const Snapshot *snapshot, const char *name);

/* The one that is half made, or NULL. */
const SnapshotDefinition *snapshots_pending(const Domain *domain);

/* Whether they are known, and can be changed: a file that is damaged, or that a later version has written, is left alone. */
bool snapshots_check(const Domain *domain, GError **error);

/* A change of them, which is written as a whole and counts when it is. */
typedef struct SnapshotsChange SnapshotsChange;
SnapshotsChange *snapshots_change_new(Domain *domain);
void snapshots_change_set_pending(SnapshotsChange *change, SnapshotDefinition *definition); /* or NULL */
void snapshots_change_put(SnapshotsChange *change, SnapshotDefinition *definition);         /* instead of one of its name */
void snapshots_change_remove(SnapshotsChange *change,
                             const char *name); /* its children are its parent's then, as is to be current */
void snapshots_change_set_current(SnapshotsChange *change, const char *name);

/* Writes it (CHANGE is taken), then calls DONE: with an error, nothing has changed. */
void snapshots_change_write(SnapshotsChange *change, WorkDone done, void *data);

/* As a connection is opened, after its domains are known. */
void snapshots_load(Connection *connection);

/* Forgets all, and removes their file; then, at once where there is none, calls DONE: with an error, nothing has changed. */
void snapshots_forget_first(Domain *domain, WorkDone done, void *data);

/* Whether an operation on them is at work, or waits. */
bool snapshots_are_changing(const Domain *domain);

/* They go with their domain. Told before the domain's own objects are withdrawn. */
extern const DomainListener snapshots_listener;
