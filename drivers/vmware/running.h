/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What runs: as "vmrun list" says, whoever has started it. That is the truth: where vmrun says that it has done something, and
 * the list does not show it, it was not done. That a machine is paused is in no list: it is remembered. */

#include "vmware/vmware.h"

/* domain->run: a machine that runs, or is about to. */
typedef struct Running {
        Domain *domain;
        char *path;
        Operation *operation;                                                  /* at work, or NULL */
        void (*done)(struct Running *running, bool runs, const GError *error); /* of that, when the list is known too */
        GError *error;                                                         /* of its program, until then */
        bool is_done;                                                          /* its program has ended: the next list ends it */
        bool is_ending;                                                        /* it is destroyed; */
        bool ends_again;                                                       /* which has failed */
} Running;

Running *running_new(Domain *domain, const char *path);
void running_free(Domain *domain);

/* Runs vmrun for an operation of its domain; DONE is called when that has ended, and the list was read after that. RUNS: it is
 * in the list, or, where that is not to be had, it is so as vmrun says. */
void running_operate(Running *running, Operation *operation, const char *command, const char *option, uint64_t patience,
                     void (*done)(Running *running, bool runs, const GError *error));

/* The same without a program: DONE is called with what the list says. */
void running_find(Running *running, Operation *operation, void (*done)(Running *running, bool runs, const GError *error));

/* Ends it at once, again where that has failed, until it is gone. */
void running_end(Running *running);

/* Reads the list, and acts on it. */
void running_look(Vmware *vmware);
