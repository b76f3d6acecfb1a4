/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A checkpoint's document: <domaincheckpoint>, as libvirt has it. Definitions do not change once they are somebody's. */

#include "domain/definition.h"
#include "domain/tree-disk.h"
#include "domain/tree-item.h"

typedef struct CheckpointDisk {
        char *name; /* the disk's target: it is a TreeChosenDisk */
        bool is_said, is_in;
        char *bitmap; /* in the image, that says what was written since; NULL: to be chosen, or it is not in it */
} CheckpointDisk;

typedef struct CheckpointDefinition {
        TREE_ITEM;
        GPtrArray *disks; /* CheckpointDisk */
} CheckpointDefinition;

CheckpointDefinition *checkpoint_definition_ref(CheckpointDefinition *definition);
void checkpoint_definition_unref(CheckpointDefinition *definition);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CheckpointDefinition, checkpoint_definition_unref)

/* Reads a document. KNOWN: it is one of a checkpoint that was made, and says when, and which bitmaps it has. */
CheckpointDefinition *checkpoint_definition_parse(const char *xml, bool known, GError **error);

/* The same of one that was written by checkpoint_definition_text. */
CheckpointDefinition *checkpoint_definition_parse_own(const char *xml, GError **error);

/* The document, with the passwords in it or without, and with the domain's or without. */
char *checkpoint_definition_text(const CheckpointDefinition *definition, bool secrets, bool domain);

/* Finds a disk by its target, or returns NULL. */
CheckpointDisk *checkpoint_definition_find(const CheckpointDefinition *definition, const char *target);

/* Makes one that is to be made whole: each disk of DOMAIN is in it, by its target, in the domain's order. It has a name. Refuses
 * what cannot be, naming the disk. */
bool checkpoint_definition_complete(CheckpointDefinition *definition, const Definition *domain, GError **error);
