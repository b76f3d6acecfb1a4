/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A complete domain document (hardware.h) as a command line for QEMU 7.2 or later. One function for each kind of device makes
 * its JSON; what this driver does not know is refused by name, never left out.
 *
 * It is made in two steps, as opening files may hang: command_line_plan lists the files, a worker opens them by files_open,
 * command_line_build makes the arguments. Without opened files it only checks the document: all that a start refuses, save for
 * what the host lacks, is refused then too. */

#include "base/json.h"
#include "domain/connection.h"
#include "qemu/command/image.h"
#include "qemu/host/host-access.h"
#include "qemu/host/host-device.h"
#include "qemu/host/unix-socket.h"
#include "qemu/monitor/capabilities.h"
#include "qemu/monitor/monitor.h"

/* A file that the guest needs. */
typedef enum FilePurpose {
        FILE_PROGRAM, /* the emulator: looked at, not opened */
        FILE_IMAGE,   /* a disk's, or firmware's */
        FILE_NVRAM,   /* UEFI variables: made from a template where it is missing */
        FILE_READ,    /* a kernel: read by QEMU's own user */
        FILE_APPEND,  /* a console's output */
        FILE_DEVICE,  /* one of the host's */
        FILE_SOCKET,  /* of a character device, which QEMU listens at */
        FILE_ACCESS,  /* a device that QEMU opens by its name: looked at, not opened */
        FILE_OPEN,    /* a device that is opened for it */
        FILE_SHARED,  /* memory that guests share */
        FILE_SECRET,  /* a secret's value: the secrets driver's, fetched before the others are opened (guest-secrets.h) */
} FilePurpose;

typedef struct File {
        FilePurpose purpose;
        const xmlNode *element; /* that asks for it */
        char *path, *format, *template;
        bool read_only;
        bool truncate;          /* FILE_APPEND: the document says append='off' */
        bool may_lack, missing; /* startupPolicy: the guest can do without; it does */
        uint64_t size;          /* FILE_SHARED */
        HostUser user;          /* FILE_ACCESS, FILE_SHARED */
        GPtrArray *layers;      /* FILE_IMAGE, FILE_NVRAM: ImageLayer */
        ImageBacking *backing;  /* what the document says is below a FILE_IMAGE, or NULL */
        int fd;                 /* others */
        HostDevice *device;     /* FILE_DEVICE */
        ExecutableIdentity program;
        UnixSocket *socket; /* FILE_SOCKET */
        char *whose;        /* FILE_SECRET: what needs it, for a message */
        char *alias;        /* FILE_SECRET: the device's */
        char *usage;        /* FILE_SECRET: the type of its secret's usage */
        bool by_uuid;       /* FILE_SECRET: its path is the secret's UUID, else what the secret is for */
        int number; /* FILE_SECRET, of a guest that runs: the descriptor that QEMU has by now, and the set that it is in */
        unsigned set;
} File;

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
        const Definition *running;        /* of a guest that runs: the devices that it lacks are made, by commands; or NULL */
        unsigned last_fdset;              /* of those that it has */
        unsigned first_layer;             /* 0, or DISK_LAYERS_OTHER */
        bool incoming;                    /* its state will be loaded */
        bool to_show;                     /* for a person to read: also what this driver cannot start */
} CommandLineContext;

/* Lists the files. */
GPtrArray *command_line_plan(const CommandLineContext *context);

/* Opens them, makes sockets and takes devices; for a worker. FOREIGN_USER: QEMU will run as another user than this. Where
 * nobody wants them any more, files_give_back removes the sockets and gives the devices back; also for a worker. */
bool files_open(GPtrArray *files, bool foreign_user, GError **error);
void files_give_back(const GPtrArray *files);

/* Makes the command line, or the commands; FILES is NULL to check only. */
CommandLine *command_line_build(const CommandLineContext *context, GPtrArray *files, GError **error);

/* The commands that give a disk of a running guest another medium: its nodes. *NODE is the name of the top one, to be freed,
 * or NULL for an empty drive. And those that set its limits. */
GPtrArray *command_line_plan_medium(const CommandLineContext *context, guint device);
CommandLine *command_line_build_medium(const CommandLineContext *context, guint device, GPtrArray *files, char **node,
                                       GError **error);
CommandLine *command_line_build_limits(const CommandLineContext *context, guint device, GError **error);

/* For a person to read, and for a shell to run: one option a line. */
char *command_line_text(const CommandLine *line);

/* Closes what was opened. */
void command_line_free(CommandLine *line);

char *command_line_emulator(const Definition *definition);
