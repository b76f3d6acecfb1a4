/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What is known of a network's run, in memory and in its file in the runtime directory, for the modules that a run is made of:
 * run.h is what others know. */

#include "network/lease-book.h"
#include "network/networks.h"
#include "network/nft.h"
#include "network/server.h"

typedef enum RunPhase { RUN_STARTING, RUN_ACTIVE, RUN_STOPPING, RUN_N_PHASES } RunPhase;

/* What an active network loses of its own, each once; what else is in its way is looked for by obstacles.h. */
typedef enum RunObstacle {
        OBSTACLE_BRIDGE, /* it was deleted */
        OBSTACLE_SERVER, /* dnsmasq has ended */
        RUN_N_OBSTACLES
} RunObstacle;

typedef struct NetworkRun NetworkRun;

/* Where a step tells that it is done. */
typedef struct RunStairs {
        void (*climbed)(NetworkRun *run, const GError *error);
        void (*descended)(NetworkRun *run);
} RunStairs;

struct NetworkRun {
        Network *network; /* holds a reference */
        NetworkDefinition *definition;
        RunPhase phase;
        const RunStairs *stairs;
        size_t step; /* where it goes up or down */
        Nft *nft;    /* at work */
        Server *server;
        bool has_bridge;                        /* its name was free before, or had our mark: what is there is ours */
        uint64_t server_pid, server_start_time; /* what is written down of it */
        void (*server_done)(NetworkRun *run, const GError *error); /* run-server.h: what waits for it; or NULL */
        bool server_restarts;                                      /* when it has ended */
        LeaseBook *leases;
        bool reads_leases, leases_changed, has_too_many_leases; /* run-leases.h */
        char *obstacles[RUN_N_OBSTACLES];
        GPtrArray *links;         /* its ports, while they are put into the bridge */
        RegistryChange *change;   /* what it starts, stops or is updated for; NULL where it does none of it */
        GError *error;            /* why it goes down, or NULL */
        struct RunUpdate *update; /* run-update.h: while it becomes one of another definition; or NULL */
};

/* A run of NETWORK, which has it from then on; DEFINITION is taken. */
NetworkRun *run_state_new(Network *network, NetworkDefinition *definition, RunPhase phase);
void run_state_free(NetworkRun *run);

Networks *run_state_networks(const NetworkRun *run);

/* Writes down what there is of it. */
bool run_state_save(const NetworkRun *run, GError **error);

/* Reads what an earlier driver has written of the run of network UUID, and takes it up: of a network that is defined, or else
 * of a transient one. NULL with an error: Unsupported where a later version has written it. */
NetworkRun *run_state_read(Networks *networks, xmlNode *root, const char *uuid, GError **error);

/* TEXT, which is taken: what is in the way, with what to do; NULL: nothing any more. */
void run_state_set_obstacle(NetworkRun *run, RunObstacle obstacle, char *text);

void run_state_log(const NetworkRun *run, const char *what, const GError *error);
