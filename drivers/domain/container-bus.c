/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/container-bus.h"

#include <signal.h>
#include <string.h>

#include "domain/operations/enter.h"
#include "options.h"
#include "vtables.h"

DOMAIN_CONTAINER_VTABLE(Domain, bus);

const Vtable *container_bus_vtable(void) {
        return &bus_vtable;
}

static void bus_open_namespaces(Call *call, Domain *self, sd_bus_message *options) {
        g_autoptr(GError) error = NULL;
        if (options_read(options, &error, NULL))
                domain_operate(self, enter_namespaces_new(call));
        else
                call_fail(call, error);
}

static void bus_send_signal(Call *call, Domain *self, int64_t process, int32_t number, sd_bus_message *options) {
        g_autoptr(GError) error = NULL;
        if (!options_read(options, &error, NULL))
                ;
        else if (number < 1 || number > SIGRTMAX)
                virtbus_error_set(&error, VIRTBUS_ERROR_INVALID_ARGUMENT, "%d is not a signal: these are 1 to %d", number,
                                  SIGRTMAX);
        else if (process == 0 || process < -G_MAXINT32 || process > G_MAXINT32)
                virtbus_error_set(&error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                  "%" G_GINT64_FORMAT " is neither a process, 1 for the first, nor below 0 a group of them",
                                  process);
        if (error)
                call_fail(call, error);
        else
                domain_operate(self, enter_signal_new(call, process, number));
}

static bool check_program(const ContainerProgram *program, GError **error) {
        if (!program->command || !program->command[0] || !program->command[0][0])
                return virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT, "the command has no program: name one");
        if (g_strv_length(program->command) > CONTAINER_ARGUMENTS_MAX ||
            (program->environment && g_strv_length(program->environment) > CONTAINER_ARGUMENTS_MAX))
                return virtbus_error_set(error, VIRTBUS_ERROR_LIMIT_EXCEEDED,
                                         "a program gets at most %d arguments, and variables", CONTAINER_ARGUMENTS_MAX);
        for (size_t i = 0; program->environment && program->environment[i]; i++)
                if (strchr(program->environment[i], '=') <= program->environment[i])
                        return virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT, "the variable '%.64s' is not NAME=VALUE",
                                                 program->environment[i]);
        if (program->user && !*program->user)
                return virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                         "the option user is empty; leave it out for root");
        return !program->directory || path_check(program->directory, error);
}

static void bus_exec(Call *call, Domain *self, sd_bus_message *arguments) {
        g_autoptr(GError) error = NULL;
        ContainerProgram program = { 0 };
        const char *user = NULL, *directory = NULL;
        int r = sd_bus_message_read_strv(arguments, &program.command);
        if (r >= 0)
                r = sd_bus_message_read_strv(arguments, &program.environment);
        bool fine = r >= 0 && options_read(arguments, &error, "terminal", 'b', &program.has_terminal, "user", 's', &user,
                                           "directory", 's', &directory, NULL);
        program.user = g_strdup(user);
        program.directory = g_strdup(directory);
        if (fine && check_program(&program, &error)) {
                domain_operate(self, enter_exec_new(call, &program));
                return;
        }
        enter_program_clear(&program);
        if (r < 0)
                call_fail_errno(call, r);
        else
                call_fail(call, error);
}
