/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A backup's document: <domainbackup>, as libvirt has it. Definitions do not change once they are somebody's. */

#include "domain/definition.h"
#include "domain/tree-disk.h"

typedef struct BackupDisk {
        char *name; /* the disk's target: it is a TreeChosenDisk */
        bool is_said, is_in;
        bool is_device;     /* what it is written to is a block device */
        char *path;         /* push: of its target; pull: of what the guest overwrites meanwhile */
        char *format;       /* of that */
        char *mode;         /* as the document says: "full" or "incremental"; or NULL */
        char *incremental;  /* the checkpoint since which it is taken; NULL: it is taken whole */
        char *export_name;  /* pull: what clients find it by */
        char *bitmap;       /* pull: what they find by, what was written since the checkpoint */
        xmlNode *parameter; /* encryption and labels of <target> or <scratch>; or NULL */
} BackupDisk;

typedef struct BackupDefinition {
        unsigned n_references;
        bool pulls;        /* clients read it; else the hypervisor writes it */
        char *incremental; /* the checkpoint, for all disks that say nothing else; or NULL */
        bool has_server;   /* pull: where clients reach it besides Job.Backup.Open: */
        char *socket;      /* a unix socket; or, where that is NULL, */
        char *host;        /* an address, or NULL, and */
        uint16_t port;
        bool has_tls;
        GPtrArray *disks; /* BackupDisk */
} BackupDefinition;

BackupDefinition *backup_definition_ref(BackupDefinition *definition);
void backup_definition_unref(BackupDefinition *definition);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BackupDefinition, backup_definition_unref)

/* Reads a document; or one that was written by backup_definition_text. */
BackupDefinition *backup_definition_parse(const char *xml, GError **error);
BackupDefinition *backup_definition_parse_own(const char *xml, GError **error);

char *backup_definition_text(const BackupDefinition *definition);

/* Makes one that is to be begun whole: each disk of DOMAIN is in it, by its target, in the domain's order. Files that it does not
 * name lie beside the disks' own, with SUFFIX after a dot. Refuses what cannot be, naming the disk. */
bool backup_definition_complete(BackupDefinition *definition, const Definition *domain, const char *suffix, GError **error);
