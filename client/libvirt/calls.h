/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The procedures that are served: tables of rows, by subject. To serve another one, add its row, and the function where none of
 * rows.h does. */

#include "call.h"

/* What serves a procedure; NULL for none. */
const CallRow *calls_find(const Procedure *procedure);

/* Each ends with a row without RUN. */
extern const CallRow connect_calls[], container_calls[], address_calls[], backup_calls[], block_calls[], cpu_calls[],
                measure_calls[], monitor_calls[], list_calls[], domain_calls[], device_calls[], dump_calls[], event_calls[],
                inside_calls[], limit_calls[], guest_calls[], host_calls[], filter_calls[], binding_calls[], interface_calls[],
                job_calls[], memory_calls[], sysinfo_calls[], key_calls[], network_calls[], secret_calls[], save_calls[],
                peek_calls[], port_calls[], record_calls[], snapshot_calls[], stats_calls[], stream_calls[], tune_calls[],
                vcpu_calls[];
