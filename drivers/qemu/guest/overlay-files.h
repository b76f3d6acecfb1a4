/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The overlays of a snapshot that is external: files, made and opened, or removed, by a worker with the rights of their domain.
 * Each is a qcow2 without contents that names the image which it is over. */

#include "domain/domain.h"
#include "domain/snapshot-definition.h"

typedef struct Overlay {
        char *alias, *target;
        char *path, *type; /* TYPE: as the document says, "file" or "block" */
        char *below, *below_format;
        uint64_t size;    /* of the disk, in bytes; 0: the image is asked */
        uint32_t index;   /* of a guest that is up: which image of its disk it will be */
        GPtrArray *under; /* DiskImage: what it is over */
        /* When it is open: */
        int fd; /* or -1 */
        bool is_made, is_device;
        bool is_named; /* what is made has its name */
} Overlay;

typedef struct OverlayFiles {
        const Connection *connection;
        uid_t rights, owner; /* as BlockOpening */
        bool reuse;          /* they are there already */
        GPtrArray *all;      /* Overlay */
        GString *traces;     /* of those that were made: snapshot-images.h */
        char *given;         /* REMOVE: which are to go */
} OverlayFiles;

/* Those of a snapshot, of the disks that DEFINITION (of its domain) has; NULL with an error. */
OverlayFiles *overlay_files_new(const Domain *domain, const SnapshotDefinition *snapshot, const Definition *definition,
                                GError **error);
void overlay_files_free(OverlayFiles *files);

/* For a worker: makes and opens all, or none; where the file system can, without names, which come with the second. */
void overlay_files_make(OverlayFiles *files, GError **error);
void overlay_files_name(OverlayFiles *files, GError **error);

/* For a worker: whether the images are there that they would be over. */
void overlay_files_look(const OverlayFiles *files, GError **error);

/* For a worker: removes those that were made, by the traces that are given, and that nothing has been written into since: what
 * somebody has written is never removed. */
void overlay_files_remove(OverlayFiles *files, GError **error);

/* The same, and files go with it, of a snapshot that is not made, and of which nothing was written down. */
void overlay_files_give_up(OverlayFiles *files);
