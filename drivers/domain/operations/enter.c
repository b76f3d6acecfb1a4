/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/operations/enter.h"

#include "domain/connection.h"

typedef struct EnterOperation {
        Operation operation;
        ContainerProgram program;
        int64_t process;
        int number;
} EnterOperation;

void enter_program_clear(ContainerProgram *program) {
        g_strfreev(program->command);
        g_strfreev(program->environment);
        g_free(program->user);
        g_free(program->directory);
}

static void enter_free(Operation *operation) {
        enter_program_clear(&((EnterOperation *) operation)->program);
}

/* The hypervisor answers the call, some time. */
static void begin(Operation *operation) {
        const EnterOperation *self = (EnterOperation *) operation;
        const HypervisorContainers *containers = operation->domain->connection->hypervisor->containers;
        Call *call = g_steal_pointer(&operation->call);
        if (self->program.command)
                containers->run(operation->domain, &self->program, call);
        else if (self->number > 0)
                containers->send_signal(operation->domain, self->process, self->number, call);
        else
                containers->open_namespaces(operation->domain, call);
        operation_finish(operation, NULL);
}

static const OperationClass exec_class = {
        .name = "Exec",
        .states = IN(DOMAIN_RUNNING),
        .needs = "be running",
        .size = sizeof(EnterOperation),
        .begin = begin,
        .free = enter_free,
};

static const OperationClass signal_class = {
        .name = "SendSignal",
        .states = IN(DOMAIN_RUNNING),
        .needs = "be running",
        .size = sizeof(EnterOperation),
        .begin = begin,
        .free = enter_free,
};

static const OperationClass namespaces_class = {
        .name = "OpenNamespaces",
        .states = IN_ACTIVE,
        .needs = "be active",
        .size = sizeof(EnterOperation),
        .begin = begin,
        .free = enter_free,
};

Operation *enter_exec_new(Call *call, const ContainerProgram *program) {
        Operation *operation = operation_new(&exec_class, call);
        ((EnterOperation *) operation)->program = *program;
        return operation;
}

Operation *enter_signal_new(Call *call, int64_t process, int number) {
        Operation *operation = operation_new(&signal_class, call);
        ((EnterOperation *) operation)->process = process;
        ((EnterOperation *) operation)->number = number;
        return operation;
}

Operation *enter_namespaces_new(Call *call) {
        return operation_new(&namespaces_class, call);
}
