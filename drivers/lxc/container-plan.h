/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a document makes of a container: the plan of lxc/guest/guest-plan.h, and what of the host it needs. */

#include <libxml/tree.h>

#include "base/xml.h"
#include "domain/hypervisor.h"
#include "lxc/guest/guest-plan.h"

/* A folder or file of the host's, that the container shows. */
typedef struct ContainerFile {
        char *path;
        int fd; /* -1: not found yet */
} ContainerFile;

void container_plan_free_file(void *file);

/* ContainerFile of a document's filesystems, in the order of the plan; those in memory have no path. */
GPtrArray *container_plan_files(const xmlNode *root);

/* The capabilities that its programs may have: 1 << number. */
uint64_t container_plan_capabilities(const xmlNode *root);

/* Refuses what has rights that only a container with users of its own may have, and what cannot be started yet. */
bool container_plan_check(const xmlNode *root, GError **error);

/* The plan, in memory that is sealed: -1 with an error. MEMBERS: files to join control groups by. */
int container_plan_make(const xmlNode *root, const GPtrArray *files, const GArray *members, int listener, const char *stage,
                        GError **error);

/* The plan of a program that is run in one that has been made of a document, and of a signal for one of its processes. */
int container_plan_run(const xmlNode *root, const ContainerProgram *program, const GArray *members, const GuestEntry *entry,
                       const char *stage, GError **error);
int container_plan_signal(const GuestEntry *entry, const char *stage, GError **error);

/* The plan of a network card that comes into one that runs. */
int container_plan_plug(const xmlNode *card, const GuestEntry *entry, const char *stage, GError **error);
