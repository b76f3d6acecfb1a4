/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What is to change in a document, as parts of an element that are replaced, added or taken away, and what an operation that
 * does so (device-change.h) keeps of it. */

#include "base/turns.h"
#include "domain/definition.h"

/* How long a guest may take to release a device, in microseconds: the default, and the most that a caller can ask for. */
#define DETACH_TIMEOUT_DEFAULT (10 * UINT64_C(1000000))
#define DETACH_TIMEOUT_MAX (3600 * UINT64_C(1000000))

/* A part of an element that is replaced, or taken away: see definition_edit_attribute and definition_edit_part. */
typedef struct DeviceEdit {
        char *place;
        char *value;   /* of an attribute, or NULL */
        xmlNode *part; /* an element, or NULL */
} DeviceEdit;

/* The kinds of threads that can be bound to processors of the host. */
typedef enum PinnedThread {
        PINNED_VCPU,
        PINNED_EMULATOR, /* the hypervisor's own threads */
        PINNED_IO_THREAD,
} PinnedThread;

/* An I/O thread that comes or goes. */
typedef enum IOThreadChange {
        IO_THREAD_SAME,
        IO_THREAD_ADDED,
        IO_THREAD_REMOVED,
        IO_THREAD_TUNED, /* by io_thread_values */
} IOThreadChange;

/* What can be said of an I/O thread. */
typedef enum IOThreadValue {
        IO_THREAD_POLL_MAX, /* nanoseconds */
        IO_THREAD_POLL_GROW,
        IO_THREAD_POLL_SHRINK,
        IO_THREAD_POOL_MIN,
        IO_THREAD_POOL_MAX,
        IO_THREAD_N_VALUES,
} IOThreadValue;

typedef struct DeviceChange {
        bool live, config;        /* what was asked for; neither: what counts now */
        bool force;               /* UPDATE: what the guest holds is taken from it */
        char *alias;              /* of the device; of a new one when it is known */
        xmlDoc *element;          /* ATTACH, UPDATE: the device */
        GPtrArray *fds;           /* ATTACH, UPDATE: FdGroup, what the caller hands over; or NULL */
        char *group;              /* UPDATE: of them, one of which a medium is; or NULL */
        GPtrArray *edits;         /* UPDATE: DeviceEdit, instead of an element */
        uint64_t timeout;         /* DETACH */
        uint64_t memory;          /* RESIZE: bytes, or 0 to leave it */
        uint32_t vcpus;           /* RESIZE: or 0 */
        char *cpus;               /* RESIZE: where a thread runs, or NULL; EDITS of the domain's element */
        PinnedThread pinned;      /* and which */
        uint32_t thread;          /* its number; and that of the I/O thread */
        IOThreadChange io_thread; /* RESIZE */
        uint64_t io_thread_values[IO_THREAD_N_VALUES];
        bool io_thread_given[IO_THREAD_N_VALUES]; /* which of them */
        GArray *listed_vcpus;                     /* RESIZE: uint32_t, those that are to be there or not; NULL: none is listed */
        bool enables_listed;
        bool is_lifecycle;   /* RESIZE: EDITS of what becomes of the guest when it ends or reboots */
        char *nodes;         /* RESIZE: the host's memory that it is to use, or NULL */
        uint64_t max_memory; /* RESIZE of the definition: bytes, or 0 */
        uint32_t max_vcpus;  /* the same: or 0 */
        bool is_words;       /* RESIZE: what people and programs say of the domain, of which the hypervisor knows nothing */
        char *metadata_uri;  /* RESIZE: whose metadata is changed, or NULL */
        xmlDoc *metadata;    /* its element, or NULL: none */

        /* Since it has begun. */
        xmlDoc *document;  /* ATTACH, UPDATE of a running guest: its document as it will be; what is chosen is written there */
        Definition *next;  /* of that document */
        Definition *known; /* which alias is meant in: that of when it began */
        Turn *turn;        /* to write the definition, while it does */
        Definition *persistent; /* as it will be; NULL: stays */
        char *path;             /* ATTACH: the device's object */
        GPtrArray *gone;        /* char *: devices that have left the guest meanwhile */
        bool storing, stored;   /* the definition is being written, has been */
} DeviceChange;

DeviceChange *device_change_new(bool live, bool config);
void device_change_free(DeviceChange *change);

/* Gives an attribute a value; puts a new element into its place, which is returned to be filled; takes an element away. */
void device_change_set(DeviceChange *change, const char *place, const char *value);
xmlNode *device_change_put(DeviceChange *change, const char *place);
void device_change_drop(DeviceChange *change, const char *place);

/* Has the edits of another one, which has none then. */
void device_change_take_edits(DeviceChange *change, DeviceChange *other);

/* Changes the parts of an element that are to be replaced. */
void device_change_apply_edits(const DeviceChange *change, xmlNode *element);
