/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/monitor-bus.h"

#include <string.h>

#include "domain/connection.h"
#include "domain/offers.h"
#include "options.h"

static bool check_up(const Domain *domain, const char *what, GError **error) {
        return domain_is_up(domain) || domain_fail(domain, error, VIRTBUS_ERROR_OPERATION_INVALID,
                                                   "it is %s; for %s it must be active", domain_state_name(domain->state), what);
}

void monitor_bus_command(Call *call, Domain *domain, const char *command, sd_bus_message *options) {
        g_autoptr(GError) error = NULL;
        bool human = false;
        const Hypervisor *hypervisor = domain->connection->hypervisor;
        if (options_read(options, &error, "human", 'b', &human, NULL) &&
            offers_check_domain(domain, HYPERVISOR_HAS(hypervisor, machine, monitor_command), "MonitorCommand", &error) &&
            check_up(domain, "MonitorCommand", &error) && (!command[0] || strlen(command) > MONITOR_COMMAND_BYTES_MAX))
                virtbus_error_set(&error, VIRTBUS_ERROR_INVALID_ARGUMENT, "the command has %zu bytes; it must have 1 to %d",
                                  strlen(command), MONITOR_COMMAND_BYTES_MAX);
        if (error)
                call_fail(call, error);
        else
                hypervisor->machine->monitor_command(domain, command, human, call);
}

void monitor_bus_measure_dirty_rate(Call *call, Domain *domain, uint32_t seconds, sd_bus_message *options) {
        g_autoptr(GError) error = NULL;
        const Hypervisor *hypervisor = domain->connection->hypervisor;
        const char *mode = "page-sampling";
        if (!options_read(options, &error, "mode", 's', &mode, NULL) ||
            !offers_check_domain(domain, HYPERVISOR_HAS(hypervisor, machine, measure_dirty_rate), "MeasureDirtyRate", &error) ||
            !check_up(domain, "MeasureDirtyRate", &error))
                call_fail(call, error);
        else if (seconds < 1 || seconds > DIRTY_RATE_SECONDS_MAX) {
                virtbus_error_set(&error, VIRTBUS_ERROR_INVALID_ARGUMENT, "seconds is %u; it must be 1 to %d", seconds,
                                  DIRTY_RATE_SECONDS_MAX);
                call_fail(call, error);
        } else
                hypervisor->machine->measure_dirty_rate(domain, seconds, mode, call);
}

void monitor_bus_open_events(Call *call, Connection *connection, sd_bus_message *options) {
        g_autoptr(GError) error = NULL;
        if (!options_read(options, &error, NULL) ||
            !offers_check(connection, HYPERVISOR_HAS(connection->hypervisor, machine, open_monitor_events), "OpenMonitorEvents",
                          &error))
                call_fail(call, error);
        else
                connection->hypervisor->machine->open_monitor_events(connection, call);
}

void monitor_bus_open_events_of(Call *call, Domain *domain, sd_bus_message *options) {
        g_autoptr(GError) error = NULL;
        const Hypervisor *hypervisor = domain->connection->hypervisor;
        if (!options_read(options, &error, NULL) ||
            !offers_check_domain(domain, HYPERVISOR_HAS(hypervisor, machine, open_monitor_events_of), "OpenMonitorEvents",
                                 &error))
                call_fail(call, error);
        else
                hypervisor->machine->open_monitor_events_of(domain, call);
}
