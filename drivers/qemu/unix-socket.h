/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Unix stream sockets. Those by path return a descriptor, or a negative errno: -ENAMETOOLONG where the path is longer than
 * UNIX_PATH_BYTES_MAX. */

#include <glib.h>
#include <sys/types.h>
#include <sys/un.h>

#define UNIX_PATH_BYTES_MAX (sizeof(((struct sockaddr_un *) 0)->sun_path) - 1)

/* Listens for one client at a time, as QEMU takes them. A socket that an earlier run has left there is replaced; anything else
 * that is there is not ours to delete. */
int unix_listen(const char *path, mode_t mode);

/* Connects without waiting: -EAGAIN where clients wait already. */
int unix_connect(const char *path);
