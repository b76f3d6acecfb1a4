/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What one hypervisor does: all that a driver adds to drivers/domain. Nothing in here may block.
 *
 * What each hypervisor can do is in Hypervisor itself. The rest are groups of functions: a hypervisor that lacks a group, or a
 * function of one, leaves it NULL. Who asks for it is told Unsupported, by offers_check (domain/offers.h) alone, and an
 * interface that depends on it as a whole is not on the object. */

#include "domain/definition.h"
#include "domain/disk-size.h"
#include "domain/domain.h"
#include "domain/checkpoint-definition.h"
#include "domain/snapshot-definition.h"

/* What it makes of documents. */
typedef struct HypervisorDocuments {
        /* Whether PREPARE would look at, or run, nothing that the document chooses: for a caller who has their own rights
         * alone. */
        bool (*check_prepare)(const xmlDoc *document, GError **error);

        /* Learns what it must know before it can complete a document of a user's, or, where that is NULL, answer capabilities.
         * True where it knows all that can be known; else DONE is called when it knows more, which may be at once; the document
         * may be gone then. */
        bool (*prepare)(Connection *connection, const xmlDoc *document, uid_t user, void (*done)(void *data), void *data);

        /* Writes into a document what it leaves to the hypervisor to choose, once; complete ones stay as they are. */
        bool (*complete)(Connection *connection, xmlDoc *document, GError **error);

        /* Refuses, with Unsupported or InvalidXML, a document that it cannot run; UNSUPPORTED: save for what it cannot start yet.
         * The document gets aliases, as that of a running guest. */
        bool (*check)(Connection *connection, const Definition *definition, xmlDoc *document, bool unsupported, GError **error);

        /* Refuses, with AccessDenied, a document by which a domain would have more rights on the host than the user whose it
         * is, who may be anybody (owners-rights.h). BEFORE, or NULL: its definition so far; what of that only an administrator
         * may set may stay. LIVE: it is that of a running guest, which gets or loses devices. One that touches nothing of its
         * host takes every document. */
        bool (*check_rights)(Connection *connection, const Definition *definition, const Definition *before, bool live,
                             GError **error);

        /* A document in the hypervisor's own format, whose name users say: as the command line that would run it; and the other
         * way round, not completed yet. */
        const char *native_format;
        char *(*to_native)(Connection *connection, const Definition *definition, xmlDoc *document, GError **error);
        xmlDoc *(*from_native)(const char *text, GError **error);
} HypervisorDocuments;

/* Which processor another one is compared with. */
typedef struct CpuTarget {
        bool host; /* the host's own; else what guests of the machine get that the others name */
        const char *emulator, *arch, *machine, *type; /* "" for the default */
} CpuTarget;

/* What it tells of its host. */
typedef struct HypervisorAbilities {
        /* Documents of what the host can do; of one machine, each argument "" for the default; processors, NULL at the end. */
        char *(*capabilities)(Connection *connection);
        char *(*domain_capabilities)(Connection *connection, const char *emulator, const char *arch, const char *machine,
                                     const char *type, GError **error);
        GPtrArray *(*cpu_models)(Connection *connection, const char *arch, GError **error);

        /* Appends the value of Connection.Host, an a{sv}; NULL: its host is this machine. */
        int (*host)(const Connection *connection, sd_bus_message *message);

        /* How the processor of a <cpu> compares: "incompatible" (FAIL: that is an error), "identical", "superset". And the <cpu> of
         * what several have in common, to be freed; XMLS end with NULL. */
        const char *(*compare_cpu)(Connection *connection, const CpuTarget *target, const char *xml, bool fail, GError **error);
        char *(*baseline_cpu)(Connection *connection, const CpuTarget *target, const char *const *xmls, bool expand,
                              bool migratable, GError **error);
} HypervisorAbilities;

/* Operations on the processors, as start. */
typedef struct HypervisorPower {
        void (*suspend)(Operation *operation);
        void (*resume)(Operation *operation);
        void (*shutdown)(Operation *operation);
        void (*reset)(Operation *operation);
} HypervisorPower;

