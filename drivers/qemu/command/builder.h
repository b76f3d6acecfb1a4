/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the functions that make QEMU's arguments share: the document that is read, the command line that is written, and the
 * first error. That stays in the builder; what follows it is harmless. builder-read.h reads, builder-write.h writes,
 * builder-device.h makes devices, and each build-*.h makes a part of the command line. */

#include "base/json.h"
#include "qemu/command/command-line.h"
#include "qemu/complete/machine-kind.h"

typedef struct Builder {
        const CommandLineContext *context;
        const Definition *definition;
        xmlNode *root, *devices;
        GPtrArray *files; /* opened; NULL to check, or to show: names stand where descriptors would be */
        CommandLine *line;
        GError *error;
        const xmlNode *at;     /* the device that is being built */
        const char *alias;     /* its alias */
        GStringChunk *strings; /* what was read */
        GString *machine;      /* options of -machine */
        GString *cpu;          /* of -cpu, for what is said elsewhere */
        unsigned n_fdsets, n_tpms;
        const MachineKind *kind; /* of its machine */
        bool kvm;
        bool live;                 /* what is made are commands for a guest that runs */
        bool order_by_kind;        /* os/boot rather than boot order */
        unsigned order[4];         /* then: bootindex of hd, cdrom, network, fd; 0 for none */
        const xmlNode *first[4];   /* and which devices these are: the first of each kind */
        bool has_gl;               /* a display that QEMU draws with OpenGL */
        bool has_display;          /* -display is given */
        const char *default_audio; /* the ID of the first audio backend */
} Builder;

/* libvirt's namespace for what is QEMU's alone. */
#define QEMU_NAMESPACE "http://libvirt.org/schemas/domain/qemu/1.0"

/* Errors: the first one counts. */
void builder_fail(Builder *builder, VirtbusError code, const xmlNode *element, const char *format, ...) G_GNUC_PRINTF(4, 5);
void builder_invalid(Builder *builder, const xmlNode *element, const char *format, ...) G_GNUC_PRINTF(3, 4);
void builder_unsupported(Builder *builder, const xmlNode *element, const char *format, ...) G_GNUC_PRINTF(3, 4);

/* What can be said to QEMU, but needs something that this driver does not do yet: shown, and refused when it is defined. */
void builder_not_here(Builder *builder, const xmlNode *element, const char *what);

/* Text in an option of the form name=value: a comma is written twice. Lives as long as the builder. */
const char *builder_escape(Builder *builder, const char *text);
const char *builder_format(Builder *builder, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* Whether a text may be the name of a machine, a processor, a feature. */
bool builder_is_plain_name(const char *name);
