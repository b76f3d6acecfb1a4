/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One descriptor, sent from a process to another. */

#include <stdbool.h>

bool descriptor_send(int socket, int fd);

/* Waits for one; -1 where none comes. */
int descriptor_receive(int socket);
