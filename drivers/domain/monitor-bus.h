/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Domain.MonitorCommand. */

#include <systemd/sd-bus.h>

#include "domain/domain.h"

/* How long a command may be, in bytes. */
#define MONITOR_COMMAND_BYTES_MAX (1024 * 1024)

void monitor_bus_command(Call *call, Domain *domain, const char *command, sd_bus_message *options);
