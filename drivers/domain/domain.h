/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A domain: its definitions and its state, and who is told of them. How it comes to another state is domain-run.h's; what is
 * done to it is an operation (operation.h). */

#include "base/job.h"
#include "base/objects.h"
#include "domain/definition.h"

typedef struct Connection Connection;
typedef struct Hypervisor Hypervisor;
typedef struct Definitions Definitions;
typedef struct Domain Domain;
typedef struct Operation Operation;
typedef struct TreeKind TreeKind;
typedef struct Backup Backup;

typedef enum DomainState {
        DOMAIN_SHUTOFF,
        DOMAIN_STARTING,
        DOMAIN_RUNNING,
        DOMAIN_PAUSED,
        DOMAIN_PMSUSPENDED,
        DOMAIN_STOPPING,
        DOMAIN_CRASHED,
        DOMAIN_N_STATES
} DomainState;

typedef enum DomainReason {
        REASON_UNKNOWN,
        REASON_BOOTED,
        REASON_RESUMED,
        REASON_USER,
        REASON_SHUTDOWN,
        REASON_DESTROYED,
        REASON_CRASHED,
        REASON_FAILED,
        REASON_IO_ERROR,
        REASON_DUMP,
        REASON_REATTACHED,
        REASON_SAVING,
        REASON_SAVED,
        REASON_RESTORED,
        REASON_SNAPSHOT,
        REASON_WATCHDOG,
        DOMAIN_N_REASONS
} DomainReason;

/* A device of a domain as an object. */
/* The trees of objects below one. */
typedef enum DomainTree { DOMAIN_SNAPSHOTS, DOMAIN_CHECKPOINTS, DOMAIN_N_TREES } DomainTree;

typedef struct Device {
        Domain *domain;
        DeviceDefinition *definition; /* of domain_definition */
        DeviceClass device_class;     /* its interfaces */
        guint index;
        Published *published;
} Device;

struct Domain {
        unsigned n_references;
        Connection *connection;
        char *uuid;
        char *known_as; /* the name that its connection finds it by */
        unsigned holds; /* while there are some nothing begins: another name is being written, an image gets another size */
        Definition *persistent; /* NULL: transient */
        Definition *live;       /* NULL: not active */
        DomainState state;
        DomainReason reason, stop_reason;
        uint32_t id;
        uid_t owner;
        bool owners_rights; /* it has no more rights on the host than its owner: owners-rights.h */
        char **shares;      /* what others may do with it: shares.h; or NULL */
        bool autostart;
        bool reboot; /* the next shutdown of the guest is one half of a reboot */
        bool has_managed_save;
        bool save_is_used;  /* it runs, or ran, from its managed save, which is to be removed */
        bool removing_save; /* that is being done; then, where it is not NULL: */
        void (*save_removed)(void *data);
        void *save_removed_data;
        bool was_saving; /* when the last driver ended, or its hypervisor fell silent: it is to be as it was before */
        bool resumes;    /* SAVE: if it fails, the processors run again */
        uint64_t start_time;
        unsigned taints;                    /* of this run: bits by taint.h */
        Published *published;               /* NULL: it is gone */
        GPtrArray *devices;                 /* Device */
        Operation *operation;               /* at work */
        GQueue waiting;                     /* Operation */
        GQueue destroyers;                  /* Call: of Destroy, to be answered when it is off */
        void *run;                          /* the hypervisor's own, while active */
        struct Statistics *statistics;      /* or NULL */
        GHashTable *disk_jobs;              /* alias -> DiskJob (disk-jobs.h): at work; or NULL */
        Backup *backup;                     /* at work: backup.h; or NULL */
        struct Tree *trees[DOMAIN_N_TREES]; /* tree.h; each may be NULL */
        GHashTable *bitmaps;                /* of its checkpoints, that count: checkpoint.h; NULL: not known */
        GHashTable *disk_errors;            /* alias -> literal: what its disks have told; or NULL */
        GHashTable *open_trays;             /* char *: aliases of drives; or NULL */
};

/* Who wants to know what becomes of a connection's domains: a domain knows none of them, and its connection lists them
 * (listeners), in the order in which they are told. What is not there (NULL) is not told. */
