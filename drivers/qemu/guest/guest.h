/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A guest: one QEMU process, from its start to its end, whoever's child it is, and what the driver knows of it. Its monitor is
 * the only way in; what QEMU must open is opened by a worker and passed. */

#include "base/process.h"
#include "domain/agent/guest-object.h"
#include "domain/connection.h"
#include "qemu/command/command-line.h"
#include "qemu/host/host.h"
#include "qemu/monitor/capabilities.h"
#include "qemu/monitor/event-flow.h"
#include "qemu/monitor/monitor.h"

typedef struct Guest Guest;

/* What the operation at work waits to be told by an event. */
typedef enum GuestAwaits {
        AWAITS_NOTHING,
        AWAITS_DUMP,
        AWAITS_SAVE,
        AWAITS_LOAD,
} GuestAwaits;

/* The files of a guest being opened by a worker. The guest may be gone when it is done. */
typedef void (*FilesOpened)(Guest *guest, GPtrArray *files, const GError *error);
typedef struct Opening {
        Guest *guest;
        Connection *connection;
        GPtrArray *files;
        bool foreign_user;
        FilesOpened opened;
} Opening;

/* A guest: domain->run. */
struct Guest {
        Domain *domain;
        Process *process;
        Process *former; /* START: a QEMU of the same domain that nobody knew of, being ended */
        Monitor *monitor;
        EventFlow *events;    /* that it tells */
        Operation *operation; /* START or REATTACH, until QEMU is ready */
        Opening *opening;
        struct GuestFetch *fetch; /* what the opening waits for before a worker begins: guest-fetch.c */
        char **let;               /* what polkit has let it reach of the host, for the operation at work: rights_let; or NULL */
        GArray *secret_sets;      /* gint64: the sets by which a QEMU that runs was given secrets, for as long as it reads them */
        sd_event_source *timeout;
        GError *failure;         /* why the start fails, once the process has ended */
        xmlDoc *document;        /* START: becomes the live definition */
        Definition *of_document; /* which that has become, or NULL */
        CommandLine *line;       /* START */
        char *emulator;
        Capabilities *capabilities; /* of the QEMU that it runs on, whatever becomes of the binary; NULL until they are known */
        char *directory;            /* runtime.h */
        char *monitor_path;
        char *pid_path; /* of a file with its process' number and start time */
        int monitor_listener;
        long log_start;     /* where this run's part of the log begins */
        GPtrArray *sockets; /* UnixSocket: in the file system, to be removed */
        GQueue connectings; /* struct Connecting: to one of them */
        uid_t uid;          /* whom its QEMU runs as */
        gid_t gid;
        GHashTable *terminals; /* alias -> path of the pseudo terminal */
        GHashTable *streams;   /* alias -> Console: console.c */
        GuestObject *object;   /* its agent's, while it has a channel */
        char *agent_alias;     /* of that channel */
        int agent_timeout;     /* REATTACH: as it was set */
        DomainReason pause_reason;
        bool blinks; /* it is paused, and runs for an instant, of which nobody is told: take-back.c */
        GuestAwaits awaits;
        void (*loaded)(Guest *guest, const GError *error); /* AWAITS_LOAD */
        bool has_set_out;                                  /* START: the processors have been told to run */
        ExecutableIdentity *stranger; /* START: its QEMU's, of which nothing is known: it is asked when the guest is up */
        bool asks;                    /* what its QEMU can do: the answer will be kept with it */
        bool is_alien;                /* REATTACH: nothing is known of its QEMU; it does only what each one can */
        sd_event_source *progress;    /* of a dump, or a save: progress.c */
        const char *progress_command;
        MonitorDone progress_read;
        GHashTable *scripts;       /* Script: that run */
        GHashTable *cleanups;      /* struct Cleanup: of devices that have left */
        struct Plugging *plugging; /* of the operation at work */
        sd_event_source *detach_timeout;
        struct ScopeCall *scope_call;  /* that waits for systemd */
        struct Limiting *limiting;     /* that waits for a worker */
        struct Placing *placing;       /* its threads: threads.c */
        bool has_thread_groups;        /* some of them have had limits */
        GQueue deeds;                  /* struct Deed: calls that its monitor is to answer */
        GQueue returnings;             /* struct Returning: what it held that is being given back */
        struct Isolation *isolation;   /* what its QEMU is kept from; or NULL: isolation.c */
        struct Showing *showing;       /* what it is being shown */
        JsonObject *dirty_rate;        /* what QEMU has last said; NULL: it is to be asked: dirty-rate.h */
        struct GuestCpu *cpu;          /* it waits for what its processor can be; or NULL: guest-cpu.h */
        struct GuestTpm *tpm;          /* its TPM's emulator; or NULL: guest-tpm.h */
        struct DeviceHelpers *helpers; /* of its devices; or NULL: device-helpers.h */
        bool has_ended, ended_well;    /* nothing but that is left of it */
        char *attaching;               /* the device that is being attached: kept in the status, for a successor of this driver */
        char *half_attached;           /* the one that was when an earlier driver ended: being removed */
        struct Nodes *nodes;           /* of its disks: nodes.h */
        struct FdSets *fd_sets;        /* other descriptors that its QEMU was given: fd-sets.h */
        GHashTable *block_jobs;        /* alias of a disk -> BlockJob: block-job.h */
        sd_event_source *block_job_timer;
        struct BlockOpening *block_opening;   /* of the one that begins, or NULL */
        struct BlockAsk *block_ask;           /* who has asked for it, or NULL */
        struct Merging *merging;              /* of a snapshot that is deleted, or NULL: snapshot-merge.h */
        struct Snapshotting *snapshotting;    /* what it does of a snapshot, or NULL: snapshot-live.c */
        struct Overlaying *overlaying;        /* what it does of an external one, or NULL: snapshot-overlay.c */
        struct Quiesce *quiesce;              /* its file systems are frozen for a snapshot, or may be, or NULL: quiesce.h */
        GHashTable *overlays;                 /* alias of a disk -> index of the overlay that QEMU may have put in; or NULL */
        struct Marking *marking;              /* what it is asked of a checkpoint, or NULL: checkpoint.c */
        GError *snapshot_failure;             /* of that, while it is let go on */
        struct GuestBackup *backup;           /* that is at work, or begins, or NULL: guest-backup.h */
        struct BackupOpening *backup_opening; /* of the one that begins, or NULL */
        struct Medium *medium;                /* that is being changed, or NULL: plugging.h */
        struct Told *told;                    /* what its QEMU has said of processors and balloon, or NULL: collect.c */
        uint64_t n_fds;                       /* that were passed by name */
        uint64_t sizes_asked;                 /* when its images' sizes were, CLOCK_MONOTONIC; 0: they are to be */
};

