/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A domain: its definitions and its state. What is done to it is an operation (operation.h): they wait for each other in a queue;
 * destroying overtakes them. What follows from them and what is told of them is the same for all drivers. */

#include "base/job.h"
#include "base/objects.h"
#include "domain/definition.h"

typedef struct Connection Connection;
typedef struct Domain Domain;
typedef struct Operation Operation;

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
        DOMAIN_N_REASONS
} DomainReason;

/* What a guest does by itself. */
typedef enum GuestEvent {
        GUEST_SHUTDOWN,
        GUEST_REBOOT,
        GUEST_CRASH,
        GUEST_SLEEP,
        GUEST_WAKE,
} GuestEvent;

/* A device of a domain as an object. */
typedef struct Device {
        Domain *domain;
        DeviceDefinition *definition; /* of domain_definition */
        DeviceClass device_class;     /* its interfaces: kept here, as the definition may be gone already */
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
        bool autostart;
        bool reboot; /* the next shutdown of the guest is one half of a reboot */
        bool has_managed_save;
        bool save_is_used;  /* it runs, or ran, from its managed save, which is to be removed */
        bool removing_save; /* that is being done; then, where it is not NULL: */
        void (*save_removed)(void *data);
        void *save_removed_data;
        bool was_saving; /* when the last driver ended */
        bool resumes;    /* SAVE: if it fails, the processors run again */
        uint64_t start_time;
        Published *published;          /* NULL: it is gone */
        GPtrArray *devices;            /* Device */
        Operation *operation;          /* at work */
        GQueue waiting;                /* Operation */
        void (*on_idle)(Domain *);     /* nothing is at work any more, and nothing waits */
        GQueue destroyers;             /* Call: of Destroy, to be answered when it is off */
        void *run;                     /* the hypervisor's own, while active */
        struct Statistics *statistics; /* or NULL */
        GHashTable *disk_errors;       /* alias -> literal: what its disks have told; or NULL */
};

Domain *domain_ref(Domain *domain);
void domain_unref(Domain *domain);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Domain, domain_unref)

/* Makes an inactive domain of a connection and publishes it. PERSISTENT is NULL for a transient one, of UUID then. */
Domain *domain_new(Connection *connection, const Definition *definition, bool persistent, uid_t owner);

/* Gives a domain another persistent definition. */
void domain_redefine(Domain *domain, Definition *definition);

/* The driver is ending: answers all calls that wait for the domain, or for an operation on it, with ERROR. The guest runs on. */
void domain_cancel(Domain *domain, const GError *error);

/* Takes the definition away; the domain goes away with it, or when it stops. */
void domain_undefine(Domain *domain);

/* The definition that counts now: of an active domain the live one. */
Definition *domain_definition(const Domain *domain);
const char *domain_name(const Domain *domain);
bool domain_is_active(const Domain *domain);
const char *domain_state_name(DomainState state);
const char *domain_reason_name(DomainReason reason);
DomainState domain_state_from_name(const char *name);
DomainReason domain_reason_from_name(const char *name);

/* Sets "domain 'NAME': ..."; returns false. */
bool domain_fail(const Domain *domain, GError **error, VirtbusError code, const char *format, ...) G_GNUC_PRINTF(4, 5);

/* An error as it leaves an operation: with "domain 'NAME': " before it, once. */
GError *domain_name_error(const Domain *domain, const GError *error);

/* Ends an active domain for this reason; CALL (or NULL) is answered when it is off. */
void domain_destroy(Domain *domain, DomainReason reason, Call *call);

/* What a hypervisor tells. */

/* The state is another now. Nothing happens where it is not. False where it could not be written down. */
bool domain_changed(Domain *domain, DomainState state, DomainReason reason);

/* The domain has ended and the hypervisor has released it. ERROR says why, or is NULL. Not to be called for a start that
 * fails: that ends with operation_finish. */
void domain_stopped(Domain *domain, DomainReason reason, const GError *error);

/* The guest did something by itself; what follows is as the definition says. */
void domain_guest_event(Domain *domain, GuestEvent event);

/* The live definition is another now. */
void domain_set_live(Domain *domain, Definition *definition);

/* A device has left the running guest. */
void domain_device_gone(Domain *domain, const char *alias);

/* The running guest has another amount of memory now, in bytes; another number of processors. */
void domain_memory_changed(Domain *domain, uint64_t bytes);
void domain_vcpus_changed(Domain *domain, uint32_t count);

/* A disk of the running guest has an error: a literal that Device.Disk's property Error knows. They are forgotten when it runs on. */
void domain_disk_failed(Domain *domain, const char *alias, const char *error);

/* Writes down what is known of a running domain, where it is found after the driver's end; false where that cannot be written,
 * which is logged. */
bool domain_save_status(Domain *domain);

/* What operations do with a run: get an id and a definition for it; say that it is in another state, and whoever embeds the driver;
 * end it, because of ERROR or NULL, with what follows for all who wait and for the domain. */
void domain_prepare_run(Domain *domain);
void domain_enter(Domain *domain, DomainState state, DomainReason reason);
void domain_observe(Domain *domain, const GError *error);
void domain_end_run(Domain *domain, DomainReason reason, const GError *error);

/* domain-bus.c: the objects of a domain and its devices. */
void domain_publish(Domain *domain);
void domain_withdraw(Domain *domain);
void domain_publish_devices(Domain *domain);
char *domain_device_path(const Domain *domain, const char *alias);
void domain_announce(Domain *domain, const int *properties);
void domain_announce_state(Domain *domain, DomainState old);
void domain_announce_disk_errors(Domain *domain);
