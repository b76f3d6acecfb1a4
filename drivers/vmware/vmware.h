/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The machines of VMware Workstation, Player or Fusion on this computer. */

#include "domain/hypervisor.h"
#include "vmware/vmrun.h"

/* A connection's data. */
typedef struct Vmware {
        Connection *connection;
        Vmrun *vmrun;
        char **folders;      /* where machines are: ours first */
        GHashTable *paths;   /* UUID -> the path of its configuration */
        GHashTable *told;    /* path -> fault: of what is left out, which is logged once */
        GHashTable *watches; /* folder -> sd_event_source */
        sd_event_source *tick, *soon;
        unsigned n_changes; /* counts what we change: what was looked at before is old */
        unsigned listed_at; /* which of these, when the list was asked for */
        bool is_scanning, scans_again, is_listing, lists_again, was_listed;
} Vmware;

extern const Hypervisor vmware_hypervisor;
