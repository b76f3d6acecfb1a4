/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A snapshot's document: <domainsnapshot>, as libvirt has it. Definitions do not change once they are somebody's. */

#include "domain/definition.h"
#include "domain/tree-disk.h"
#include "domain/tree-item.h"

/* Where something of a snapshot is. */
typedef enum SnapshotPlace {
        SNAPSHOT_UNSAID,
        SNAPSHOT_NO,
        SNAPSHOT_INTERNAL, /* in the image */
        SNAPSHOT_EXTERNAL, /* the image as it was; the domain goes on with an overlay */
        SNAPSHOT_MANUAL,   /* somebody else sees to it */
        SNAPSHOT_N_PLACES
} SnapshotPlace;

typedef struct SnapshotDisk {
        char *name; /* the disk's target: it is a TreeDisk */
        SnapshotPlace place;
        char *type;    /* of the overlay's source: "file", "block", "network"; NULL where nothing is said */
        char *path;    /* of the overlay; NULL */
        char *format;  /* of the overlay; NULL */
        char *element; /* the whole element, for what else it says; NULL */
} SnapshotDisk;

typedef struct SnapshotDefinition {
        TREE_ITEM;
        char *state; /* or NULL */
        SnapshotPlace memory;
        char *memory_file;
        GPtrArray *disks; /* SnapshotDisk */
        char *inactive;   /* document: what was defined while DOMAIN ran; or NULL */
        bool is_going;    /* its images are being merged, or were to be: they are not what they were */
} SnapshotDefinition;

const char *snapshot_place_name(SnapshotPlace place); /* "" for UNSAID */

/* One that says nothing yet. */
SnapshotDefinition *snapshot_definition_new(void);

SnapshotDefinition *snapshot_definition_ref(SnapshotDefinition *definition);
void snapshot_definition_unref(SnapshotDefinition *definition);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(SnapshotDefinition, snapshot_definition_unref)

/* Reads a document. KNOWN: it is one of a snapshot that was made, and says when, and what the domain did. */
SnapshotDefinition *snapshot_definition_parse(const char *xml, bool known, GError **error);

/* The same of one that was written by snapshot_definition_text. */
SnapshotDefinition *snapshot_definition_parse_own(const char *xml, GError **error);

/* Whether it names a file. */
bool snapshot_definition_names_files(const SnapshotDefinition *definition);

/* The document, with the passwords in it or without. */
char *snapshot_definition_text(const SnapshotDefinition *definition, bool secrets);

/* The file of an overlay that nobody names: beside the image, with NAME instead of that one's suffix. To be freed. */
char *snapshot_definition_overlay(const char *image, const char *name);

/* Finds a disk by its target, or returns NULL. */
SnapshotDisk *snapshot_definition_find(const SnapshotDefinition *definition, const char *target);

/* Makes one that is to be made whole: each disk of DOMAIN is in it, by its target, in the domain's order, at a place. ACTIVE: a
 * guest runs; DISK_ONLY: without its memory. Refuses what cannot be, naming the disk. */
bool snapshot_definition_complete(SnapshotDefinition *definition, const Definition *domain, bool active, bool disk_only,
                                  GError **error);

/* Whether any disk, or the memory, is there. */
bool snapshot_definition_has(const SnapshotDefinition *definition, SnapshotPlace place);
