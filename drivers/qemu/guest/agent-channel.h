/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The channel of a guest's agent: its socket, and whether somebody in the guest has it open. */

#include "qemu/guest/guest.h"

/* Connects to the agent where DOCUMENT, or that of the running guest, has a channel for one and it is not connected to yet;
 * then calls DONE, which may be NULL. */
void agent_channel_find(Guest *guest, const xmlDoc *document, void (*done)(Guest *guest));
void agent_channel_find_live(Guest *guest, void (*done)(Guest *guest));

extern const GuestModule agent_channel_module;
