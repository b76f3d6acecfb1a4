/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A hypervisor's domains, by name and UUID, and where their documents lie. It needs no bus: without a peer nothing is
 * published, and a program can embed it with directories of its own. */

#include "base/store.h"
#include "base/turns.h"
#include "domain/domain.h"
#include "domain/hypervisor.h"

struct Connection {
        const Hypervisor *hypervisor;
        sd_event *event;
        Objects *objects;
        Store *store;
        Worker *worker;  /* for files that may hang */
        Worker *clients; /* for clients' pipes, which may be slow on purpose: these wait only for each other */
        char *state_directory, *runtime_directory, *log_directory;
        bool privileged;  /* runs as root, for all users */
        uid_t filter_uid; /* whom programs run as that compress what is saved */
        gid_t filter_gid;
        sd_bus *bus; /* where other services are asked; NULL: nowhere. Borrowed */
        char *path, *uri;
        Published *published;
        GHashTable *by_uuid, *by_name; /* Domain; the first holds the references */
        GQueue requests;               /* for statistics, that wait */
        Turns *turns;                  /* of who changes what a name and a UUID stand for */
        uint32_t last_id;
        unsigned n_active;
        GHashTable *newer; /* UUID -> why: whose files a later version has written */
        int locks[2];      /* of the state and the runtime directory */
        GHashTable *left_streams; /* of guests that have ended: clients still read them */
        bool closing;             /* nothing may begin any more */
        uint64_t answer_timeout; /* how long a hypervisor may answer nothing, in microseconds; 0: as long as its own constant says */
        void (*idle)(void *data); /* something has ended: see whether anything is left */
        void *idle_data;
        void (*observer)(Domain *domain, const GError *error,
                         void *data); /* a state has changed, or a domain was found; or NULL */
        void *observer_data;
        void *data; /* the hypervisor's own */
};

/* Opens a hypervisor: reads the definitions, and what is written of the domains that ran. */
Connection *connection_open(const Hypervisor *hypervisor, sd_event *event, Objects *objects, const char *state,
                            const char *runtime, const char *log, GError **error);

/* Finds the running domains, and starts those to be started with the machine. To be called once, when those who want to know
 * what has become of them are there. */
void connection_resume(Connection *connection);

/* Ends what can be ended: nothing begins any more, and who waits for something is told that it is Cancelled. Guests run on. To be
 * called before the peer goes, and once. */
void connection_cancel(Connection *connection);

/* Lets go of everything. */
void connection_close(Connection *connection);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Connection, connection_close)

/* Whether it has something to do, or to hold: an active domain, a write. */
bool connection_is_busy(const Connection *connection);

Domain *connection_find(Connection *connection, const char *uuid);
Domain *connection_find_name(Connection *connection, const char *name);

/* Makes an inactive transient domain of a document, which is checked. Borrowed: it goes away when it has run. */
Domain *connection_add_transient(Connection *connection, const char *xml, uid_t owner, GError **error);

/* Puts a domain into the tables, and takes it out. */
void connection_add(Connection *connection, Domain *domain);
void connection_remove(Connection *connection, Domain *domain);

/* Goes on with a call as soon as the hypervisor knows what it must know for a document, or, where XML is NULL, for all. */
typedef void (*ConnectionProceed)(Connection *connection, const char *xml, bool flag, Call *call);
void connection_prepare(Connection *connection, const char *xml, ConnectionProceed proceed, bool flag, Call *call);

/* Translates between documents and the hypervisor's own format. */
#define NATIVE_FORMAT "qemu-argv"
#define WHOLE_FORMAT "domain-xml" /* the document itself, as it would be kept */
void connection_to_native(Connection *connection, const char *format, const char *xml, Call *call);
void connection_from_native(Connection *connection, const char *format, const char *text, Call *call);

/* The methods of org.virtbus1.Connection and those of Domain that change the definition. Each answers its call. */
void connection_define(Connection *connection, const char *xml, bool unsupported, Call *call);
void connection_create(Connection *connection, const char *xml, bool paused, Call *call);
void connection_undefine(Domain *domain, bool nvram, bool managed_save, Call *call);
void connection_set_autostart(Domain *domain, bool autostart, Call *call);
void connection_rename(Domain *domain, const char *name, Call *call);

/* Something has ended: whoever waits for that looks whether anything is left. */
void connection_idle(const Connection *connection);

/* Whether this version knows all that is written of a UUID; what a later one has written is refused by name and left alone. */
bool connection_check_known(Connection *connection, const char *uuid, GError **error);

/* Finds the domain that has this definition's UUID and name: *DOMAIN is NULL where there is none. False with an error where only
 * one of the two is known. To be asked in a turn. */
bool connection_find_same(Connection *connection, const Definition *definition, Domain **domain, GError **error);

/* In a turn: writes another definition of a domain, then calls DONE. */
void connection_store(Domain *domain, const Definition *definition, WorkDone done, void *data);

/* connection-bus.c: the object of the connection, with what the hypervisor adds to it. */
void connection_publish(Connection *connection);
