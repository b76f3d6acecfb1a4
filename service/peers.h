/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Who hears of changes, and who calls without a bus in between: virtbusd speaks D-Bus itself on sockets that it is given by
 * systemd (sd_listen_fds(3)), told apart by their names (peer-socket.h). To a client such a connection is a bus with one service
 * on it.
 *
 * A client that says Hello takes it for a bus and is sent signals once it has added a match; another one from its first call on.
 *
 * Clients of libvirt's protocol are accepted here too, so that it is the kernel that says who they are. Each gets a connection
 * that is made for it: one end is a peer as any other, which is that client; the other end goes, with the client's socket, to who
 * speaks its protocol (gateway.h). It ends with the client, with its process, and when either socket is closed.
 *
 * Whoever calls so is known by the kernel's word: user and process, which polkit is told. What one connection and one user may
 * make the service keep is bounded; who does not read what is sent is cut off. */

#include "callers.h"
#include "inlet.h"
#include "peer-socket.h"

typedef struct Peers Peers;

/* Takes a call of a peer, as one on the bus. */
typedef void (*PeersCall)(void *data, Caller *caller, sd_bus_message *message, const InletMessage *arrived);

/* Tells that a peer has gone. */
typedef void (*PeersLeft)(void *data, Caller *caller);

/* How many there are at most, of all users and of one. */
typedef struct PeersMax {
        unsigned all, of_user;
} PeersMax;

typedef enum PeerKind {
        PEER_DIRECT,  /* speaks D-Bus itself */
        PEER_LIBVIRT, /* is spoken for */
        PEER_KINDS
} PeerKind;

/* BUS is the one that hears the signals too; CALLS and UNREAD are as those of callers_new. */
Peers *peers_new(sd_bus *bus, Callers *callers, Quota *calls, Quota *unread, const PeersMax max[PEER_KINDS], PeersCall call,
                 PeersLeft left, void *data);
void peers_free(Peers *peers);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Peers, peers_free)

/* Has DRAINED called in the event loop each time that all was read which a peer has sent; of peers that come from now on. */
void peers_on_drained(Peers *peers, void (*drained)(void *data), void *data);

/* Listens on the sockets that this process was given, if any. A socket of another name is an error that names it. GATEWAY is
 * where clients of libvirt's protocol are handed on. */
bool peers_listen(Peers *peers, const char *gateway, GError **error);

/* The bus: what a signal is made for. */
sd_bus *peers_bus(const Peers *peers);

/* Sends a signal of about so many BYTES to those of the peers that want signals and that MAY_HEAR names; NULL: all. Of a user
 * who has too much unread already, the connection that has most of it is cut off. */
void peers_signal(Peers *peers, sd_bus_message *signal, size_t bytes, bool (*may_hear)(const Caller *caller, void *data),
                  void *data);

/* Whether there is one that a signal would be sent to. */
bool peers_hear(const Peers *peers, bool (*may_hear)(const Caller *caller, void *data), void *data);

/* Whether all has been written that was sent to peers. */
bool peers_are_written(const Peers *peers);
