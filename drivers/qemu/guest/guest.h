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

typedef struct Console Console;

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
        sd_event_source *timeout;
        GError *failure;   /* why the start fails, once the process has ended */
        xmlDoc *document;  /* START: becomes the live definition */
        CommandLine *line; /* START */
        char *emulator;
        Capabilities *capabilities; /* of the QEMU that it runs on, whatever becomes of the binary; NULL until they are known */
        char *directory;            /* runtime.h */
        char *monitor_path;
        char *pid_path; /* of a file with its process' number and start time */
        int monitor_listener;
        long log_start;        /* where this run's part of the log begins */
        GPtrArray *sockets;    /* UnixSocket: in the file system, to be removed */
        GQueue connectings;    /* struct Connecting: to one of them */
        GHashTable *terminals; /* alias -> path of the pseudo terminal */
        GHashTable *streams;   /* alias -> struct Console */
        GuestObject *object;   /* its agent's, while it has a channel */
        char *agent_alias;     /* of that channel */
        int agent_timeout;     /* REATTACH: as it was set */
        DomainReason pause_reason;
        GuestAwaits awaits;
        bool has_set_out;             /* START: the processors have been told to run */
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
        struct ScopeCall *scope_call; /* that waits for systemd */
        struct Limiting *limiting;    /* that waits for a worker */
        struct Placing *placing;      /* its threads: threads.c */
        bool has_thread_groups;       /* some of them have had limits */
        GQueue deeds;                 /* struct Deed: calls that its monitor is to answer */
        GQueue returnings;            /* struct Returning: what it held that is being given back */
        bool has_ended, ended_well;   /* nothing but that is left of it */
        char *attaching;              /* the device that is being attached: kept in the status, for a successor of this driver */
        struct Medium *medium;        /* that is being changed, or NULL: plugging.h */
        struct Told *told;            /* what its QEMU has said of processors and balloon, or NULL: collect.c */
        uint64_t n_fds;               /* that were passed by name */
        uint64_t sizes_asked;         /* when its images' sizes were, CLOCK_MONOTONIC; 0: they are to be */
};

/* Operations of the hypervisor: see there. */
void guest_start(Operation *operation);
void guest_reattach(Operation *operation, xmlNode *saved);

/* Takes over those that run and whose status is lost: known by their pid files. */
void guest_adopt_lost(Connection *connection);
void guest_suspend(Operation *operation);
void guest_resume(Operation *operation);
void guest_shut_down(Operation *operation);
void guest_reset(Operation *operation);
void guest_destroy(Domain *domain);
void guest_release(Domain *domain);
void guest_save(const Domain *domain, xmlNode *saved);

/* Fails where the guest has no monitor that could be asked. */
bool guest_check_monitor(const Domain *domain, GError **error);

/* Gives QEMU a descriptor; returns the name that commands know it by. */
char *guest_pass_fd(Guest *guest, int fd);

/* Gives back what a device of the guest, or with an ALIAS of NULL the guest, holds of the host (claims.h), then calls DONE, unless the
 * guest is let go of before; at once where there is nothing. ERROR, which may be NULL, is passed on. */
typedef void (*ThingsReturned)(Guest *guest, const char *alias, const GError *error);
void guest_return_things(Guest *guest, const char *alias, const GError *error, ThingsReturned done);

/* All memory may be locked from now on: a device of the host's reads and writes it. */
void guest_lock_memory(const Guest *guest);

/* Opens files (which are taken) without waiting; nothing is called where the guest ends before. Where there are none, OPENED is
 * called before this returns. */
void guest_open_files(Guest *guest, GPtrArray *files, FilesOpened opened);

/* What commands for it are made of. RUNNING as in CommandLineContext. */
CommandLineContext guest_context(Guest *guest, xmlDoc *document, const Definition *definition, const Definition *running);

/* Of the sockets that opening FILES has made, and that QEMU will make at PATHS: they go with the guest, or with guest_remove_sockets, by a worker:
 * all from that place in the list on, or, where PATH is not NULL, the one that lies there. */
void guest_keep_sockets(Guest *guest, const GPtrArray *files, const GPtrArray *paths);
void guest_remove_sockets(Guest *guest, guint from, const char *path);

/* Connects to a socket that the driver has made for the guest's QEMU; DONE is called later with a descriptor, which it owns, or a negative errno:
 * -ENOTSOCK where there is no such socket. GUEST is NULL where it has ended before. */
