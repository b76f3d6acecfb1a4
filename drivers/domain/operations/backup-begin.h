/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Beginning a backup, and with it, maybe, a checkpoint of the same instant. It is an operation until the hypervisor works on it;
 * the backup then goes on by itself (backup.h), and operations with it. */

#include "domain/backup.h"
#include "domain/checkpoint-definition.h"
#include "domain/operation.h"

extern const OperationClass backup_begin_class;

/* What is asked for. */
typedef struct BackupRequest {
        BackupDefinition *definition;
        CheckpointDefinition *checkpoint; /* or NULL */
        bool reuse;                       /* its files are there */
        uid_t started_by;
} BackupRequest;

/* REQUEST's definitions are taken. */
Operation *backup_begin_new(Call *call, const BackupRequest *request);

/* That of an operation: its definitions are complete. */
const BackupRequest *backup_begin_request(const Operation *operation);

/* What a disk of the domain's is taken since: the disk of that checkpoint; NULL: it is taken whole. */
const CheckpointDisk *backup_begin_since(const Domain *domain, const BackupDisk *disk);

/* The hypervisor works on it, and has made the checkpoint; or, because of ERROR, has left everything as it was. */
void backup_begin_done(Operation *operation, const GError *error);
