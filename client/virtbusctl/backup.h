/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "ctl.h"
#include "domain-command.h"

/* The commands of the verb backup. */
extern const DomainCommands backup_commands;
