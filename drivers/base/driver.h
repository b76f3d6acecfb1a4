/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A driver as a program: it owns its name on the bus, gives virtbusd its peer connection, and ends when it has nothing to
 * do. The contract is introspection/org.virtbus1.Driver.xml. What its objects are, its kind knows. */

#include <stdbool.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#include "base/objects.h"

/* How long a driver without anything to do waits before it says so, in microseconds, if --idle-timeout says nothing else. */
#define IDLE_TIMEOUT (60 * UINT64_C(1000000))

/* What a kind is opened with. Event and objects are there until it is closed; the rest while OPEN runs. */
typedef struct DriverSetup {
        sd_event *event;
        Objects *objects;
        const char *state, *runtime, *log; /* its folders */
        uint64_t answer_timeout;           /* --answer-timeout, in microseconds; 0: the kind's own */
        void (*idle)(void *data); /* to be called when something has ended, so that it is seen whether anything is left */
        void *idle_data;
        /* Has virtbusd keep a descriptor of sealed memory, which is taken, for the driver's next start; -1: no more. */
        void (*keep)(void *data, const char *name, int fd);
        void *keep_data;
} DriverSetup;

typedef struct DriverKind {
        const char *name;     /* of its folders: "qemu" */
        const char *bus_name; /* "org.virtbus1.Driver.QEMU" */
        const void *data;     /* for OPEN */
        /* Publishes what there is, and returns what the other functions get. */
        void *(*open)(const void *data, const DriverSetup *setup, GError **error);
        /* Where the kind opens connections by URI: NULL at the end; or NULL. Of such a URI, a call of Manager.OpenConnection
         * is owed its path; what OPTIONS holds besides is not to be logged, shown or said. */
        const char *const *schemes;
        void (*open_connection)(void *self, Call *call, const char *uri, sd_bus_message *options);
        /* What its predecessor had kept, one by one, before virtbusd knows any object; false: it is of no use. Or NULL. */
        bool (*restore)(void *self, const char *name, int fd);
        void (*serve)(void *self, sd_bus *bus); /* the bus is there, where other services are asked; or NULL */
        void (*resume)(void *self);             /* once, when virtbusd knows all objects; or NULL */
        bool (*is_busy)(const void *self);      /* it has something to do, or to hold */
        void (*cancel)(void *self);             /* nothing begins any more; who waits is told that it is Cancelled */
        void (*close)(void *self);
} DriverKind;

/* Runs a driver until it has nothing to do, or is told to end. Returns the program's exit status. */
int driver_main(const DriverKind *kind, int argc, char *argv[]);
