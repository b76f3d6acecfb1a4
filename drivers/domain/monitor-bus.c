/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/monitor-bus.h"

#include <string.h>

#include "domain/connection.h"
#include "domain/offers.h"
#include "options.h"

void monitor_bus_command(Call *call, Domain *domain, const char *command, sd_bus_message *options) {
        g_autoptr(GError) error = NULL;
        bool human = false;
        const Hypervisor *hypervisor = domain->connection->hypervisor;
        if (!options_read(options, &error, "human", 'b', &human, NULL) ||
            !offers_check_domain(domain, HYPERVISOR_HAS(hypervisor, machine, monitor_command), "MonitorCommand", &error))
                ;
        else if (!domain_is_up(domain))
                domain_fail(domain, &error, VIRTBUS_ERROR_OPERATION_INVALID, "it is %s; for MonitorCommand it must be active",
                            domain_state_name(domain->state));
        else if (!command[0] || strlen(command) > MONITOR_COMMAND_BYTES_MAX)
                virtbus_error_set(&error, VIRTBUS_ERROR_INVALID_ARGUMENT, "the command has %zu bytes; it must have 1 to %d",
                                  strlen(command), MONITOR_COMMAND_BYTES_MAX);
        if (error)
                call_fail(call, error);
        else
                hypervisor->machine->monitor_command(domain, command, human, call);
}