/* What its QEMU may tell, and when that is believed: a QEMU that the guest has taken over tells what it likes. What an
 * operation waits for is taken once, by that. */
typedef enum GuestPhase {
        PHASE_BEGINNING = 1,   /* its processors have not run yet */
        PHASE_SETTING_OUT = 2, /* they have been told to, and the start is not at its end */
        PHASE_FINDING = 4,     /* after a driver's restart: what has happened before will be asked */
        PHASE_RUNNING = 8,
        PHASE_ENDING = 16, /* nothing that it tells matters any more */
} GuestPhase;

typedef struct MonitorEvent {
        const char *name;
        unsigned phases; /* GuestPhase */
        void (*take)(Guest *guest, JsonObject *arguments);
} MonitorEvent;

/* A part of what the driver does with a guest that runs. A guest knows none of them: qemu.c lists them for its host, and each
 * is told in that order. What is not there is NULL. */
typedef struct GuestModule {
        const MonitorEvent *events; /* the last one has no name */
        void (*begin)(Guest *guest);
        void (*save)(const Guest *guest, xmlNode *saved);   /* what a successor of this driver needs to know, into the status */
        void (*load)(Guest *guest, xmlNode *saved);         /* and from it */
        void (*recover)(Guest *guest);                      /* QEMU answers: after a driver's restart, or a silence */
        void (*agent_came)(Guest *guest);                   /* its agent has opened its channel */
        void (*resumed)(Guest *guest);                      /* its processors run on */
        void (*found)(Guest *guest);                        /* the same, and the state of the domain is known */
        void (*give_up)(Guest *guest, const GError *error); /* QEMU tells no more: what waits for an event fails */
        void (*forget)(Guest *guest); /* the guest is let go of: whoever waits is told, what is kept is freed */
} GuestModule;

