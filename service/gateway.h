/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Hands clients of libvirt's protocol on to virtbus-libvirt (common/libvirt-client.h), which speaks it and has no rights of its
 * own. Nothing is read from there: whoever is at the other end can name no client, no user and no socket. */

#include <glib.h>
#include <stdbool.h>
#include <systemd/sd-event.h>

#include "libvirt-client.h"

typedef struct Gateway Gateway;

/* Where it listens; ROOM is told that no client can be taken for a while (false), and that one can again. */
Gateway *gateway_new(sd_event *event, const char *path, void (*room)(void *data, bool there_is), void *data);
void gateway_free(Gateway *gateway);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Gateway, gateway_free)

/* Hands one on; the descriptors stay the caller's. One that is taken while there is no room waits: until ROOM says that there is,
 * no other may be handed on. Returns a negative errno where nobody takes it. */
int gateway_hand_on(Gateway *gateway, const LibvirtClient *client, const int fds[LIBVIRT_CLIENT_FDS]);
