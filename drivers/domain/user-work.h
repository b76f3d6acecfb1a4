/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Work with files that a user names, in a worker: what hangs of theirs (a file system that answers late, or not) holds up nobody
 * else's. The driver's own user has more room than others. */

#include "domain/connection.h"

void user_work_run(const Connection *connection, uid_t user, WorkFunction work, WorkDone done, void *data);

/* The same for what undoes that: also when the driver is ending. */
void user_work_undo(const Connection *connection, uid_t user, WorkFunction work, WorkDone done, void *data);
