/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The disks that a document of a tree names: each by its target, or, until it is made whole, by its image. */

#include "domain/definition.h"

/* How many one document may name; it has at most as many as a domain has devices. */
#define TREE_DISKS_MAX DEVICES_MAX

/* What the structure of each disk begins with. */
typedef struct TreeDisk {
        char *name;
} TreeDisk;

/* Finds one by its name, or returns NULL. */
void *tree_disk_find(const GPtrArray *disks, const char *name);

/* Reads <disks>, or NULL: READ is called for each <disk>, with the name that is its own, which is taken. */
typedef bool (*TreeDiskRead)(void *data, xmlNode *element, char *name, GError **error);
bool tree_disks_read(const GPtrArray *disks, const xmlNode *element, TreeDiskRead read, void *data, GError **error);

/* Makes DISKS whole: one for each disk of DOMAIN, by its target, in the domain's order; what was not named is made, of SIZE
 * bytes, all zero. COMPLETE is called for each. Refuses what cannot be, naming the disk. */
typedef bool (*TreeDiskComplete)(void *data, void *disk, const DeviceDefinition *device, GError **error);
bool tree_disks_complete(GPtrArray **disks, size_t size, GDestroyNotify free, const Definition *domain, TreeDiskComplete complete,
                         void *data, GError **error);

/* The disks of a document of which only some are in it: each says so, or, where the document names none, all are that can be
 * written. */
typedef struct TreeChosenDisk {
        char *name;
        bool is_said, is_in;
} TreeChosenDisk;

/* As tree_disks_complete, of TreeChosenDisks; COMPLETE is called for those that are in it, which have images. WHAT: what that
 * is, for errors: "backup". One disk must be in it. */
bool tree_disks_choose(GPtrArray **disks, size_t size, GDestroyNotify free, const Definition *domain, const char *what,
                       TreeDiskComplete complete, void *data, GError **error);

/* Says why not, naming the disk. */
bool tree_disk_fail(const void *disk, VirtbusError code, const char *why, GError **error);
