/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A container's network cards as it starts: its watcher has made them, and waits until they are connected. */

#include "lxc/container.h"

/* TEXT: its watcher's names and numbers of the ends on the host (guest.c), which come into the live document. False with an
 * error: the container cannot start. */
bool container_cards_made(Container *container, const char *text, GError **error);

/* Removes those that are left of a container that has ended, from a thread: TEXT is what its watcher said of them. */
void container_cards_remove(const char *text);
