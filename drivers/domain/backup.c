/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/backup.h"

#include <string.h>

#include "bus.h"
#include "domain/connection.h"
#include "vtables.h"

struct Backup {
        Domain *domain;
        BackupDefinition *definition;
        void *data;
        Job *job;
};

JOB_BACKUP_VTABLE(Job, bus);

static const HypervisorBackups *functions_of(const Backup *self) {
        return self->domain->connection->hypervisor->backups;
}

static bool check_pulls(Call *call, const Backup *self, const char *why) {
        g_autoptr(GError) error = NULL;
        if (self->definition->pulls)
                return true;
        domain_fail(self->domain, &error, VIRTBUS_ERROR_UNSUPPORTED, "its backup is of mode push: %s", why);
        call_fail(call, error);
        return false;
}

static void bus_finish(Call *call, Job *job) {
        Backup *self = job_data(job);
        if (!check_pulls(call, self, "it ends by itself; use Job.Cancel to give it up"))
                return;
        reply_job_backup_finish(call);
        functions_of(self)->finish(self);
}

static void bus_open(Call *call, Job *job) {
        Backup *self = job_data(job);
        g_autoptr(GError) error = NULL;
        if (!check_pulls(call, self, "the hypervisor writes it, and nobody reads it"))
                return;
        if (functions_of(self)->open)
                functions_of(self)->open(self, call);
        else {
                domain_fail(self->domain, &error, VIRTBUS_ERROR_UNSUPPORTED, "nothing of its disks can be read");
                call_fail(call, error);
        }
}

static const char *bus_get_mode(const Job *job) {
        return ((const Backup *) job_data(job))->definition->pulls ? "pull" : "push";
}

static int bus_get_disks(const Job *job, sd_bus_message *message) {
        const Backup *self = job_data(job);
        int r = sd_bus_message_open_container(message, 'a', "(ss)");
        for (guint i = 0; r >= 0 && i < self->definition->disks->len; i++) {
                const BackupDisk *disk = self->definition->disks->pdata[i];
                if (disk->is_in)
                        r = sd_bus_message_append(message, "(ss)", disk->name, disk->incremental ? disk->incremental : "");
        }
        return r < 0 ? r : sd_bus_message_close_container(message);
}

static int bus_get_exports(const Job *job, sd_bus_message *message) {
        const Backup *self = job_data(job);
        int r = sd_bus_message_open_container(message, 'a', "(sss)");
        for (guint i = 0; r >= 0 && self->definition->pulls && i < self->definition->disks->len; i++) {
                const BackupDisk *disk = self->definition->disks->pdata[i];
                if (disk->is_in)
                        r = sd_bus_message_append(message, "(sss)", disk->name, disk->export_name,
                                                  disk->bitmap ? disk->bitmap : "");
        }
        return r < 0 ? r : sd_bus_message_close_container(message);
}

static void cancel(Job *job, void *data) {
        Backup *self = data;
        (void) job;
        functions_of(self)->cancel(self);
}

Backup *backup_new(Domain *domain, BackupDefinition *definition, uid_t started_by, void *data) {
        Backup *self = g_new0(Backup, 1);
        *self = (Backup){ .domain = domain, .definition = backup_definition_ref(definition), .data = data };
        self->job = job_new_with(domain->connection->objects, domain->connection->name, "backup",
                                 published_path(domain->published), started_by, cancel, self, &bus_vtable);
        domain->backup = self;
        domain_announce_backup(domain);
        return self;
}

void *backup_data(const Backup *self) {
        return self->data;
}

const BackupDefinition *backup_definition(const Backup *self) {
        return self->definition;
}

void backup_progress(Backup *self, uint64_t done, uint64_t total) {
        job_progress(self->job, done, total);
}

void backup_end(Backup *self, const GError *error) {
        Domain *domain = self->domain;
        domain->backup = NULL;
        domain_announce_backup(domain);
        job_end(self->job, error);
        backup_definition_unref(self->definition);
        g_free(self);
}

const char *backup_path(const Backup *self) {
        return self ? job_path(self->job) : "/";
}

bool backup_check_none(const Domain *domain, const char *target, const char *what, GError **error) {
        const Backup *self = domain->backup;
        for (guint i = 0; self && i < self->definition->disks->len; i++) {
                const BackupDisk *disk = self->definition->disks->pdata[i];
                if (disk->is_in && (!target || strcmp(disk->name, target) == 0))
                        return domain_fail(domain, error, VIRTBUS_ERROR_RESOURCE_BUSY,
                                           "a backup works on disk '%s' (%s, %s): wait until it has ended, or %s it, before %s",
                                           disk->name, self->definition->pulls ? "pull" : "push", job_path(self->job),
                                           self->definition->pulls ? "finish" : "cancel", what);
        }
        return true;
}
