/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What is sent to peers that nobody has asked for. */

#include "bounds.h"
#include "bus.h"
#include "peer.h"

sd_bus *peers_bus(const Peers *peers) {
        return peers->bus;
}

static int signal_to(Peer *peer, sd_bus_message *signal, size_t bytes) {
        g_autoptr(sd_bus_message) copy = NULL;
        uint64_t cookie;
        int r = sd_bus_message_rewind(signal, true);
        if (r >= 0)
                r = sd_bus_message_new_signal(peer->bus, &copy, sd_bus_message_get_path(signal),
                                              sd_bus_message_get_interface(signal), sd_bus_message_get_member(signal));
        if (r >= 0)
                r = sd_bus_message_set_sender(copy, PEER_BUS_SERVICE);
        if (r >= 0)
                r = sd_bus_message_copy(copy, signal, true);
        if (r >= 0)
                r = sd_bus_send(peer->bus, copy, &cookie);
        if (r >= 0)
                outbox_sent(peer->outbox, peer->caller->uid, bytes, cookie);
        return r;
}

/* The connection of a user that has most unread. */
static Peer *hoarder(const Peers *peers, uid_t uid) {
        Peer *most = NULL;
        for (GList *link = peers->all.head; link; link = link->next) {
                Peer *peer = link->data;
                if (peer->outbox && peer->caller->uid == uid &&
                    (!most || outbox_bytes(peer->outbox) > outbox_bytes(most->outbox)))
                        most = peer;
        }
        return most;
}

/* Makes room for what a peer is to be sent, at the cost of its user's others; false where it is the one who does not read. */
static bool make_room(Peer *peer, size_t bytes, GList **next) {
        uid_t uid = peer->caller->uid;
        Peer *most = peer;
        while (!outbox_has_room(peer->outbox, uid, bytes) && (most = hoarder(peer->peers, uid)) != peer) {
                if (*next && (*next)->data == most)
                        *next = (*next)->next;
                peer_cut_off(most);
        }
        return most == peer ? outbox_has_room(peer->outbox, uid, bytes) : true;
}

static bool is_heard_by(const Peer *peer, bool (*may_hear)(const Caller *caller, void *data), void *data) {
        return peer->caller && peer->outbox && peer_bus_is_heard(&peer->client) && (!may_hear || may_hear(peer->caller, data));
}

bool peers_hear(const Peers *peers, bool (*may_hear)(const Caller *caller, void *data), void *data) {
        for (GList *link = peers->all.head; link; link = link->next)
                if (is_heard_by(link->data, may_hear, data))
                        return true;
        return false;
}

void peers_signal(Peers *peers, sd_bus_message *signal, size_t bytes, bool (*may_hear)(const Caller *caller, void *data),
                  void *data) {
        for (GList *link = peers->all.head, *next; link; link = next) {
                Peer *peer = link->data;
                next = link->next;
                if (!is_heard_by(peer, may_hear, data))
                        continue;
                if (peer_unread(peer) > PEER_UNREAD_MAX || !make_room(peer, MESSAGE_BYTES + bytes, &next) ||
                    signal_to(peer, signal, MESSAGE_BYTES + bytes) < 0)
                        peer_cut_off(peer);
        }
}

bool peers_are_written(const Peers *peers) {
        for (GList *link = peers->all.head; link; link = link->next)
                if (peer_unread(link->data) > 0)
                        return false;
        return true;
}
