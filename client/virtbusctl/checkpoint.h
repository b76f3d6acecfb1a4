/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "ctl.h"
#include "tree.h"

extern const TreeKind checkpoint_kind;

/* The commands of the verb checkpoint. */
extern const DomainCommands checkpoint_commands;

/* The names of a domain's checkpoints; NULL where they cannot be asked for. */
char **checkpoint_names(Ctl *ctl, VirtbusDomain *domain);
