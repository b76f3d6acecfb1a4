/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A terminal of the container, and the one client that has it open. Without one, what the container says is read, so that it
 * never waits for nobody, and the last of it is kept for who comes. A client that does not read is waited for. */

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>

#define GUEST_CONSOLE_BYTES 4096

typedef struct GuestConsole {
        int master, client; /* -1: nobody */
        char out[GUEST_CONSOLE_BYTES], in[GUEST_CONSOLE_BYTES];
        size_t n_out, n_in; /* said by the container, by the client, and not passed on yet */
} GuestConsole;

/* Gives it to a client, whose descriptor is taken; false where somebody has it, and FORCE does not say to take it. */
bool guest_console_open(GuestConsole *console, int client, bool force);

/* What to wait for: two entries. */
void guest_console_prepare(const GuestConsole *console, struct pollfd *entries);

/* Passes on what there is. */
void guest_console_relay(GuestConsole *console, const struct pollfd *entries);

/* What the container has said last goes to the client, as far as it takes it at once. */
void guest_console_end(GuestConsole *console);
