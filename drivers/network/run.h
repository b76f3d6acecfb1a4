/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A network's run: what is made on the host while it is active, and taken down when it stops. Starting goes up a staircase, each
 * step of which knows how to take back what it has made; a step that fails, and Stop, go down it. What there is, is written down
 * before it is made, in the runtime directory: a driver that is killed leaves nothing that the next one does not find. That goes
 * up again for an active network, each step taking what is there for made, and down for one that was being started or stopped. */

#include "network/networks.h"

typedef struct NetworkRun NetworkRun;

/* Starts one that is not active. It is active when DONE is called without an error; else nothing is left. */
void run_start(Network *network, EntryDone done, void *data);

/* Stops an active one, whoever uses it. What cannot be taken down is logged. One that has no definition on disk is gone then. */
void run_stop(Network *network, EntryDone done, void *data);

bool run_is_active(const Network *network);

/* What it runs with, or else would; borrowed. */
const NetworkDefinition *run_live(const Network *network);

/* What keeps a network from doing all that it should, or would keep it: each with what to do, after a word and ": "; NULL at the
 * end: of borrowed strings, to be freed by g_free. */
char **run_obstacles(const Network *network);

/* The leases of an active network that are not over, Lease (borrowed); MAC: of which card, or NULL. */
GPtrArray *run_leases(const Network *network, const char *mac);

/* Whose rules nftables has to have; NULL: none. Borrowed. */
const NetworkDefinition *run_ruled(const Network *network);

/* Whether the network can be active at all: it has a bridge, or interfaces, and the driver may change the host's network. */
bool run_check_kind(const Network *network, GError **error);

/* Whether it is active; else says how that is remedied. */
bool run_check_active(const Network *network, GError **error);

/* An interface of the host has gone. */
void run_link_gone(Networks *networks, const char *name);

/* Goes on with a run, for a change that ends with it: down where it is stopping, else up, taking what is there for made. */
void run_go(NetworkRun *run, RegistryChange *change);

/* Forgets a run without touching the host: its driver ends. */
void run_abandon(NetworkRun *run);
