/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One connection without a bus, for those who hold them (peers.h): it begins, is read, and ends, by itself or cut off. */

#include "gateway.h"
#include "peer-bus.h"
#include "peers.h"

typedef struct Peer Peer;

struct Peer {
        Peers *peers;
        sd_bus *bus;
        Inlet *inlet;
        Outbox *outbox;
        Caller *caller;
        sd_event_source *process; /* its end */
        PeerKind kind;
        int socket;             /* of a client of libvirt's protocol; -1 for others */
        sd_event_source *hangs; /* then: it closes that */
        GList *link;
        bool waits; /* for its user's other messages, before it may send another one */
        PeerBus client;
};

struct Peers {
        sd_bus *bus;
        Callers *callers;
        Quota *calls, *unread; /* what users have sent that is not answered, and users have not read of what they asked for */
        PeersCall call;
        PeersLeft left;
        void *data;
        void (*drained)(void *data);
        void *drained_data;
        GPtrArray *listeners;
        Gateway *gateway;
        GQueue all; /* Peer */
        PeersMax max[PEER_KINDS];
        int spare;                                 /* a descriptor, for connections that cannot be kept */
        uint64_t n_refused, n_cut_off, n_given_up; /* so far */
};

/* Begins one on an accepted socket, which is taken over, unless its user has too many. Returns 0 or a negative errno: there is
 * none then. */
int peer_begin(Peers *peers, PeerKind kind, bool read_only, int fd);

void peer_free(Peer *peer);

/* Ends one that does not read. */
void peer_cut_off(Peer *peer);

/* How many messages it has not been written. */
uint64_t peer_unread(const Peer *peer);

/* Messages that wait for what was given back go on, of all. */
void peer_resume_all(void *peers);

/* Counts what anybody can make happen at any rate; true where it is told of: the first time, the second, the fourth and so on. */
bool peer_count_and_tell(uint64_t *n);
