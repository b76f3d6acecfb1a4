/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/guest/power.h"

#include "domain/operation.h"

static void on_command_done(void *data, JsonObject *answer, const GError *error) {
        Operation *operation = data;
        (void) answer;
        operation_finish(operation, error);
}

/* Does what one monitor command does. */
static void simple_command(Operation *operation, const char *name) {
        const Guest *guest = operation->domain->run;
        g_autoptr(GError) error = NULL;
        if (guest_has_monitor(operation->domain, &error))
                monitor_command(guest->monitor, name, NULL, -1, on_command_done, operation);
        else
                operation_finish(operation, error);
}

void power_suspend(Operation *operation) {
        simple_command(operation, "stop");
}

void power_resume(Operation *operation) {
        simple_command(operation, "cont");
}

void power_shut_down(Operation *operation) {
        simple_command(operation, "system_powerdown");
}

void power_reset(Operation *operation) {
        simple_command(operation, "system_reset");
}
