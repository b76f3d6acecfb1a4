/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the driver knows of its host, of the user of QEMU, and of the QEMUs that are installed. */

#include "base/confine.h"
#include "domain/connection.h"
#include "qemu/host/guest-user.h"
#include "qemu/monitor/capabilities-cache.h"

/* The user whose groups guests are in, and as whom QEMUs without a guest run. */
#define QEMU_USER "virtbus-qemu"
#define GROUPS_MAX 64

/* Beside a monitor's socket: the process of its QEMU, when that began, and the domain's name. */
#define PID_SUFFIX ".pid"

/* The hypervisor: connection->data. */
typedef struct Host {
        uid_t uid; /* user of QEMU */
        gid_t gid;
        gid_t groups[GROUPS_MAX];
        size_t n_groups;
        Confinement helpers;     /* what QEMUs without a guest are kept from: what this host lets the driver have of it */
        bool isolation_required; /* a guest has all namespaces of it, or does not start */
        GuestUsers users;        /* of the guests */
        size_t n_nodes;          /* NUMA */
        Interviews *interviews;  /* QEMUs that are asked something */
        CapabilitiesCache *capabilities;
        struct CpuTables *cpus;
        struct MonitorReaders *readers; /* of what QEMUs tell by themselves: monitor-events.h */
        struct GuestLogs *logs;
        GPtrArray *resizings;                     /* of images of domains that are off: resize-disk.c */
        GPtrArray *snapshots;                     /* in images of such: snapshot-off.c */
        bool watches_machined, lacks_machined;    /* scope.c */
        const struct GuestModule *const *modules; /* of the driver of a guest that runs: guest.h */
        char *monitors;                           /* directory of the monitors' sockets, which QEMU's user cannot reach */
} Host;

Host *host_of(const Connection *connection);

/* Makes known what a guest may hold of it (claims.h). */
void host_register_claims(void);
