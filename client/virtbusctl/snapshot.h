/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "ctl.h"
#include "tree.h"

extern const TreeKind snapshot_kind;

/* The commands of the verb snapshot. */
extern const DomainCommands snapshot_commands;

/* The names of a domain's snapshots; NULL where they cannot be asked for. */
char **snapshot_names(Ctl *ctl, VirtbusDomain *domain);
