/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The verbs whose first argument is a command, and whose second a domain: snapshot, disk. */

#include "ctl.h"

/* What a command is about. */
typedef struct CommandTarget {
        Ctl *ctl;
        const char *path; /* of the domain, or of what of it is named */
        const char *name; /* as it was named */
} CommandTarget;

typedef struct DomainCommand {
        const char *name;
        guint min, max;        /* arguments after the target */
        const char *arguments; /* of these, for a message: " [BASE]" */
        int (*run)(const CommandTarget *target, char **arguments);
} DomainCommand;

typedef struct DomainCommands {
        const char *verb, *target;     /* the target's arguments: "DOMAIN DISK" */
        guint n_target;                /* how many these are */
        const DomainCommand *commands; /* the last one has no name */
} DomainCommands;

/* The names of its commands; to be freed. */
char **domain_command_names(const DomainCommands *commands);

/* The one that is the first argument, if the others are as many as it takes; NULL when it has been said why not. */
const DomainCommand *domain_command_find(const DomainCommands *commands, char **arguments);

/* An option of the command line that is an option of a method, true where it is given; or, without one, what the command itself
 * reads. */
typedef struct CommandSwitch {
        const char *name, *option;
        gboolean given;
} CommandSwitch;

/* Begins OPTIONS with those that are given; fails where one of them is not in KNOWN. */
bool domain_command_options(const CommandSwitch *switches, size_t n, const char *const *known, GVariantDict *options,
                            GError **error);

/* Runs the one that ARGUMENTS name, of the domain that they name; the exit status. */
int domain_command_run(const DomainCommands *commands, Ctl *ctl, char **arguments);

/* The path of the job that a property of the target says; NULL, and the exit status, when it has been said, by NONE with the
 * target's name, that there is none. */
char *domain_command_job(const CommandTarget *target, const char *interface, const char *property, const char *none, int *status)
                G_GNUC_FORMAT(4);
