/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* HACKING.md's driver, the least there can be: its machines do nothing, and are on or off. And its method, Greet. */

#include "domain/domain-driver.h"
#include "domain/domain-run.h"
#include "domain/domain-status.h"
#include "domain/operation.h"
#include "vtables.h"

#define GREETED_BYTES_MAX 64

TEST_GREETER_VTABLE(Connection, greeter);

static void greeter_greet(Call *call, Connection *self, const char *name) {
        (void) self;
        g_autoptr(GError) error = NULL;
        if (!*name || strlen(name) > GREETED_BYTES_MAX) {
                virtbus_error_set(&error, VIRTBUS_ERROR_INVALID_ARGUMENT, "Greet: a name has from 1 to %d bytes",
                                  GREETED_BYTES_MAX);
                call_fail(call, error);
                return;
        }
        g_autofree char *greeting = g_strdup_printf("Good day, %s.", name);
        reply_test_greeter_greet(call, greeting);
}

/* What runs of a domain: domain->run. */
typedef struct Machine {
        Domain *domain;
} Machine;

static void release(Domain *domain) {
        g_free(g_steal_pointer(&domain->run));
}

static void start(Operation *operation) {
        Machine *machine = g_new0(Machine, 1);
        machine->domain = operation->domain;
        operation->domain->run = machine;
        operation_finish(operation, NULL);
}

/* A machine that lives through its driver's death would be found again here. */
static void reattach(Operation *operation, xmlNode *saved) {
        (void) saved;
        start(operation);
}

static void destroy(Domain *domain) {
        release(domain);
        domain_stopped(domain, REASON_DESTROYED, NULL);
}

static void save(const Domain *domain, xmlNode *saved) {
        (void) domain;
        (void) saved;
}

static const Hypervisor example = {
        .connection = "example",
        .bus_name = "org.virtbus1.Driver.Example",
        .extra = &greeter_vtable,
        .start = start,
        .reattach = reattach,
        .destroy = destroy,
        .release = release,
        .save = save,
};

int main(int argc, char *argv[]) {
        return domain_driver_main(&example, argc, argv);
}
