/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Where the helper of each dnsmasq tells of leases: a socket of datagrams in the runtime directory, to which only the user of
 * dnsmasq may write. Who has sent one is what the kernel says. All dnsmasqs are one user: which network it is about is what the
 * message says. */

#include <systemd/sd-event.h>

#include "network/lease.h"

/* Of network UUID; LEASE is the callee's. */
typedef void (*LeaseHeard)(void *data, const char *uuid, Lease *lease, bool is_over);

typedef struct LeaseSocket LeaseSocket;

/* In FOLDER; UID and GID are dnsmasq's. */
LeaseSocket *lease_socket_new(sd_event *event, const char *folder, uid_t uid, gid_t gid, LeaseHeard heard, void *data,
                              GError **error);
void lease_socket_free(LeaseSocket *socket);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LeaseSocket, lease_socket_free)

/* Its path; to be freed. */
char *lease_socket_path(const char *folder);
