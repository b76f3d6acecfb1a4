/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/operations/dump.h"

#include "bus.h"
#include "domain/connection.h"
#include "vtables.h"

typedef struct Dump {
        Operation operation;
        int fd;
} Dump;

Operation *dump_new(Call *call, int fd) {
        Operation *operation = operation_new(&dump_class, call);
        ((Dump *) operation)->fd = fd;
        return operation;
}

int dump_fd(const Operation *operation) {
        return ((const Dump *) operation)->fd;
}

static void cancel(Job *job, void *data) {
        Operation *operation = data;
        (void) job;
        operation->domain->connection->hypervisor->dumping->cancel_dump(operation);
}

static bool has_dump(const Hypervisor *hypervisor) {
        return HYPERVISOR_HAS(hypervisor, dumping, dump);
}

static void dump_begin(Operation *operation) {
        const Domain *domain = operation->domain;
        const Hypervisor *hypervisor = domain->connection->hypervisor;
        operation->job = job_new(domain->connection->objects, domain->connection->name, "dump", published_path(domain->published),
                                 operation->call->uid, HYPERVISOR_HAS(hypervisor, dumping, cancel_dump) ? cancel : NULL,
                                 operation);
        reply_domain_dump(g_steal_pointer(&operation->call), job_path(operation->job));
        hypervisor->dumping->dump(operation);
}

static void dump_free(Operation *operation) {
        autofd_close(&((Dump *) operation)->fd);
}

const OperationClass dump_class = {
        .name = "Dump",
        .states = IN_ACTIVE,
        .needs = "be active",
        .size = sizeof(Dump),
        .is_offered = has_dump,
        .begin = dump_begin,
        .free = dump_free,
};
