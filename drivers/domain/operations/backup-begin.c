/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/operations/backup-begin.h"

#include <string.h>

#include "bus.h"
#include "domain/checkpoint.h"
#include "domain/connection.h"
#include "domain/disk-jobs.h"
#include "domain/operations/checkpoint-create.h"
#include "domain/operations/checkpoint-delete.h"
#include "domain/operations/tree-create.h"
#include "vtables.h"

typedef struct BackupBegin {
        TreeCreate create; /* the checkpoint's, which may be NULL */
        BackupRequest request;
        char *path; /* of the job, once it has begun */
} BackupBegin;

static bool is_there(const TreeCreate *self) {
        return domain_is_up(self->operation.domain);
}

static void begin_hypervisor(Operation *operation) {
        operation->domain->connection->hypervisor->backups->begin(operation);
}

static const TreeCreateKind kind = { NULL, is_there, begin_hypervisor, checkpoint_create_kept, checkpoint_delete_pending };

Operation *backup_begin_new(Call *call, const BackupRequest *request) {
        TreeItem *item = request->checkpoint ? &request->checkpoint->item : NULL;
        Operation *operation = tree_create_new(&backup_begin_class, call, &kind, item);
        ((BackupBegin *) operation)->request = *request;
        return operation;
}

const BackupRequest *backup_begin_request(const Operation *operation) {
        return &((const BackupBegin *) operation)->request;
}

static bool is_offered(const Hypervisor *hypervisor) {
        return HYPERVISOR_HAS(hypervisor, backups, begin);
}

/* What it is taken since */

const CheckpointDisk *backup_begin_since(const Domain *domain, const BackupDisk *disk) {
        const Checkpoint *checkpoint = disk->incremental ? checkpoint_find(domain, disk->incremental) : NULL;
        return checkpoint ? checkpoint_definition_find(checkpoint->definition, disk->name) : NULL;
}

/* A disk that came after the checkpoint of all is taken whole; one for which it was named itself is refused. */
static bool check_since(const Domain *domain, const BackupDefinition *definition, BackupDisk *disk, GError **error) {
        const Checkpoint *checkpoint = checkpoint_find(domain, disk->incremental);
        const CheckpointDisk *since = checkpoint ? checkpoint_definition_find(checkpoint->definition, disk->name) : NULL;
        if (!checkpoint)
                return domain_fail(domain, error, VIRTBUS_ERROR_NO_SUCH_CHECKPOINT, "disk '%s': it has no checkpoint '%.255s'",
                                   disk->name, disk->incremental);
        if ((!since || !since->is_in) && g_strcmp0(disk->incremental, definition->incremental) == 0 && !disk->mode) {
                g_clear_pointer(&disk->incremental, g_free);
                g_clear_pointer(&disk->bitmap, g_free);
                return true;
        }
        return (since && since->is_in) ||
               domain_fail(domain, error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                           "disk '%s' is not in checkpoint '%s': take it whole, with backupmode='full'", disk->name,
                           disk->incremental);
}

static const char *alias_of(const Domain *domain, const char *target) {
        const DeviceDefinition *disk = definition_find_disk(domain->live, target);
        return disk ? disk->alias : NULL;
}

static bool check_disk(const Domain *domain, const BackupDefinition *definition, BackupDisk *disk, GError **error) {
        return !disk->is_in || (disk_jobs_check_none(domain, alias_of(domain, disk->name), "it is backed up", error) &&
                                (!disk->incremental || check_since(domain, definition, disk, error)));
}

static bool check(BackupBegin *self, GError **error) {
        const Domain *domain = self->create.operation.domain;
        BackupDefinition *definition = self->request.definition;
        g_autofree char *now = g_strdup_printf("%" G_GINT64_FORMAT, g_get_real_time() / G_USEC_PER_SEC);
        g_autoptr(GError) wrong = NULL;
        if (!backup_check_none(domain, NULL, "another begins", error) ||
            (self->create.item && !checkpoint_create_check(&self->create, error)))
                return false;
        if (!backup_definition_complete(definition, domain->live, self->create.item ? self->create.item->name : now, &wrong))
                return domain_fail(domain, error, virtbus_error_code(wrong), "%s", wrong->message);
        for (guint i = 0; i < definition->disks->len; i++)
                if (!check_disk(domain, definition, definition->disks->pdata[i], error))
                        return false;
        return true;
}

static void begin(Operation *operation) {
        g_autoptr(GError) error = NULL;
        if (!check((BackupBegin *) operation, &error))
                operation_finish(operation, error);
        else if (tree_create_item(operation))
                operation->domain->connection->hypervisor->checkpoints->prepare(operation);
        else
                begin_hypervisor(operation);
}

void backup_begin_done(Operation *operation, const GError *error) {
        BackupBegin *self = (BackupBegin *) operation;
        if (!error)
                self->path = g_strdup(backup_path(operation->domain->backup));
        if (self->create.item)
                tree_create_made(operation, error);
        else
                operation_finish(operation, error);
}

/* Its checkpoint could not be written down: the caller is told that, and has no backup. */
static void failed(Operation *operation, const GError *error) {
        Backup *backup = operation->domain->backup;
        (void) error;
        if (((const BackupBegin *) operation)->path && backup)
                operation->domain->connection->hypervisor->backups->cancel(backup);
}

static void reply(Operation *operation, Call *call) {
        reply_domain_begin_backup(call, ((const BackupBegin *) operation)->path);
}

static void begin_free(Operation *operation) {
        BackupBegin *self = (BackupBegin *) operation;
        if (self->create.item)
                tree_create_free(operation);
        backup_definition_unref(self->request.definition);
        g_free(self->path);
}

const OperationClass backup_begin_class = {
        .name = "BeginBackup",
        .states = IN(DOMAIN_RUNNING) | IN(DOMAIN_PAUSED),
        .needs = "run, or be paused",
        .size = sizeof(BackupBegin),
        .of_tree = &checkpoint_tree,
        .fate = tree_fate,
        .is_offered = is_offered,
        .begin = begin,
        .failed = failed,
        .reply = reply,
        .free = begin_free,
};
