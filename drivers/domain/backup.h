/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The backup of a domain that is at work: one at a time, a job. What it does is the hypervisor's; here is what others know of
 * it. */

#include "domain/backup-definition.h"
#include "domain/hypervisor.h"

/* Publishes one; DATA is the hypervisor's. */
Backup *backup_new(Domain *domain, BackupDefinition *definition, uid_t started_by, void *data);

void *backup_data(const Backup *backup);
const BackupDefinition *backup_definition(const Backup *backup);
void backup_progress(Backup *backup, uint64_t done, uint64_t total);

/* Ends it: ERROR as job_end. */
void backup_end(Backup *backup, const GError *error);

/* The path of its job; "/" for NULL. */
const char *backup_path(const Backup *backup);

/* Fails, naming it and the disk, where one works on a disk of DOMAIN, by its target, or with NULL on any: WHAT is what cannot be
 * done then. */
bool backup_check_none(const Domain *domain, const char *target, const char *what, GError **error);
