/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The snapshots of a machine, as the hypervisor tells them: VirtualMachineSnapshotInfo. There, names may be any text, and several
 * may have one name; here each has one of its own. */

#include "domain/domain.h"
#include "domain/snapshot-definition.h"
#include "esx/vim.h"

typedef struct ToldSnapshot {
        VimReference reference;
        SnapshotDefinition *definition; /* with the name that it is shown by */
} ToldSnapshot;

typedef struct ToldSnapshots {
        GPtrArray *all;     /* ToldSnapshot: a parent before what is below it */
        char *current;      /* a reference's value; or NULL */
        bool is_incomplete; /* there are more than are kept in mind */
} ToldSnapshots;

/* What VALUE tells. */
ToldSnapshots *told_snapshots_read(const xmlNode *value);
void told_snapshots_free(ToldSnapshots *snapshots);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ToldSnapshots, told_snapshots_free)

/* One by its reference's value, or by the name that it is shown by; or NULL. Also SNAPSHOTS may be NULL. */
const ToldSnapshot *told_snapshots_find(const ToldSnapshots *snapshots, const char *value);
const ToldSnapshot *told_snapshots_named(const ToldSnapshots *snapshots, const char *name);

/* Whether one is the current one. */
bool told_snapshots_is_current(const ToldSnapshots *snapshots, const char *value);

/* Shows them (NULL: none) as those of a domain. */
void told_snapshots_show(const ToldSnapshots *snapshots, Domain *domain);
