/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the operations on a running guest's devices, memory and processors share: hotplug.c, update.c and tuning.c. */

#include "qemu/guest/guest.h"
#include "qemu/monitor/script.h"

/* What the operation at work has prepared. */
typedef struct Plugging {
        Guest *guest;
        GPtrArray *files;  /* ATTACH: while its helper is waited for */
        CommandLine *line; /* what was opened */
        guint device;      /* UPDATE: its place in the new definition */
        xmlDoc *document;  /* UPDATE: as it was, and the device's element in it */
        const xmlNode *old;
        bool changes_medium;
        struct PortChange *port; /* UPDATE: the change of a card's port that is at work, or NULL */
        bool port_has_changed;   /* UPDATE: it is as it was again where the rest fails */
        char *node;              /* the top node of the new medium, or NULL */
        bool is_finished;        /* nothing but giving back is left of it */
        unsigned last_fdset;
        guint first_socket; /* ATTACH: the place in the guest's list of the first one that was made, and one more; 0: none yet */
        void (*when_clean)(Guest *guest); /* ATTACH: goes on when nothing is left of an earlier device of its name */
        char *alias;                      /* whose detaching is waited for */
        void (*has_left)(Guest *guest);   /* what follows; NULL: what is behind it goes */
        GError *error;                    /* RESIZE: what is told when all is as it was again */
        GPtrArray *processors;            /* RESIZE: char *, that are to be taken away after that one */
} Plugging;

/* A medium that is being changed: kept in the status, for a successor of this driver. */
typedef struct Medium {
        char *alias, *drive;              /* what commands call the drive */
        char *old_node;                   /* the top node of the old one, or NULL */
        char *element;                    /* what the device's element becomes */
        unsigned first_layer, last_fdset; /* the new one's nodes begin there; its sets come after that one */
        bool is_done;                     /* the new one is in the drive */
} Medium;

/* What was behind a device that has left, or behind a medium that was taken out: being removed. */
typedef struct Cleanup {
        Guest *guest;
        char *alias, *prefix;
        Script *script;
        gint64 before_fdset; /* only the sets after this one: of a new medium */
        unsigned last_fdset; /* only those up to it: of an old medium */
        bool has_named;      /* back ends have been removed by the document: its secrets too */
        bool one_base;       /* only the nodes that are counted from first_layer */
        unsigned first_layer;
} Cleanup;

/* The operation on devices that is at work, or NULL. */
Operation *plugging_operation(const Guest *guest);

/* Begins one: NULL where the guest cannot be asked, and the operation has ended. Ends it; a device that could not be attached
 * holds nothing then. */
Plugging *plugging_begin(Operation *operation);
void plugging_finish(Guest *guest, const GError *error);

/* The highest number of QEMU's sets of descriptors: ANSWER is that of query-fdsets. */
unsigned plugging_last_fdset(JsonObject *answer);

/* Moves the commands of a line into a script. */
void plugging_take_commands(Script *script, CommandLine *line);

/* Begins to remove what is behind a device; its nodes and descriptors. */
Cleanup *cleanup_new(Guest *guest, const char *alias);
void cleanup_run(Cleanup *cleanup);

/* Whether what was behind a device of that name is being removed. */
bool cleanup_is_of(const Guest *guest, const char *alias);

/* Calls NEXT when nothing of an earlier device of that name is being removed: what is new would be removed with it. */
void plugging_when_clean(Guest *guest, const char *alias, void (*next)(Guest *guest));

/* An earlier device has gone: what waits for that is looked at again. */
void plugging_go_on(Guest *guest);

/* Waits for a device to leave, which has been asked to, within TIMEOUT microseconds. */
void plugging_await_end(Guest *guest, const char *alias, uint64_t timeout);

void medium_free(Medium *medium);

/* What an operation has prepared is freed with its guest. */
extern const GuestModule plugging_module;
