/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A socket that systemd has given: what it is for, by its name. */

#include <glib.h>
#include <stdbool.h>

/* The names: FileDescriptorName= of the socket's unit. */
#define PEERS_SOCKET "virtbus"              /* everything that polkit allows */
#define PEERS_SOCKET_READ_ONLY "virtbus-ro" /* reading, whoever asks */

/* Refuses one that is none of these, or does not listen. Where it has no name its file's is taken. */
bool peer_socket_check(int fd, const char *name, bool *read_only, GError **error);
