/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/guest/power.h"

#include "domain/operation.h"
#include "domain/operations/power.h"
#include "qemu/guest/guest-tpm.h"
#include "qemu/monitor/script.h"

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

static void on_reset_done(void *data, const GError *error) {
        const Guest *guest = data;
        if (operation_is(guest->domain->operation, &reset_class))
                operation_finish(guest->domain->operation, error);
}

/* One that stands still by itself is made to go on, which to QEMU is another thing than that it is reset: a reset of one that
 * sleeps would leave it asleep for ever. A guest that a user has paused stays so. */
void power_reset(Operation *operation) {
        const Domain *domain = operation->domain;
        g_autoptr(GError) error = NULL;
        if (!guest_has_monitor(domain, &error) || !guest_tpm_check_reset(domain->run, &error)) {
                operation_finish(operation, error);
                return;
        }
        Script *script = guest_script_new(domain->run);
        if (domain->state == DOMAIN_PMSUSPENDED)
                script_add_command(script, "system_wakeup", NULL);
        script_add_command(script, "system_reset", NULL);
        if (domain->state == DOMAIN_CRASHED)
                script_add_command(script, "cont", NULL);
        script_run(script, on_reset_done, domain->run);
}
