/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A QEMU without a guest that works on images of a domain that is off, as the user and in the sandbox of guests' QEMUs, with
 * nothing but the descriptors of the images. It ends with this program. */

#include "domain/connection.h"
#include "qemu/monitor/monitor-job.h"
#include "qemu/monitor/script.h"

/* SECONDS of one that merges images or keeps a snapshot within them: reference counts of a large image are many. */
#define IMAGES_QEMU_SECONDS 3600

typedef struct ImagesQemu ImagesQemu;

/* READY: it can be told what to do. ENDED: it has, once; with an error unless it was told to (images_qemu_quit), and nothing has
 * failed. */
typedef struct ImagesQemuSetup {
        Connection *connection;
        const char *emulator;
        unsigned seconds;        /* how long it may use a processor */
        const char *const *more; /* as of BareQemu */
        const int *fds;
        size_t n_fds;
        void (*ready)(void *data);
        void (*ended)(void *data, const GError *error);
        void *data;
} ImagesQemuSetup;

/* NULL with an error. */
ImagesQemu *images_qemu_new(const ImagesQemuSetup *setup, GError **error);
void images_qemu_free(ImagesQemu *qemu);

Monitor *images_qemu_monitor(const ImagesQemu *qemu);
Script *images_qemu_script(ImagesQemu *qemu);

/* A job of it: one at a time. */
typedef void (*ImagesQemuDone)(void *data, const GError *error);
void images_qemu_job(ImagesQemu *qemu, const char *command, JsonObject *arguments, ImagesQemuDone done);

/* Adds to SCRIPT what opens FD (a copy of it is passed) as the image NAME: BELOW is the name of what it is over, or NULL,
 * whatever its header says. */
typedef struct ImagesQemuNode {
        const char *name, *format, *below;
        int fd;
        bool is_device, writes; /* WRITES: the file; the image itself where ROOT */
        bool is_root;
} ImagesQemuNode;
void images_qemu_add(Script *script, unsigned set, const ImagesQemuNode *node);

/* Something has failed: the first error counts. Ends it: what was changed is written then. */
void images_qemu_fail(ImagesQemu *qemu, const GError *error);
void images_qemu_quit(ImagesQemu *qemu, const GError *error);
