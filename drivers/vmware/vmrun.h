/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* VMware's program vmrun(1), through which Workstation, Player and Fusion are told what to do: run as a child, without a shell,
 * each time for a bounded time, and heard up to a bound. What goes wrong with a machine it says on its output: "Error: ...". */

#include <glib.h>
#include <stdbool.h>
#include <systemd/sd-event.h>

/* How long it may take, in microseconds: to list what runs; to do something; to have a guest turn itself off. */
#define VMRUN_LIST_PATIENCE (15 * UINT64_C(1000000))
#define VMRUN_PATIENCE (120 * UINT64_C(1000000))
#define VMRUN_GUEST_PATIENCE (300 * UINT64_C(1000000))

/* How much it may say: a list of a thousand machines has some hundred kilobytes. */
#define VMRUN_BYTES_MAX (1024 * 1024)

/* How many of it run at once; the others wait. */
#define VMRUN_PROCESSES_MAX 8

/* Names the program where it is in none of VMware's places, of which VMware Fusion's is one. */
#define VMRUN_VARIABLE "VIRTBUS_VMRUN"

typedef struct Vmrun Vmrun;

/* Finds the program, which nobody but root, or in a user's own driver that user, may change. ANSWER_TIMEOUT: instead of all
 * those above, in microseconds; or 0. It is looked at each time. */
Vmrun *vmrun_new(sd_event *event, const uint64_t *answer_timeout);

/* Nobody is told any more how what runs ends, which goes on. */
void vmrun_free(Vmrun *vmrun);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Vmrun, vmrun_free)

/* What it is told to be: "ws", "player" or "fusion"; NULL where it is not there, of which WHY, which may be NULL, is told. */
const char *vmrun_product(const Vmrun *vmrun, const char **why);

/* Runs it: COMMAND, the path of a machine's configuration and an option, each NULL for none. DONE is called once, with what it
 * has said, or with why that failed, at once or later. */
typedef void (*VmrunDone)(void *data, const char *said, const GError *error);
void vmrun_call(Vmrun *vmrun, const char *command, const char *path, const char *option, uint64_t patience, VmrunDone done,
                void *data);

/* What is run for DATA is ended, and DONE not called. */
void vmrun_forget(Vmrun *vmrun, const void *data);

/* Whether something runs. */
bool vmrun_is_busy(const Vmrun *vmrun);

/* Reads "Total running VMs: N" and the N paths below it; NULL with HypervisorFailed where it is anything else. */
GHashTable *vmrun_parse_list(const char *said, GError **error);