/* What it can change of a running guest. */
typedef struct HypervisorDevices {
        /* Does to a running guest what device_change_of says; detach tells by domain_device_gone. */
        void (*attach)(Operation *operation);
        void (*detach)(Operation *operation);
        void (*update)(Operation *operation);
        void (*resize)(Operation *operation); /* memory, processors, where threads run, limits */

        /* Answers Disk.Resize of a domain that is up, or off. */
        void (*resize_disk)(Domain *domain, const DeviceDefinition *device, const DiskSize *size, Call *call);

        /* Answers Disk.GetInfo of a domain that is up, or off. */
        void (*get_disk_info)(Domain *domain, const DeviceDefinition *device, Call *call);

        /* Answers NetworkInterface.GetAddresses of an active domain, by addresses_reply or call_fail: from the agent, or by
         * ARP. */
        void (*get_addresses)(Domain *domain, const DeviceDefinition *device, bool agent, Call *call);
} HypervisorDevices;

typedef struct HypervisorDumping {
        void (*dump)(Operation *operation);

        /* Stops a dump that is being written; its end, with Cancelled, follows. */
        void (*cancel_dump)(Operation *operation);
} HypervisorDumping;

/* A guest's state in a file: all of it, or none. One that has it reads start_restoring_fd as it starts. */
typedef struct HypervisorSaving {
        /* Stops the guest and writes its state into saving_fd, then calls saving_written; where that fails, the guest is as it
         * was before. cancel_save makes it fail. continue_saved lets go on a guest that has been written, as domain->resumes
         * says, and then calls saving_failed with ERROR. */
        void (*save_memory)(Operation *operation);
        void (*cancel_save)(Operation *operation);
        void (*continue_saved)(Operation *operation, const GError *error);
} HypervisorSaving;

/* Without one of them, no device has its interface. */
typedef struct HypervisorConsoles {
        /* Answers Console.Open and Graphics.Open of an active domain, with reply_device_..._open or call_fail. */
        void (*open_console)(Domain *domain, const DeviceDefinition *device, bool force, Call *call);
        void (*open_graphics)(Domain *domain, const DeviceDefinition *device, Call *call);
} HypervisorConsoles;

/* Of one whose domains are containers; without it, none has the interface Domain.Container. */
typedef struct ContainerProgram {
        char **command, **environment; /* NULL at the end; the first has a program; NAME=VALUE, besides the container's own */
        char *user, *directory;        /* NULL: its root, and / */
        bool has_terminal;
} ContainerProgram;

typedef struct HypervisorContainers {
        /* Answer the methods of Domain.Container, at once or later, of a domain that is in the state for that. */
        void (*open_namespaces)(Domain *domain, Call *call);
        void (*send_signal)(Domain *domain, int64_t process, int number, Call *call);
        void (*run)(Domain *domain, const ContainerProgram *program, Call *call);
} HypervisorContainers;

/* Jobs on the images of disks that run. Without it, no disk has Disk.Image. */
typedef struct DiskJob DiskJob;
typedef struct HypervisorDiskJobs {
        /* Begins what block_job_request says: block_job_begun follows, or the operation ends. */
        void (*begin)(Operation *operation);

        /* Each is done as soon as it can be; disk_job_end follows some time. */
        void (*pivot)(DiskJob *job);
        void (*finish)(DiskJob *job);
        void (*cancel)(DiskJob *job);

        void (*set_bandwidth)(DiskJob *job, uint64_t bandwidth, Call *call); /* disk_job_limited follows */

        /* Answers SetThreshold; disk_image_tell_threshold may follow. */
        void (*set_threshold)(Domain *domain, const DeviceDefinition *disk, const DiskImage *image, uint64_t bytes, Call *call);
} HypervisorDiskJobs;

