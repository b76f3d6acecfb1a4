/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A guest's process: started with nothing but what it is given, watched by a pidfd whether it is our child or an earlier
 * driver's, and ended without a fixed wait. */

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <systemd/sd-event.h>

#include "base/confine.h"

/* How long a process may take to end by itself when it is told to, before it is killed, in microseconds. */
#define PROCESS_END_GRACE (5 * UINT64_C(1000000))

typedef struct Process Process;

/* ENDED is called once, when the process is gone; STATUS is that of waitpid(2), or -1 where it was not our child. */
typedef void (*ProcessEnded)(void *data, int status);

typedef struct ProcessSetup {
        char *const *arguments;
        char *const *environment; /* besides what every program here gets; NULL at the end, or NULL */
        const int *fds;           /* passed under their own numbers */
        size_t n_fds;
        int log;           /* its stdout and stderr */
        int input, output; /* its stdin and stdout, or 0: nothing, and the log */
        uid_t uid;
        gid_t gid; /* of a driver that runs as root: what it becomes */
        const gid_t *groups;
        size_t n_groups;
        uint64_t capabilities;          /* which of root's it keeps when it gives up the rest: a set of 1 << CAP_... */
        uint64_t locked_memory;         /* how much it may keep from being swapped out, in bytes; 0: what we may */
        uint64_t file_size;             /* how large a file it may write, in bytes; 0: what we may */
        uint64_t seconds;               /* how long it may use a processor; 0: what we may */
        bool may_gain_privileges;       /* by files that run as another user: what it runs is not ours to choose */
        bool ends_with_us;              /* it is killed where this program ends, as nobody would tell it to end then */
        const Confinement *confinement; /* what else it is kept from; or NULL */
        const char *profile;            /* of AppArmor's, in which the program runs; or NULL */
        bool confined;                  /* opens nothing for writing, looks into no other process, and leaves no core */
} ProcessSetup;

/* Forks a process that waits: it runs its program when process_go is called, and ends if this program ends before. */
Process *process_new(sd_event *event, const ProcessSetup *setup, ProcessEnded ended, void *data, GError **error);

/* Lets a new process run its program. Where that cannot be run, it says why in its log and ends. */
void process_go(Process *process);

/* Both at once. */
Process *process_run(sd_event *event, const ProcessSetup *setup, ProcessEnded ended, void *data, GError **error);

/* Finds a process of an earlier driver again, by its number and start time. */
Process *process_find(sd_event *event, pid_t pid, uint64_t start_time, ProcessEnded ended, void *data, GError **error);

/* Whether it runs now: what process_find would find, for those who only want to know. */
bool process_is_there(pid_t pid, uint64_t start_time);

/* Sends a signal to it alone. */
void process_signal(const Process *process, int number);

/* Tells it to end, and kills it after the grace. */
void process_end(Process *process);

/* Stops watching it; it runs on. */
void process_free(Process *process);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Process, process_free)

pid_t process_pid(const Process *process);

/* Another pidfd of it, to be closed by the caller; -1 with errno. */
int process_open(const Process *process);

/* When it was started, in clock ticks since the machine's start: with the number it names a process for good. */
uint64_t process_start_time(const Process *process);
