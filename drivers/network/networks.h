/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The virtual networks of a machine: by UUID, by name and by the bridge that each has for itself. A definition is a document in
 * the state directory.
 *
 * Changes are made one after the other, as what one may be depends on all the others, and end when they are on disk. It needs no
 * bus. */

#include "base/registry-change.h"
#include "base/worker.h"
#include "network/lease-book.h"
#include "network/lease-socket.h"
#include "network/network-definition.h"
#include "network/server.h"

/* How many networks there may be, as many as libvirt lists. */
#define NETWORKS_MAX 16384

typedef struct Networks {
        Registry registry;
        char *state;    /* the directory */
        Worker *worker; /* for what the kernel takes its time for */
        Servers servers;
        LeaseSocket *lease_socket;     /* NULL where no dnsmasq is started */
        LeaseTold lease_told;          /* to whom changes of leases are told, with the network; or NULL */
        struct Ports *ports;           /* port.h */
        struct FilterTable *filters;   /* filter-table.h; NULL: cards cannot have any */
        struct Guard *guard;           /* guard.h */
        struct Obstacles *obstacles;   /* obstacles.h; NULL: nobody looks for them */
        struct Interfaces *interfaces; /* interfaces.h; NULL: they cannot be watched */
        unsigned n_runs;
        GHashTable *newer_runs; /* UUID -> why what a later version has written of its run is left alone */
} Networks;

typedef struct Network {
        Entry entry;
        struct NetworkRun *run; /* run.h; or NULL */
        GPtrArray *ports;       /* Port, of port.h; or NULL */
        char **obstacles;       /* which its run does not find by itself: obstacles.h; or NULL */
} Network;

/* Opened and closed as any registry. */
extern const RegistryKind networks_kind;

const NetworkDefinition *network_definition(const Network *network);

/* Finds one, borrowed; NULL with NoSuchNetwork, or InvalidArgument. */
Network *networks_find(Networks *networks, const char *uuid, GError **error);
Network *networks_find_name(Networks *networks, const char *name, GError **error);

/* Makes and starts a network that is gone when it stops. */
void networks_create(Networks *networks, const char *xml, uid_t owner, EntryDone done, void *data);

/* An active one runs on, as a transient one. */
void network_undefine(Network *network, EntryDone done, void *data);

void network_set_autostart(Network *network, bool autostart, EntryDone done, void *data);

/* METADATA is taken; NULL takes away what there is of the namespace. */
void network_set_metadata(Network *network, const char *uri, xmlDoc *metadata, EntryDone done, void *data);