/* Snapshots that are within images, and overlays. Without it, no domain has any. */
typedef struct SnapshotOptions SnapshotOptions;
typedef struct HypervisorSnapshots {
        /* Refuses one that it cannot make; or NULL. */
        bool (*check)(const Domain *domain, const SnapshotDefinition *definition, const SnapshotOptions *options, GError **error);

        /* Looks whether what snapshot_create_definition says can be made: whether an image has one of that name already.
         * tree_create_prepared follows. */
        void (*prepare)(Operation *operation);

        /* Makes it, of a guest that is up or a domain that is off: tree_create_made follows, or tree_create_unknown. */
        void (*create)(Operation *operation);

        /* Looks whether the images have that of snapshot_revert_definition, whatever the domain does, and changes nothing:
         * snapshot_looked follows. */
        void (*look)(Operation *operation);

        /* Loads it into the guest that is up, or into the images of a domain that is off:
         * snapshot_loaded follows, or the end of the guest. */
        void (*load)(Operation *operation);

        /* Takes one out of the images that its domain had in it: tree_delete_removed follows. TRACES: it is half made, and what
         * has not these is not touched; or NULL. */
        void (*remove)(Operation *operation, const SnapshotDefinition *definition, const char *traces);
} HypervisorSnapshots;

/* Snapshots that it keeps itself, instead of those of HypervisorSnapshots: it tells which there are by tree_show. */
typedef struct HypervisorOwnSnapshots {
        /* Each does what operations/own-snapshot.h says, of a domain in any state, and ends the operation: create with
         * own_snapshot_created, or an error. */
        void (*create)(Operation *operation);
        void (*revert)(Operation *operation);
        void (*remove)(Operation *operation);
} HypervisorOwnSnapshots;

/* Marks in images from which on what is written is noted. Without it, no domain has any. */
typedef struct HypervisorCheckpoints {
        /* Looks whether what checkpoint_create_definition says can be made in the guest that is up, and changes nothing:
         * tree_create_prepared follows. */
        void (*prepare)(Operation *operation);

        /* Makes it: tree_create_made follows. */
        void (*create)(Operation *operation);

        /* Takes one out of the images of the guest that is up: tree_delete_removed follows. */
        void (*remove)(Operation *operation, const CheckpointDefinition *definition);

        /* Looks which of them count: checkpoints_set_bitmaps may follow. NULL: all do. */
        void (*look)(Domain *domain);
} HypervisorCheckpoints;

/* Backups of guests that are up. Without it, there are none. */
typedef struct HypervisorBackups {
        /* Begins what backup_begin_request says, with its checkpoint, if it has one: backup_begin_done follows. */
        void (*begin)(Operation *operation);

        /* Each is done as soon as it can be; backup_end follows some time. finish: of one that is pulled. */
        void (*finish)(Backup *backup);
        void (*cancel)(Backup *backup);

        /* Answers Job.Backup.Open of one that is pulled, by reply_job_backup_open or call_fail. NULL: there is nothing to
         * read. */
        void (*open)(Backup *backup, Call *call);
} HypervisorBackups;

typedef struct HypervisorMachine {
        /* Answers OpenLog of a domain in any state. */
        void (*open_log)(Domain *domain, Call *call);

        /* Answer the methods of Domain of the same names; an active domain's. */
        void (*screenshot)(Domain *domain, uint32_t screen, Call *call);
        void (*send_keys)(Domain *domain, char **keys, uint64_t hold_time, Call *call);
        void (*inject_nmi)(Domain *domain, Call *call);
        void (*wake_up)(Domain *domain, Call *call);
        void (*peek_memory)(Domain *domain, uint64_t address, uint64_t size, bool is_virtual, Call *call);
        void (*monitor_command)(Domain *domain, const char *command, bool human, Call *call);
        void (*measure_dirty_rate)(Domain *domain, uint32_t seconds, const char *mode, Call *call);

        /* Answer OpenMonitorEvents of a connection, and of a domain in any state. */
        void (*open_monitor_events)(Connection *connection, Call *call);
        void (*open_monitor_events_of)(Domain *domain, Call *call);
} HypervisorMachine;

typedef struct HypervisorStatistics {
        /* Tells what an active domain uses, by statistics.h, and ends that with statistics_collected, at once or later. */
        void (*collect)(Domain *domain);
} HypervisorStatistics;

/* What it keeps for a domain besides its definition. */
typedef struct HypervisorLeftovers {
        /* Whether something is kept for a domain besides its definition: UEFI variables; deletes that. */
        bool (*has_nvram)(Connection *connection, const char *uuid);
        void (*delete_nvram)(Connection *connection, const char *uuid);

        /* The same of what its emulated TPM knows. */
        bool (*has_tpm)(Connection *connection, const char *uuid);
        void (*delete_tpm)(Connection *connection, const char *uuid);

        /* Whether anything is left of a domain that is not there any more: those, or a log. */
        bool (*has_any)(Connection *connection, const char *uuid);

        /* Removes what it has kept of a domain that is undefined, or was transient, and does not run. */
        void (*forget)(Connection *connection, const char *uuid);
} HypervisorLeftovers;

