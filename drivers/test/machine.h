/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A machine of the test hypervisor: memory and timers. domain->run, while there is one. */

#include "base/stream.h"
#include "domain/agent/guest-object.h"
#include "domain/hypervisor.h"
#include "test/guest-agent.h"
#include "test/laboratory.h"

typedef struct Machine {
        Domain *domain;
        Operation *operation; /* that the timer ends */
        TestOperation kind;
        sd_event_source *timer;
        sd_event_source *ending;  /* of Destroy */
        sd_event_source *telling; /* its statistics */
        Backup *backup;           /* of it; or NULL */
        sd_event_source *copying; /* its end, by itself */
        unsigned steps;           /* of its memory that are written */
        Stream *console;
        sd_event_source *echo; /* the machine's end of the console */
        GuestAgent *agent;     /* where the machine has a channel for one */
        GuestObject *object;
} Machine;

/* Frees that of a domain, if it has one. */
void machine_free(Domain *domain);

/* What Hypervisor asks of each. */
void machine_start(Operation *operation);
void machine_reattach(Operation *operation, xmlNode *saved);
void machine_destroy(Domain *domain);
void machine_save(const Domain *domain, xmlNode *saved);

/* What it can do else, each group in a file of its own. */
extern const HypervisorPower machine_power;
extern const HypervisorDevices machine_devices;
extern const HypervisorDumping machine_dumping;
extern const HypervisorSaving machine_saving;
extern const HypervisorSnapshots machine_snapshots;
extern const HypervisorCheckpoints machine_checkpoints;
extern const HypervisorBackups machine_backups;
extern const HypervisorConsoles machine_consoles;
extern const HypervisorMachine machine_access;
extern const HypervisorStatistics machine_statistics;

/* Ends an operation after the time, and with the failure, that are set for its kind. */
void machine_operate(Operation *operation, TestOperation kind);

/* The end of what is at work, which may be its failure. */
void machine_end_operation(Machine *machine, const GError *error);

/* Has HANDLER called once, with the machine, after a delay in microseconds; one that *SOURCE was is forgotten. */
int machine_add_timer(Domain *domain, sd_event_source **source, uint64_t delay, sd_event_time_handler_t handler);

/* Ends its backup, if there is one: ERROR as backup_end. */
void machine_end_backup(Machine *machine, const GError *error);

/* Its processors run, or not: its agent has opened its channel as soon as they have run once. */
void machine_set_running(Machine *machine, bool running);

/* Shuts the console that somebody has open. */
void machine_close_console(Machine *machine);
