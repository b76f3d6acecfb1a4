/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Unix stream sockets in the file system. Those who connect to them, or remove them, make sure that it is still the same socket
 * that lies there: others may write to the folder that a document names. Functions that return a descriptor return a negative
 * errno where they fail: -ENAMETOOLONG where the path is longer than UNIX_PATH_BYTES_MAX.
 *
 * Paths of documents are for workers: their file systems may hang. */

#include <glib.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/un.h>

#define UNIX_PATH_BYTES_MAX (sizeof(((struct sockaddr_un *) 0)->sun_path) - 1)

/* One that the driver has made; or, where INODE is 0, that QEMU makes. */
typedef struct UnixSocket {
        char *path;
        uint64_t device, inode;
} UnixSocket;

UnixSocket *unix_socket_new(const char *path, uint64_t device, uint64_t inode);
UnixSocket *unix_socket_copy(const UnixSocket *socket);
void unix_socket_free(UnixSocket *socket);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(UnixSocket, unix_socket_free)

/* Listens for one client at a time, as QEMU takes them. A socket of ours that an earlier run
 * has left there, and that nobody listens at, is replaced; anything else that is there is not ours to delete: -EADDRINUSE. */
int unix_listen(const char *path, mode_t mode, UnixSocket **made);

/* Connects without waiting: -EAGAIN where clients wait already, -ESTALE where another file lies at its path now. */
int unix_connect(const UnixSocket *socket);

/* The same at a path in a folder where only this driver writes. */
int unix_connect_own(const char *path);

/* Removes it, where it is still there; MAKER: whose it is where QEMU has made it. */
void unix_remove(const UnixSocket *socket, uid_t maker);
