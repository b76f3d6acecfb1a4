/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The virtual networks of a machine: by UUID, by name and by the bridge that each has for itself. A definition is a document in
 * the state directory.
 *
 * Changes are made one after the other, as what one may be depends on all the others, and end when they are on disk. It needs no
 * bus. */

#include "base/kept.h"
#include "base/objects.h"
#include "base/store.h"
#include "base/turns.h"
#include "network/network-definition.h"

/* How many networks there may be, as many as libvirt lists. */
#define NETWORKS_MAX 16384

typedef struct Networks Networks;

typedef struct Network {
        unsigned n_references;
        Networks *networks;
        NetworkDefinition *definition;
        uid_t owner;
        bool autostart;
        bool gone;            /* undefined, while somebody still holds it */
        Published *published; /* the listener's */
} Network;

/* Told of each change, before who asked for it. */
typedef struct NetworkListener {
        void (*added)(Network *network);
        void (*changed)(Network *network);
        void (*removed)(Network *network);
} NetworkListener;

struct Networks {
        sd_event *event;
        const NetworkListener *listener; /* or NULL */
        Objects *objects;                /* the listener's: where networks are published */
        Published *published;
        char *path;
        Store *store;
        Turns *turns;
        GHashTable *by_uuid, *by_name, *by_bridge; /* Network; the first holds the references */
        GHashTable *newer;                         /* UUID -> why: whose files a later version has written */
        int lock;                                  /* of the state directory */
        bool cancelled;
        void (*idle)(void *data); /* something has ended: see whether anything is left */
        void *idle_data;
};

/* Reads what there is. */
Networks *networks_open(sd_event *event, const char *state, GError **error);

/* Nothing begins any more; who waits for something is told that it is Cancelled. To be called before the peer goes. */
void networks_cancel(Networks *networks);
void networks_close(Networks *networks);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Networks, networks_close)

/* Whether it has something to do. */
bool networks_is_busy(const Networks *networks);

Network *network_ref(Network *network);
void network_unref(Network *network);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Network, network_unref)

/* Finds one, borrowed; NULL with NoSuchNetwork, or InvalidArgument. */
Network *networks_find(Networks *networks, const char *uuid, GError **error);
Network *networks_find_name(Networks *networks, const char *name, GError **error);

/* What a change answers: ERROR is NULL where it is made; then NETWORK is the one. */
typedef void (*NetworkDone)(void *data, Network *network, const GError *error);

/* Makes a network of a document, or gives an existing one another definition. OWNER: of a new one. */
void networks_define(Networks *networks, const char *xml, uid_t owner, NetworkDone done, void *data);
void network_undefine(Network *network, NetworkDone done, void *data);
void network_set_autostart(Network *network, bool autostart, NetworkDone done, void *data);

/* METADATA is taken; NULL takes away what there is of the namespace. */
void network_set_metadata(Network *network, const char *uri, xmlDoc *metadata, NetworkDone done, void *data);
