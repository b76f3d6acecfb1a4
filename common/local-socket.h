/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Sockets of this machine (unix(7)), and messages on them that carry descriptors. It needs the C library alone: helpers that are
 * kept small have it, too. */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/un.h>

/* The most descriptors that one message carries here; the kernel's bound is 253. */
#define LOCAL_SOCKET_FDS_MAX 16

/* Descriptors that come with messages, besides those that there are. */
typedef struct LocalFds {
        int list[LOCAL_SOCKET_FDS_MAX];
        unsigned n;
        bool lost; /* more came than were looked for, or than this process can have: they are closed */
} LocalFds;

/* Closes those that there are. */
void local_fds_close(LocalFds *fds);

/* The address of a path. Returns 0, or -ENAMETOOLONG. */
int local_socket_address(const char *path, struct sockaddr_un *address);

/* Connects a new socket of TYPE (SOCK_STREAM, SOCK_SEQPACKET, with SOCK_NONBLOCK or not) to what listens at PATH. Returns the
 * socket, which programs that are run do not get, or a negative errno. */
int local_socket_connect(const char *path, int type);

/* Sends bytes, and N_FDS descriptors with them, which stay the caller's. FLAGS: of sendmsg(2); a reader that has gone is an
 * error and no signal in any case. Returns how many bytes were taken, or a negative errno. */
ssize_t local_socket_send_parts(int socket, const struct iovec *parts, size_t n_parts, const int *fds, unsigned n_fds, int flags);
ssize_t local_socket_send(int socket, const void *bytes, size_t size, const int *fds, unsigned n_fds, int flags);

/* Receives at most SIZE bytes, and descriptors until there are N_FDS_MAX (at most LOCAL_SOCKET_FDS_MAX). FLAGS: of recvmsg(2).
 * *FLAGS_OUT (may be NULL): what that says of the message. Returns how many bytes came (0: the end), or a negative errno. */
ssize_t local_socket_receive(int socket, void *buffer, size_t size, LocalFds *fds, unsigned n_fds_max, int flags, int *flags_out);