/* One that is elsewhere: what is opened by URI. See domain/connection-life.h. */
typedef struct HypervisorRemote {
        /* The host that a URI names: by it two are the same. NULL, and InvalidArgument, where it names none. */
        char *(*name)(const char *uri, GError **error);

        /* Connects with connection->username and ->password; connection_connected or connection_cut follows, at once or later. */
        void (*connect)(Connection *connection);

        /* Lets go of it, whatever it is doing; connection->data may be NULL. */
        void (*disconnect)(Connection *connection);
} HypervisorRemote;

struct Hypervisor {
        const char *connection; /* "qemu": the connection's name, the URI's scheme, the directories' last part */
        const char *bus_name;   /* org.virtbus1.Driver.QEMU */
        const Vtable *extra; /* an interface that the connection has besides its own; its handlers get the Connection; or NULL */

        /* Makes ready, before any domain is known; what it keeps goes into connection->data. May be NULL, as close. */
        bool (*open)(Connection *connection, GError **error);
        void (*close)(Connection *connection);

        /* Takes back what drivers that were killed have left, once all domains are known. May be NULL. */
        void (*recover)(Connection *connection);

        /* Each does an operation and ends it with operation_finish, at once or later.
         *
         * start begins with domain->live as the definition and may replace it; where it fails, it leaves nothing behind. It
         * writes the status down (domain_save_status) before anything of the guest runs: until then, nothing tells of it. It
         * reads the guest's state from start_restoring_fd unless that is -1. reattach finds a domain that an earlier driver
         * ran, from what save wrote; it reports the state by domain_changed, or fails where the domain is gone. */
        void (*start)(Operation *operation);
        void (*reattach)(Operation *operation, xmlNode *saved);

        /* Ends an active domain at once, whatever it is doing; domain_stopped, or the failure of start, follows. */
        void (*destroy)(Domain *domain);

        /* Lets go of an active domain, which runs on: the driver is ending. Frees domain->run. */
        void (*release)(Domain *domain);

        /* Whether start and attach take descriptors that callers hand over (start_fds, DeviceChange.fds). */
        bool takes_fds;

        /* Writes what reattach needs into the status of an active domain. */
        void (*save)(const Domain *domain, xmlNode *saved);

        /* Appends the value of Domain.Isolation, an a{sv}; NULL: there is nothing to tell. */
        int (*isolation)(const Domain *domain, sd_bus_message *message);

        /* Where its driver opens connections by URI: of these schemes, NULL at the end; and what such a hypervisor does. Where
         * that is NULL, a URI of such a scheme that names no host is this connection's, which has other names so. Or both
         * NULL. */
        const char *const *schemes;
        const Hypervisor *elsewhere;

        /* Of one elsewhere; else NULL. */
        const HypervisorRemote *remote;

        /* Its own definitions: then it has no saving. NULL: they are on our disk. */
        const Definitions *definitions;

        /* What it can besides; each may be NULL. */
        const HypervisorDocuments *documents;
        const HypervisorAbilities *abilities;
        const HypervisorPower *power;
        const HypervisorDevices *devices;
        const HypervisorDumping *dumping;
        const HypervisorSaving *saving;
        const HypervisorConsoles *consoles;
        const HypervisorContainers *containers;
        const HypervisorDiskJobs *disk_jobs;
        const HypervisorSnapshots *snapshots;
        const HypervisorOwnSnapshots *own_snapshots;
        const HypervisorCheckpoints *checkpoints;
        const HypervisorBackups *backups;
        const HypervisorMachine *machine;
        const HypervisorStatistics *statistics;
        const HypervisorLeftovers *leftovers;
};

/* Whether a hypervisor has a function of a group. */
#define HYPERVISOR_HAS(hypervisor, group, function) ((hypervisor)->group && (hypervisor)->group->function)