#define GUEST_EACH(guest, what, ...) \
        for (const GuestModule *const *module = host_of((guest)->domain->connection)->modules; *module; module++) \
                if ((*module)->what) \
        (*module)->what((guest), ##__VA_ARGS__)

/* Makes the guest of a domain, which nothing is known of; lets go of it: its QEMU may run on. */
Guest *guest_new(Domain *domain);
void guest_free(Guest *guest);

/* Fails where nothing answers at the guest's monitor; and where nothing is known of the QEMU behind it. */
bool guest_has_monitor(const Domain *domain, GError **error);
bool guest_check_monitor(const Domain *domain, GError **error);

/* Gives QEMU a descriptor; returns the name that commands know it by. */
char *guest_pass_fd(Guest *guest, int fd);

/* Gives back what a device of the guest, or with an ALIAS of NULL the guest, holds of the host (claims.h), then calls DONE,
 * unless the guest is let go of before; at once where there is nothing. ERROR, which may be NULL, is passed on. */
typedef void (*ThingsReturned)(Guest *guest, const char *alias, const GError *error);
void guest_return_things(Guest *guest, const char *alias, const GError *error, ThingsReturned done);

/* The same for all, and what it leaves in the file system, when its QEMU has ended. */
void guest_return_everything(Guest *guest, const GError *error, ThingsReturned done);

/* How much memory may be locked: */
uint64_t guest_lockable_memory(const Guest *guest);

/* All memory may be locked from now on: a device of the host's reads and writes it. */
void guest_lock_memory(const Guest *guest);

/* Opens files (which are taken) without waiting, when their secrets have come; nothing is called where the guest ends before,
 * or they are dropped. Where there are none, or a secret cannot be asked for, OPENED is called before this returns. */
void guest_open_files(Guest *guest, GPtrArray *files, FilesOpened opened);

/* Nobody wants any more what is being opened, if anything is: it is given back. */
void guest_drop_opening(Guest *guest);

/* What commands for it are made of. RUNNING as in CommandLineContext. */
CommandLineContext guest_context(Guest *guest, xmlDoc *document, const Definition *definition, const Definition *running);

/* Whether LINE is one that it may have: that of a domain which has its owner's rights alone opens nothing by a path. DOCUMENT: of
 * a whole one, or NULL. */
bool guest_check_line(const Guest *guest, const CommandLine *line, const xmlDoc *document, GError **error);

/* Of the sockets that opening FILES has made, and that QEMU will make at PATHS: they go with the guest, or with
 * guest_remove_sockets, by a worker: all from that place in the list on, or, where PATH is not NULL, the one that lies there. */
void guest_keep_sockets(Guest *guest, const GPtrArray *files, const GPtrArray *paths);
void guest_remove_sockets(Guest *guest, guint from, const char *path);

/* Connects to a socket that the driver has made for the guest's QEMU; DONE is called later with a descriptor, which it owns,
 * or a negative errno: -ENOTSOCK where there is no such socket. GUEST is NULL where it has ended before. */
typedef void (*GuestConnected)(Guest *guest, int fd, void *data);
void guest_connect(Guest *guest, const char *path, GuestConnected done, void *data);

/* Keeps the pseudo terminals that query-chardev has answered, and writes them into a document. */
void guest_take_terminals(Guest *guest, JsonObject *answer);
void guest_write_terminals(const Guest *guest, const Definition *definition, xmlDoc *document);

/* Takes out of a document what a start went on without: startupPolicy. A drive is empty then. */
void guest_drop_missing(xmlDoc *document);

/* Lets go of its agent. */
void guest_close_agent(Guest *guest);

/* Whether this is what the operation at work waits for; from then on it does not. */
bool guest_take_awaited(Guest *guest, GuestAwaits awaited);

/* A script of the guest's. */
struct Script *guest_script_new(Guest *guest);
