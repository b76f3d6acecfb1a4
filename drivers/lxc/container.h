/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A container that runs, or is about to: domain->run. A process of its own watches over it (lxc/guest/guest.c), which outlives
 * this driver; what is known of the container comes from that. */

#include "base/process.h"
#include "domain/connection.h"
#include "domain/operation.h"

/* How long one may take to start, in microseconds: its program lies in a file system that may answer late. */
#define CONTAINER_START_TIMEOUT (30 * UINT64_C(1000000))

/* One that ends by itself and is to be restarted is, unless it has run for less than this, in microseconds, that often in a
 * row: it would go on for ever. */
#define CONTAINER_SHORT_RUN (2 * UINT64_C(1000000))
#define CONTAINER_SHORT_RUNS_MAX 5

/* Why nothing can be done to one whose first process does not run. */
#define CONTAINER_STARTS_AGAIN "it is starting again; try again when it runs"

typedef struct Container {
        Domain *domain;
        Operation *operation; /* that starts or finds it; or NULL */
        xmlDoc *document;     /* of that, until it runs */
        GPtrArray *files;     /* ContainerFile, until it runs */
        Process *process;     /* who watches over it; NULL: nobody yet */
        int listener, connection;
        sd_event_source *heard, *timeout;
        int init; /* a pidfd of its first process; -1: it does not run */
        pid_t pid;
        uint64_t start_time; /* of that */
        sd_event_source *init_gone;
        char *cards;                       /* its watcher's words of the ends of its network cards on the host, or NULL */
        struct ContainerCards *connecting; /* container-cards.c: those of its cards, as it starts; or NULL */
        char *ended;                       /* how it has ended, as guest.c says it; or NULL */
        GError *failure;
        GQueue consoles;                                  /* Console: that are being opened */
        void (*left)(struct Container *container);        /* it has gone, or is left: tells who goes into it; or NULL */
        struct ContainerPlug *plug;                       /* container-plug.c: of a card that comes or changes; or NULL */
        void (*forget_plug)(struct Container *container); /* what forgets that; or NULL */
        uint64_t began;                                   /* CLOCK_MONOTONIC */
        unsigned n_short;
        unsigned n_working; /* pieces of work of a worker's, which know it: it is freed after them */
        bool is_ending, restarts;
} Container;

/* As Hypervisor's. */
void container_start(Operation *operation);
void container_reattach(Operation *operation, xmlNode *saved);
void container_destroy(Domain *domain);
void container_release(Domain *domain);
void container_save(const Domain *domain, xmlNode *saved);

/* Whether its first process runs; else it is starting again, and nothing can be done to it. */
bool container_check_runs(const Domain *domain, GError **error);

/* It cannot start; ERROR is taken. */
void container_fail(Container *container, GError *error);

/* What a pidfd of it names, or has named. */
bool container_has_ended(int pidfd);

/* As HypervisorConsoles'. */
void container_console_open(Domain *domain, const DeviceDefinition *device, bool force, Call *call);

/* What its watcher says of that; all that wait are told ERROR. */
void container_console_answered(Container *container, const char *answer);
void container_console_fail(Container *container, const GError *error);
