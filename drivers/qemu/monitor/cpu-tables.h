/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The processor models of the QEMU binaries that are known (capabilities.h), without and with KVM. They are asked for when
 * somebody needs them, and kept as long as this driver runs: what the host's processor has is another thing on another
 * machine. */

#include "qemu/monitor/capabilities.h"
#include "qemu/monitor/cpu-models.h"
#include "qemu/monitor/interview.h"

/* How many binaries' are kept. */
#define CPU_TABLES_MAX 16

typedef struct CpuTables CpuTables;

/* INTERVIEWS stay while the tables do. */
CpuTables *cpu_tables_new(Interviews *interviews);

/* Those who wait are told. */
void cpu_tables_free(CpuTables *tables);

/* What is known of a binary's models; NULL: nothing. Borrowed until the loop goes on. */
const CpuModels *cpu_tables_find(const CpuTables *tables, const Capabilities *capabilities, bool kvm);

/* Asks a binary, unless that has been done, or it is of an architecture whose models are not told so. True where all is known
 * that can be; else DONE is called once it is. */
bool cpu_tables_learn(CpuTables *tables, const Capabilities *capabilities, void (*done)(void *data), void *data);

/* Drops the calls that are to be made with DATA. */
void cpu_tables_forget(CpuTables *tables, const void *data);
