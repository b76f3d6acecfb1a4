/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "qemu/host/claims.h"

/* Where the ports begin of displays, as VNC's displays are counted (RFC 6143), and of VNC by web sockets, as libvirt chooses
 * them. */
#define PORT_OF_DISPLAYS 5900
#define PORT_OF_WEB_SOCKETS 5700

/* Chooses a TCP port for a display, FIRST or above: one that nobody listens at, and that no guest holds; it is the guest's
 * until it ends. ADDRESS is the one to listen at. Returns 0 with the error. */
unsigned port_choose(const Connection *connection, const char *uuid, const char *alias, const char *address, unsigned first,
                     GError **error);

/* How many clients may wait until a display takes them. */
#define PORT_BACKLOG 16

/* A socket that listens there, made in this process's network, for a process that has another: it can do nothing else there than
 * be connected to. -1 with the error. Or -1 without one, where such a socket cannot be made: the address is not written in
 * numbers, and looking it up may take its time; or the kernel lets nobody but root bind a socket so. */
int port_listen(const char *address, unsigned port, GError **error);

/* A claim's NAME: the number of a TCP port that a display listens at. */
extern const ClaimKind port_claims;
