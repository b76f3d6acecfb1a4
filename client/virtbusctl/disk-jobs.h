/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The commands of the verb disk; to be freed. */
char **disk_command_names(void);
