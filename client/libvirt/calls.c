/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "calls.h"

static const CallRow *const tables[] = { connect_calls, address_calls, list_calls,      domain_calls,  device_calls,
                                         event_calls,   dump_calls,    guest_calls,     inside_calls,  limit_calls,
                                         host_calls,    memory_calls,  sysinfo_calls,   job_calls,     key_calls,
                                         save_calls,    port_calls,    peek_calls,      record_calls,  network_calls,
                                         filter_calls,  binding_calls, interface_calls, secret_calls,  stats_calls,
                                         stream_calls,  tune_calls,    vcpu_calls,      block_calls,   snapshot_calls,
                                         backup_calls,  cpu_calls,     monitor_calls,   measure_calls, container_calls };

const CallRow *calls_find(const Procedure *procedure) {
        static const CallRow *rows[N_PROCEDURES];
        static bool is_filled;
        for (size_t i = 0; !is_filled && i < G_N_ELEMENTS(tables); i++)
                for (const CallRow *row = tables[i]; row->run; row++)
                        rows[row->procedure] = row;
        is_filled = true;
        return rows[procedure - procedures];
}
