/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The machines of a hypervisor elsewhere: what it tells of each, and the domain that shows it. Nothing of them is ours. */

#include "domain/operation.h"
#include "esx/session.h"
#include "esx/tasks.h"
#include "esx/told-snapshots.h"

/* How many are shown: a vCenter's own maximum is 40,000, of all its hosts. */
#define MACHINES_MAX 20000

typedef struct EsxMachine {
        Esx *esx;
        VimReference reference;
        GHashTable *values;       /* property -> text */
        char *devices;            /* as lines of its configuration */
        char *question;           /* that it waits for an answer of: "ID"; or NULL */
        char *asks;               /* its words */
        char *choice;             /* the answer that it proposes */
        char *uuid;               /* of its domain; NULL: it is not shown */
        ToldSnapshots *snapshots; /* or NULL */
        bool shows_snapshots;     /* as they are told */
        bool has_changed, was_seen, is_answered, is_dropped;
} EsxMachine;

/* domain->run: a machine that is not off, or is about to be on. */
typedef struct EsxRun {
        Domain *domain;
        Operation *operation; /* at work, or NULL */
        EsxWait *wait;        /* for its task */
        VimCall *call;
        const char *expected; /* the power state that it is to have then */
        bool is_done;         /* its task has; the state is not told yet */
        bool is_ending;       /* it is destroyed */
} EsxRun;

void inventory_open(Esx *esx);
void inventory_close(Esx *esx);

/* What is told of one: its properties change, or it is gone (CHANGES is NULL). */
void inventory_update(Esx *esx, const VimReference *reference, const xmlNode *object);

/* All is about to be told anew; and all was: what was not told of is gone. */
void inventory_begin(Esx *esx);
void inventory_finish(Esx *esx);

/* Shows what has changed, and follows what that is to what is done. IS_LAST: nothing else has happened until now. */
void inventory_show(Esx *esx, bool is_last);

/* The host's list of machines that it starts is another (autostart.h). */
void inventory_show_autostart(Esx *esx);

/* That of a domain, or NULL; a property of it, "" where it is not known. */
EsxMachine *inventory_of(const Domain *domain);
const char *inventory_value(const EsxMachine *machine, const char *property);

/* It is not there any more, as we have done that: what is still told of it says nothing. */
void inventory_drop(EsxMachine *machine);

/* The session is over: what was asked of the machines will not be answered. */
void inventory_cut(Esx *esx, const GError *error);

/* It is to be shown again. */
void inventory_touch(EsxMachine *machine);

EsxRun *inventory_run(Domain *domain);
void inventory_free_run(Domain *domain);

/* Ends what is at work on one. */
void inventory_end_operation(EsxRun *run, const GError *error);

/* The properties that are followed. */
extern const char *const inventory_properties[];

#define MACHINE_ON "poweredOn"
#define MACHINE_OFF "poweredOff"
#define MACHINE_SUSPENDED "suspended"
#define MACHINE_POWER "runtime.powerState"
