/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A kind of object that belongs to this machine and not to a hypervisor: what its verb and the verbs of others have in common.
 * Its objects are below the connection /org/virtbus1/host, one of whose interfaces makes and finds them. */

#include "ctl.h"

#define HOST_PATH "/org/virtbus1/host"

typedef struct HostKind HostKind;

typedef struct HostCommand {
        const char *name;
        unsigned min, max; /* arguments */
        const char *arguments;
        int (*run)(Ctl *ctl, const HostKind *kind, char **arguments);
} HostCommand;

struct HostKind {
        const char *noun;                   /* of its verb: "secret" */
        const char *interface, *collection; /* of an object; of the connection */
        const char *define;                 /* the method of the latter that makes one */
        /* The path of what a person names; NULL when it has been said why not, with *STATUS. */
        char *(*find)(Ctl *ctl, const HostKind *kind, const char *text, int *status);
        const HostCommand *commands; /* ends with one without a name; the one called "list" is meant where none is named */
};

extern const HostKind host_kind_filter, host_kind_interface, host_kind_network, host_kind_secret;

/* Runs the command that is the first of the arguments. */
int host_kind_run(Ctl *ctl, const HostKind *kind, char **arguments);

/* The names of its commands, NULL at the end; to be freed with their array. */
char **host_kind_commands(const HostKind *kind);

/* The path that a call of the connection answers; NULL when it has been said why not, with *STATUS. FILE: what the argument comes
 * from, or NULL. */
char *host_kind_ask(Ctl *ctl, const HostKind *kind, const char *method, GVariant *arguments, const char *file, int *status);

/* What a method of the connection answers about the document in a file, which is its first argument; REST, the others, a tuple,
 * is taken. NULL with an error that names the file. */
GVariant *host_kind_ask_of_file(Ctl *ctl, const HostKind *kind, const char *method, const char *path, GVariant *rest,
                                GError **error);

/* A string property of all that may be read, NULL at the end. */
char **host_kind_names(Ctl *ctl, const HostKind *kind, const char *property);

/* Prints a table of all that may be read, a row of which ADD_ROW adds. */
int host_kind_list(Ctl *ctl, const HostKind *kind, const char *const *headings, CtlEachObject add_row);

/* The commands that all kinds have. */
int host_kind_show(Ctl *ctl, const HostKind *kind, char **arguments);
int host_kind_define(Ctl *ctl, const HostKind *kind, char **arguments);
int host_kind_undefine(Ctl *ctl, const HostKind *kind, char **arguments);

/* Calls a method that has no arguments but options, of each that is named. */
int host_kind_each(Ctl *ctl, const HostKind *kind, const char *method, char **arguments);

/* Gives a secret its value. */
bool secret_send_value(Ctl *ctl, const char *path, const char *value, size_t size, GError **error);

/* A property that is true or false, as a cell of a table. */
char *host_kind_yes_or_no(GVariant *properties, const char *name);
