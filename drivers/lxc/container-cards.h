/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A container's network cards as it starts: its watcher has made them, and waits until they are connected. */

#include "lxc/container.h"

/* TEXT: its watcher's names and numbers of the ends on the host (guest.c), which come into the live document. Those that are
 * ports are asked for, one after the other; then the watcher is told to go on, or FAIL is called with an error that it takes. */
void container_cards_made(Container *container, const char *text, void (*fail)(Container *container, GError *error));

/* It does not start any more. */
void container_cards_forget(Container *container);

/* Removes those that are left of a container that has ended, from a thread: TEXT is what its watcher said of them. */
void container_cards_remove(const char *text);

/* Of one that is found again: takes away what an earlier driver had put in, and not into the document yet. */
void container_cards_know(Container *container);
