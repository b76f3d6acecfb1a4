/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/user-work.h"

#include <unistd.h>

void user_work_run(const Connection *connection, uid_t user, WorkFunction work, WorkDone done, void *data) {
        if (user == geteuid())
                worker_run(connection->worker, work, done, data);
        else
                worker_run_of(connection->clients, user, work, done, data);
}

void user_work_undo(const Connection *connection, uid_t user, WorkFunction work, WorkDone done, void *data) {
        if (user == geteuid())
                worker_undo(connection->worker, work, done, data);
        else
                worker_undo_of(connection->clients, user, work, done, data);
}
