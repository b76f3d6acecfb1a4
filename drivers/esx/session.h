/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A session with an ESX host or a vCenter: connection->data of a connection to one. */

#include "domain/connection.h"
#include "esx/vim.h"
#include "remote/remote-uri.h"

/* What RetrieveServiceContent tells, and what is found with it. */
typedef struct EsxContent {
        VimReference root_folder, property_collector, view_manager, session_manager, search_index, task_manager, file_manager;
        char *product, *version; /* "VMware ESXi 7.0.3 build-...", "7.0.3" */
        bool is_vcenter;
} EsxContent;

typedef struct Esx {
        Connection *connection;
        RemoteUri *uri;
        bool no_verify, answers; /* of the URI's parameters no_verify and auto_answer */
        bool is_logged_in;
        Http *http;
        Vim *vim; /* NULL: nothing is connected */
        EsxContent content;
        VimReference scope;         /* the machines are below: all, a part of the inventory, or a host */
        VimReference host;          /* where there is only one; else empty */
        unsigned n_looked_up;       /* ways to read the path of the URI that were tried */
        char *update_version;       /* of what was read last */
        GHashTable *machines;       /* a reference's value -> EsxMachine */
        GHashTable *shown;          /* UUID -> EsxMachine: those that are domains */
        GHashTable *tasks;          /* the same -> EsxTask */
        GHashTable *waits;          /* EsxWait: for tasks */
        GHashTable *snapshot_tasks; /* SnapshotTask: operations on snapshots, at work (snapshot-task.c) */
        GPtrArray *stats_asked;     /* Domain, held: whose use is asked for in a moment; or NULL (quick-stats.c) */
        sd_event_source *stats_asker;
        GHashTable *stats_batches; /* Batch: of those that were asked for */
        GHashTable *told;          /* machine -> fault: of what is left out, which is logged once */
        VimReference autostart;    /* the host's list of machines that it starts (autostart.h): */
        GHashTable *started;       /* their references' values */
        bool starts_machines;      /* whether it starts any */
        GHashTable *facts;         /* of the host: property -> text */
        struct {
                void (*ready)(struct Esx *esx); /* NULL: it was called */
                bool has_updates, is_truncated; /* of the answer that is read */
        } watch;
        GError *cut;
        bool cut_is_final;
        sd_event_source *cutter;
        void (*ended)(struct Esx *esx, const GError *error); /* the session is over: what waits for it fails */
        void (*told_all)(struct Esx *esx, bool is_last);     /* what was told is shown; IS_LAST: nothing has happened until now */
        GHashTable *changes;                                 /* Change: of definitions, at work (define.c) */
} Esx;

/* Makes ready to ask: false with an error. */
bool session_begin(Esx *esx, GError **error);

/* Lets go of the connection to the server, where there is one; what was asked of it is not told any more. */
void session_end(Esx *esx);

/* The same, and tells the server that the session is over, which otherwise keeps it for half an hour: nobody waits for that. */
void session_leave(Esx *esx);

/* It is over because of ERROR: as soon as nothing of it is at work, it is ended, ended() is called, and then connection_cut. */
void session_cut(Esx *esx, const GError *error, bool final);

/* The beginning of its URLs: "https://host:443". To be freed. */
char *session_root(const Esx *esx);

/* Frees what is known of the server. */
void session_clear(Esx *esx);
