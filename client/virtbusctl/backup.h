/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "ctl.h"

/* The commands of the verb backup; to be freed. */
char **backup_command_names(void);
