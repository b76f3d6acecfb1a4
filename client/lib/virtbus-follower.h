/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Follows what the service has: the connections and jobs, by an object manager of GDBus for what is at the top, and the domains
 * of each connection, by virtbus-domains.h. A part of the client, in a file of its own. */

#include "virtbus-client.h"

typedef enum FollowedKind { FOLLOWED_CONNECTION, FOLLOWED_DOMAIN, FOLLOWED_JOB, N_FOLLOWED_KINDS } FollowedKind;

/* What its owner is told, in the order in which it happens. */
typedef struct FollowerListener {
        /* A proxy of this kind is there, or there no longer; its properties are as they were last then. */
        void (*added)(VirtbusClient *owner, FollowedKind kind, GDBusProxy *proxy);
        void (*removed)(VirtbusClient *owner, FollowedKind kind, GDBusProxy *proxy);
        /* Properties of a job are other than they were. */
        void (*job_changed)(VirtbusClient *owner, VirtbusJob *job);
        /* The service has ended, perhaps once more. */
        void (*gone)(VirtbusClient *owner);
        /* Whether it runs is other than it was. */
        void (*availability_changed)(VirtbusClient *owner);
        /* Signals were lost: everything has been removed, and what there is added again. */
        void (*begun_again)(VirtbusClient *owner);
} FollowerListener;

/* A hypervisor connection, with its domains as far as they have been read. */
typedef struct Followed Followed;

typedef struct Follower {
        VirtbusClient *owner; /* which has it as a part, and lives on while something is asked for */
        const FollowerListener *listener;
        GDBusConnection *bus; /* borrowed of the owner; NULL until it is known */
        VirtbusManager *manager;
        GDBusObjectManager *root;
        GHashTable *followed; /* path of a connection -> Followed */
        guint n_loading;      /* what is still asked for, while the owner is being made */
        GTask *loading;
        gboolean is_available; /* the service runs */
} Follower;

void follower_init(Follower *follower, VirtbusClient *owner, const FollowerListener *listener);

/* Begins to follow what is on the bus; ends TASK, which is taken, with the owner when all is known. */
void follower_load(Follower *follower, GDBusConnection *bus, GTask *task);
/* The same, at once: false with an error. */
gboolean follower_load_sync(Follower *follower, GDBusConnection *bus, GCancellable *cancellable, GError **error);

/* Follows no longer, and tells nothing more; frees what it has. */
void follower_stop(Follower *follower);
void follower_clear(Follower *follower);

/* The proxy of a connection. */
VirtbusConnection *followed_get_connection(const Followed *followed);

/* Its domains, before those of LIST; the one at a path, borrowed, or NULL. */
GList *followed_add_domains(const Followed *followed, GList *list);
VirtbusDomain *followed_get_domain(const Followed *followed, const char *path);
