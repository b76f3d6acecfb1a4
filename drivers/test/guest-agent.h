/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The agent in a test machine: it speaks the protocol of qemu-ga over a socket and answers from memory what a guest is asked
 * about itself, freezes and thaws, keeps a clock of its own, and turns its machine off. Of files, programs and passwords it
 * knows nothing, and says so as an agent does that has these commands disabled. */

#include <glib.h>
#include <stdbool.h>
#include <systemd/sd-event.h>

typedef struct GuestAgent GuestAgent;

/* What the agent has its machine do; it may not be freed in there. */
typedef void (*GuestAgentPower)(void *data, bool reboot);

/* NAME is its host name. Puts the other end of its socket into *FD; NULL with an error. */
GuestAgent *guest_agent_new(sd_event *event, const char *name, GuestAgentPower power, void *data, int *fd, GError **error);
void guest_agent_free(GuestAgent *agent);

/* Whether its machine's processors run: without them nothing is answered. */
void guest_agent_set_running(GuestAgent *agent, bool running);
