/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A socket that systemd has given: what it is for, by its name. */

#include <glib.h>
#include <stdbool.h>

/* The names: FileDescriptorName= of the socket's unit. */
#define PEERS_SOCKET "virtbus"              /* everything that polkit allows */
#define PEERS_SOCKET_READ_ONLY "virtbus-ro" /* reading, whoever asks */

/* What is spoken on a socket, and what may be done there. */
typedef struct PeerSocket {
        const char *name;
        bool libvirt;   /* libvirt's protocol, not D-Bus */
        bool read_only; /* reading, whoever asks */
} PeerSocket;

/* Refuses one that is not known, or does not listen: NULL. Where it has no name its file's is taken. */
const PeerSocket *peer_socket_of(int fd, const char *name, GError **error);