typedef void (*GuestConnected)(Guest *guest, int fd, void *data);
void guest_connect(Guest *guest, const char *path, GuestConnected done, void *data);

/* Keeps the pseudo terminals that query-chardev has answered, and writes them into a document. */
void guest_take_terminals(Guest *guest, JsonObject *answer);
void guest_write_terminals(const Guest *guest, const Definition *definition, xmlDoc *document);

/* Connects to the agent where there is a channel for one and it is not yet; lets go of it. */
void guest_find_agent(Guest *guest);
void guest_close_agent(Guest *guest);

/* hotplug.c: devices that come, go and change while the guest runs. */
void hotplug_attach(Operation *operation);
void hotplug_detach(Operation *operation);
void hotplug_update(Operation *operation);
void hotplug_resize(Operation *operation);

/* resize-disk.c */
void resize_disk(Domain *domain, const DeviceDefinition *device, const DiskSize *size, Call *call);
void hotplug_on_deleted(Guest *guest, JsonObject *arguments);
void hotplug_on_refused(Guest *guest, JsonObject *arguments);
void hotplug_on_acpi_status(Guest *guest, JsonObject *info);
void hotplug_free(Guest *guest);

/* update.c: a medium that is being changed, in the status. */
void medium_save(const Guest *guest, xmlNode *saved);
void medium_load(Guest *guest, xmlNode *saved);

/* After a driver's restart: takes back what was being attached when the last one ended, and finds what has left since. */
void hotplug_recover(Guest *guest);

/* control.c: what a person does at the machine, and looks at. */
/* The guest is let go of: what waits for its monitor fails. */
void control_free(Guest *guest);

void control_screenshot(Domain *domain, uint32_t screen, Call *call);
void control_send_keys(Domain *domain, char **keys, uint64_t hold_time, Call *call);
void control_inject_nmi(Domain *domain, Call *call);
void control_wake_up(Domain *domain, Call *call);
void control_peek_memory(Domain *domain, uint64_t address, uint64_t size, bool is_virtual, Call *call);

/* migration.c: a guest's state into a file, and back. */
void migration_save(Operation *operation);
void migration_cancel(Operation *operation);
void migration_continue(Operation *operation, const GError *error);
void migration_load(Guest *guest);
void migration_on_event(Guest *guest, JsonObject *arguments);

/* QEMU does not tell any more: what waits for an event fails. */
void migration_give_up(Guest *guest, const GError *error);
void dump_give_up(Guest *guest, const GError *error);
void hotplug_give_up(Guest *guest, const GError *error);

/* After a driver's restart: takes back a save that the last one had not ended. */
void migration_recover(Guest *guest);

/* The state is loaded, or ERROR says why not: the start goes on. */
void guest_loaded(Guest *guest, const GError *error);

/* Whether this is what the operation at work waits for; from then on it does not. */
bool guest_take_awaited(Guest *guest, GuestAwaits awaited);

/* Scripts of a guest: those that run. */
struct Script *guest_script_new(Guest *guest);

/* collect.c: what a guest uses, and which addresses it has. */
void collect_addresses(Domain *domain, const DeviceDefinition *device, bool agent, Call *call);
void collect_statistics(Domain *domain);
void collect_free(Guest *guest);

/* What QEMU has said of the guest's processors and balloon is asked anew; the balloon has changed. */
void collect_forget(Guest *guest);
void collect_ballooned(Guest *guest, uint64_t bytes);

/* How long the sizes of images are taken to be the same, in microseconds: asking is dear, and nothing but a guest's writing changes them
 * unseen. */
#define COLLECT_SIZES_INTERVAL (10 * G_USEC_PER_SEC)

/* dump.c: a guest's memory as a file. */
void dump(Operation *operation);
void dump_completed(Guest *guest, JsonObject *arguments);

/* console.c: consoles and displays. */
void console_free(Console *console);

/* A console's device goes, or all go as the guest ends: whoever has them open is still given what the guest had said. */
void console_leave(Guest *guest, const char *alias);
void consoles_leave(Guest *guest);
void open_console(Domain *domain, const DeviceDefinition *asked, bool force, Call *call);
void open_graphics(Domain *domain, const DeviceDefinition *device, Call *call);
