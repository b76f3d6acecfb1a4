/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A folder that is one process's: a second driver of the same folders would clean up what the first is at work on. */

#include <glib.h>

/* Makes the folder where it is missing, and locks it by its file "lock". Returns a descriptor that holds the lock until it is
 * closed or this process ends (children do not hold it), or -1 with ResourceBusy, which names the process that has it. */
int folder_lock(const char *folder, GError **error);
