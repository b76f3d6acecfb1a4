/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain-command.h"

#include <string.h>

char **domain_command_names(const DomainCommands *commands) {
        g_autoptr(GStrvBuilder) names = g_strv_builder_new();
        for (const DomainCommand *command = commands->commands; command->name; command++)
                g_strv_builder_add(names, command->name);
        return g_strv_builder_end(names);
}

const DomainCommand *domain_command_find(const DomainCommands *commands, char **arguments) {
        const DomainCommand *command = commands->commands;
        guint n = g_strv_length(arguments);
        while (command->name && strcmp(command->name, arguments[0]) != 0)
                command++;
        if (!command->name) {
                g_auto(GStrv) names = domain_command_names(commands);
                g_autofree char *known = g_strjoinv(", ", names), *hint = suggestion(arguments[0], (const char *const *) names);
                ctl_say("'%s' is not a command of %s: %s%s", arguments[0], commands->verb, known, hint);
                return NULL;
        }
        const guint before = 1 + commands->n_target;
        if (n >= before + command->min && n <= before + command->max)
                return command;
        ctl_say("%s %s needs: %s%s", commands->verb, command->name, commands->target, command->arguments);
        return NULL;
}

bool domain_command_options(const CommandSwitch *switches, size_t n, const char *const *known, GVariantDict *options,
                            GError **error) {
        for (size_t i = 0; i < n; i++)
                if (switches[i].given && !g_strv_contains(known, switches[i].name)) {
                        ctl_invalid(error, "--%s is not of this command", switches[i].name);
                        return false;
                }
        g_variant_dict_init(options, NULL);
        for (size_t i = 0; i < n; i++)
                if (switches[i].given && switches[i].option)
                        g_variant_dict_insert(options, switches[i].option, "b", TRUE);
        return true;
}

int domain_command_run(const DomainCommands *commands, Ctl *ctl, char **arguments) {
        int status = EXIT_USAGE;
        const DomainCommand *command = domain_command_find(commands, arguments);
        g_autoptr(VirtbusDomain) domain = command ? ctl_find(ctl, arguments[1], &status) : NULL;
        return domain ? command->run(&(CommandTarget){ ctl, ctl_path(domain), arguments[1] }, arguments + 2) : status;
}

char *domain_command_job(const CommandTarget *target, const char *interface, const char *property, const char *none,
                         int *status) {
        g_autoptr(GError) error = NULL;
        g_autoptr(GVariant) properties = ctl_properties(target->ctl, target->path, interface, &error);
        const char *job = "/";
        if (properties)
                g_variant_lookup(properties, property, "&o", &job);
        if (properties && strcmp(job, "/") == 0)
                ctl_invalid(&error, none, target->name);
        if (!error)
                return g_strdup(job);
        *status = ctl_fail(g_steal_pointer(&error));
        return NULL;
}
