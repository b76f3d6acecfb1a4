/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A complete domain document (hardware.h) as a command line for QEMU 7.2 or later. One function for each kind of device makes
 * its JSON; what this driver does not know is refused by name, never left out.
 *
 * It is made in two steps, as opening files may hang: files_plan lists the files, a worker opens them by files_open,
 * command_line_build makes the arguments. Without opened files it only checks the document: all that a start refuses, save for
 * what the host lacks, is refused then too. */

#include "base/json.h"
#include "domain/connection.h"
#include "qemu/command/files.h"
#include "qemu/monitor/capabilities.h"
#include "qemu/monitor/monitor.h"

typedef struct CommandLine {
        GPtrArray *arguments;   /* NULL at the end */
        GPtrArray *environment; /* "NAME=value" */
        GArray *fds;            /* int: to be passed, owned here */
        GPtrArray *consoles;    /* char *: aliases of the chardevs that are pseudo terminals */
        GPtrArray *paths;       /* char *: sockets that QEMU will make in the file system */
        GPtrArray *commands;    /* MonitorRequest: before the processors run, and before anyone connects */
        GHashTable *fd_sets;    /* the number of a set of descriptors -> char *: the path of what it is */
        bool locks_memory;      /* all that the guest has: a device of the host's reads and writes it */
} CommandLine;

/* What a command line is made for. */
typedef struct CommandLineContext {
        Connection *connection;
        const Definition *definition;
        const char *emulator;
        const Capabilities *capabilities; /* of the emulator; NULL: not known */
        size_t n_host_nodes;              /* NUMA nodes of this host */
        xmlDoc *document;                 /* gets what is chosen now: socket paths, interface names */
        const char *directory;            /* of the guest: runtime.h */
        int monitor;                      /* a listening socket; -1 to check only */
        GPtrArray *handed;                /* FdGroup: descriptors that the caller hands over; or NULL */
        uid_t rights;                     /* whose rights its files are opened with; USER_RIGHTS_ALL: the driver's */
        uid_t uid;                        /* whom QEMU runs as; 0: whom it would, without a guest */
        uid_t tpm_uid;                    /* and whom the emulator of its TPM does */
        const Definition *running;        /* of a guest that runs: the devices that it lacks are made, by commands; or NULL */
        unsigned last_fdset;              /* of those that it has */
        unsigned first_layer;             /* 0, or DISK_LAYERS_OTHER */
        bool incoming;                    /* its state will be loaded */
        bool to_show;                     /* for a person to read: also what this driver cannot start */
} CommandLineContext;

/* Makes the command line, or the commands; FILES is NULL to check only. */
CommandLine *command_line_build(const CommandLineContext *context, GPtrArray *files, GError **error);

/* The commands that give a disk of a running guest another medium: its nodes. *NODE is the name of the top one, to be freed,
 * or NULL for an empty drive. And those that set its limits. */
CommandLine *command_line_build_medium(const CommandLineContext *context, guint device, GPtrArray *files, char **node,
                                       GError **error);
CommandLine *command_line_build_limits(const CommandLineContext *context, guint device, GError **error);

/* For a person to read, and for a shell to run: one option a line. */
char *command_line_text(const CommandLine *line);

/* Closes what was opened. */
void command_line_free(CommandLine *line);

char *command_line_emulator(const Definition *definition);