typedef struct DomainListener {
        void (*added)(Domain *domain);                          /* it is new, and off */
        void (*changed)(Domain *domain, const int *properties); /* of the interface Domain, -1 at the end; NULL: any of them */
        void (*state_changed)(Domain *domain, DomainState old); /* or its reason */
        void (*state_kept)(Domain *domain);                     /* and a driver that follows this one finds it so */
        void (*devices_changed)(Domain *domain);                /* some may have come, gone, or changed */
        void (*redefined)(Domain *domain,
                          const Domain *before); /* another definition counts: what it is, and its devices; BEFORE: as it was */
        void (*definition_changed)(Domain *domain); /* its persistent one is another */
        void (*disk_errors_changed)(Domain *domain);
        void (*trays_changed)(Domain *domain);
        void (*disk_jobs_changed)(Domain *domain); /* jobs on images of its disks have begun or ended */
        void (*disk_job_told)(Domain *domain, const char *alias, const char *operation, const char *state,
                              const char *error);  /* how far one is: Disk.Image.JobStateChanged */
        void (*backup_changed)(Domain *domain);    /* one has begun or ended */
        void (*snapshots_changed)(Domain *domain); /* some have come or gone, or are others */
        void (*checkpoints_changed)(Domain *domain);
        void (*idle)(Domain *domain);      /* no operation is at work any more, and none waits */
        void (*run_ended)(Domain *domain); /* it will be off in a moment */
        void (*gone)(Domain *domain);      /* it is known no more; there may be references to it */
        void (*freed)(Domain *domain);     /* in a moment: who has something of theirs in it frees that */
} DomainListener;

Domain *domain_ref(Domain *domain);
void domain_unref(Domain *domain);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Domain, domain_unref)

/* Makes an inactive domain of a connection, which knows it then. PERSISTENT is NULL for a transient one, of UUID then. */
Domain *domain_new(Connection *connection, const Definition *definition, bool persistent, uid_t owner, bool owners_rights);

/* Gives a domain another persistent definition. */
void domain_redefine(Domain *domain, Definition *definition);

/* The definition that counts now: of an active domain the live one. */
Definition *domain_definition(const Domain *domain);
const char *domain_name(const Domain *domain);
bool domain_is_active(const Domain *domain);
bool domain_is_up(const Domain *domain); /* active, past its start, and not ending */
const char *domain_state_name(DomainState state);
const char *domain_reason_name(DomainReason reason);
DomainState domain_state_from_name(const char *name);
DomainReason domain_reason_from_name(const char *name);

/* Sets "domain 'NAME': ..."; returns false. */
bool domain_fail(const Domain *domain, GError **error, VirtbusError code, const char *format, ...) G_GNUC_PRINTF(4, 5);

/* An error as it leaves an operation: with "domain 'NAME': " before it, once. */
GError *domain_name_error(const Domain *domain, const GError *error);

/* The live definition is another now. */
void domain_set_live(Domain *domain, Definition *definition);

/* A disk of the running guest has an error: a literal that Device.Disk's property Error knows. They are forgotten when it runs
 * on. */
void domain_disk_failed(Domain *domain, const char *alias, const char *error);
void domain_forget_disk_errors(Domain *domain);

/* The tray of a drive of the running guest is open now, or closed. */
void domain_tray_moved(Domain *domain, const char *alias, bool is_open);
bool domain_tray_is_open(const Domain *domain, const char *alias);
void domain_forget_trays(Domain *domain);

/* The path of a device's object. */
char *domain_device_path(const Domain *domain, const char *alias);

/* Tell the listeners of the connection. */
void domain_announce(Domain *domain, const int *properties);
void domain_announce_state(Domain *domain, DomainState old);
void domain_announce_state_kept(Domain *domain);
void domain_announce_devices(Domain *domain);
void domain_announce_redefined(Domain *domain, const Domain *before);
void domain_announce_disk_errors(Domain *domain);
void domain_announce_disk_jobs(Domain *domain);
void domain_announce_disk_job(Domain *domain, const char *alias, const char *operation, const char *state, const char *error);
void domain_announce_backup(Domain *domain);
void domain_announce_snapshots(Domain *domain);
void domain_announce_checkpoints(Domain *domain);
void domain_announce_idle(Domain *domain);
void domain_announce_run_end(Domain *domain);
void domain_announce_end(Domain *domain);
