/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Domain.MonitorCommand, MeasureDirtyRate and OpenMonitorEvents, and that of a connection. */

#include <systemd/sd-bus.h>

#include "domain/domain.h"

/* How long a command may be, in bytes. */
#define MONITOR_COMMAND_BYTES_MAX (1024 * 1024)

/* For how long a guest may be watched, in seconds. */
#define DIRTY_RATE_SECONDS_MAX 60

void monitor_bus_command(Call *call, Domain *domain, const char *command, sd_bus_message *options);
void monitor_bus_measure_dirty_rate(Call *call, Domain *domain, uint32_t seconds, sd_bus_message *options);
void monitor_bus_open_events(Call *call, Connection *connection, sd_bus_message *options);
void monitor_bus_open_events_of(Call *call, Domain *domain, sd_bus_message *options);
