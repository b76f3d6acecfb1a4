/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The socket between this driver and what watches over a container, whose messages guest.c names. */

#include <glib.h>
#include <stdbool.h>

/* The longest message, either way. */
#define CONTAINER_MESSAGE_BYTES_MAX 640

/* One that listens at a path, for nobody but our user; what was there is removed. -1 with an error. */
int container_socket_listen(const char *path, GError **error);

/* One that is connected to a path: it listens already, so that this does not wait. -1 with an error. */
int container_socket_connect(const char *path, GError **error);

/* Receives a message, and in *FD what came with it: 1; 0 where there is none now; -1 where none will come. TEXT has a byte
 * more than the longest. */
int container_socket_receive(int socket, char *text, int *fd);

/* Sends one with a descriptor; false with errno. */
bool container_socket_send(int socket, const char *text, int fd);

/* The same without one. */
bool container_socket_say(int socket, const char *text);
