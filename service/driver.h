/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A driver, as those modules know it that find it, forward calls to it (forward.h) and take what it says; others use
 * drivers.h. */

#include "drivers.h"

typedef enum DriverState {
        DRIVER_NEW,           /* not attached yet */
        DRIVER_ATTACHING,     /* Attach is called */
        DRIVER_SYNCHRONIZING, /* its objects are coming */
        DRIVER_ATTACHED,
        DRIVER_RELEASING, /* it is asked whether it ends now */
        DRIVER_DORMANT,   /* it has ended, having nothing to do */
        DRIVER_LOST,      /* its connection ended before its name left the bus */
        DRIVER_FAILED,
} DriverState;

struct Driver {
        Drivers *drivers;
        char *bus_name;         /* org.virtbus1.Driver.QEMU */
        char *name;             /* qemu */
        bool is_of_host;        /* it owns kinds of the connection "host", which it shares */
        const char *connection; /* its own, of its name; or "host" */
        char *path;             /* /org/virtbus1/qemu */
        char *opened_prefix;    /* /org/virtbus1/qemu_, of further connections */
        char *job_prefix;       /* /org/virtbus1/job/qemu_ */
        bool told_part;         /* of the shared connection's object, since it was attached */
        DriverState state;
        bool settled;           /* attached, or failed, since it was new or was tried again */
        bool owned;             /* the name has an owner on the bus */
        char *owner, *attached; /* that owner, where it has come since we listen; and the one that gave us its connection */
        bool dying;             /* the connection has ended, the name has not left the bus yet */
        bool ending;            /* it has said that it ends, and does nothing of what it is sent */
        char *failure;
        unsigned n_failures; /* since it last answered a call, or ran for DRIVER_STABLE_AFTER: to be attached is not enough */
        uint64_t retry_at;   /* while it has failed: when it may be tried again */
        sd_event_source *leaving; /* how long its name may stay without it */
        sd_bus *peer;
        sd_bus_slot *attaching;   /* the call of Attach */
        sd_event_source *silence; /* while it sends its objects: how long it may say nothing */
        bool heard;
        bool paused; /* nothing is read from it until the bus has taken what was read */
        uint64_t attached_at;
        GStrv schemes;    /* of URIs that it opens connections for; or NULL */
        GHashTable *kept; /* name -> descriptor: what it gets again when it is restarted; or NULL */
        GQueue calls;     /* struct Call, forwarded or waiting to be */
        size_t call_bytes;
        unsigned n_errands; /* its own calls of other drivers */
        size_t unread;      /* what it was answered since it had last read all */
        unsigned n_refused; /* its signals, since it was attached */
};

struct Drivers {
        Audience *audience; /* who hear the drivers' signals */
        Journal *journal;
        sd_bus *bus;
        Mirror *mirror;
        uint64_t call_timeout;
        void (*wanted)(Driver *driver); /* a call waits for it: it is woken, or tried again where that is due */
        void (*changed)(void *data);
        void *data;
        GHashTable *by_name;
        GQueue waiters;           /* struct Waiter */
        unsigned n_lists;         /* of the bus's names, that are asked for */
        sd_event_source *drained; /* while a driver is paused: after each event, whether it can go on; or NULL */
        DriversCall take_call;    /* of what drivers call */
        void *take_data;
        bool ending; /* nothing is attached any more */
};

/* As Manager.Drivers shows it. */
const char *driver_state_name(DriverState state);

/* The event loop's time, in microseconds. */
uint64_t drivers_now(Drivers *drivers);

/* Why one that has failed is not asked; to be freed. */
char *driver_failure_text(const Driver *driver);

/* True where an answer about a path depends on a driver; where it is the object that drivers share; where it may say something
 * of an object's interface. */
bool driver_owns_path(const Driver *driver, const char *path);
bool driver_shares_path(const Driver *driver, const char *path);
bool driver_may_tell(const Driver *driver, const Object *object, const InterfaceInfo *interface);
