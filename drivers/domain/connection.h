/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A hypervisor's domains, by name and UUID, and where their documents lie. It needs no bus: without a peer nothing is
 * published, and a program can embed it with directories of its own. */

#include "base/filter.h"
#include "base/store.h"
#include "base/turns.h"
#include "domain/domain.h"
#include "domain/hypervisor.h"

typedef enum ConnectionState {
        CONNECTION_CONNECTED, /* as one of this machine always is */
        CONNECTION_CONNECTING,
        CONNECTION_DISCONNECTED,
} ConnectionState;

struct Connection {
        const Hypervisor *hypervisor;
        sd_event *event;
        Objects *objects;
        const Definitions *definitions; /* where they are, and then: */
        Store *store;                   /* on our disk; or NULL */
        Store *trees[DOMAIN_N_TREES];   /* of what is below them: tree.h; each may be NULL */
        Worker *worker;                 /* for files that may hang */
        Worker *clients;                /* for clients' pipes, which may be slow on purpose: these wait only for each other */
        char *state_directory, *runtime_directory, *log_directory;
        bool privileged;         /* runs as root, for all users */
        FilterUser filter_user;  /* user of the programs that compress saved states */
        sd_bus *bus;             /* where other services are asked; NULL: nowhere. Borrowed */
        char *name, *path, *uri; /* "test_x", /org/virtbus1/test_x, test://x */
        Published *published;
        GHashTable *by_uuid, *by_name;          /* Domain; the first holds the references */
        GQueue requests;                        /* for statistics, that wait */
        Turns *turns;                           /* of who changes what a name and a UUID stand for */
        GArray *own_in_writing;                 /* uid_t, or NULL: owners-rights.h */
        const DomainListener *const *listeners; /* of what becomes of domains; NULL at the end */
        uint32_t last_id;
        unsigned n_active;
        GHashTable *newer;        /* UUID -> why: whose files a later version has written */
        int locks[2];             /* of the state and the runtime directory */
        GHashTable *left_streams; /* of guests that have ended: clients still read them */
        bool closing;             /* nothing may begin any more */
        uint64_t answer_timeout;  /* microseconds that a hypervisor may answer nothing; 0: as long as its own constant says */
        void (*idle)(void *data); /* something has ended: see whether anything is left */
        void *idle_data;
        void (*observer)(Domain *domain, const GError *error,
                         void *data); /* a state has changed, or a domain was found; or NULL */
        void *observer_data;
        void *data; /* the hypervisor's own */
        /* To a hypervisor elsewhere: see domain/connection-life.h. */
        ConnectionState state;
        char *state_reason;
        char *username, *password;         /* wiped with it */
        GQueue openers;                    /* Call, of Manager.OpenConnection */
        GError *refusal;                   /* of its first cut: what those are told when it has gone; or NULL */
        sd_event_source *retry, *patience; /* when it is tried again; how long that may take */
        unsigned n_cuts;                   /* since it was connected */
        bool lacks_credentials;            /* which a driver before this one had been given */
        bool connecting, was_connected, ended;
        /* Where it was opened by URI: by whom, and who closes it. Else NULL. */
        uid_t owner;
        void (*close_asked)(Connection *connection, Call *call);
        void (*first_cut)(Connection *connection); /* it could not be connected to at all */
        Call *close_call;
        sd_event_source *close_expiry; /* while threads of it are waited for */
        bool close_expired;
        void *driver_data;
};

/* Which connection it is, and where it keeps what it keeps: nobody else may use these folders meanwhile. Nothing is made of
 * them where the hypervisor keeps its own definitions. */
typedef struct ConnectionPlace {
        const char *name, *uri;
        const char *state, *runtime, *log;
} ConnectionPlace;

/* Opens one of any number of connections to hypervisors of a kind. Nothing of it is shared with another. */
Connection *connection_open_at(const Hypervisor *hypervisor, sd_event *event, Objects *objects, const ConnectionPlace *place,
                               GError **error);

/* Opens that of this machine, named after the hypervisor: reads the definitions, and what is written of the domains that ran. */
Connection *connection_open(const Hypervisor *hypervisor, sd_event *event, Objects *objects, const char *state,
                            const char *runtime, const char *log, GError **error);

/* Finds the running domains, and starts those to be started with the machine. To be called once, when those who want to know
 * what has become of them are there. */
void connection_resume(Connection *connection);

/* Ends what can be ended: nothing begins any more, and who waits for something is told that it is Cancelled, and WHY. Guests
 * run on. To be called before the peer goes, and once. */
void connection_cancel(Connection *connection, const char *why);

/* Where it is to be closed while others go on: nothing new is done by its threads, and DRAINED is called, with its
 * driver_data, when one of them has nothing to do any more. When they are drained, connection_cancel and connection_close wait
 * for nothing; nor do they where it is abandoned, which leaves behind what hangs. */
void connection_begin_close(Connection *connection, void (*drained)(void *data));
bool connection_is_drained(const Connection *connection);
void connection_abandon(Connection *connection);

/* Lets go of everything. */
void connection_close(Connection *connection);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Connection, connection_close)

/* Whether it has something to do, or to hold: an active domain, a write. */
bool connection_is_busy(const Connection *connection);
