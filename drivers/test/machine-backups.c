/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/backup.h"

#include "domain/operations/backup-begin.h"
#include "test/machine.h"

/* The images of these machines are not looked at, and no file is made: what there is of a backup is its document, and its
 * time. */

/* Of each disk. */
#define DISK_BYTES (UINT64_C(64) << 20)

static uint64_t size_of(const Backup *backup) {
        const GPtrArray *disks = backup_definition(backup)->disks;
        uint64_t size = 0;
        for (guint i = 0; i < disks->len; i++)
                size += ((const BackupDisk *) disks->pdata[i])->is_in ? DISK_BYTES : 0;
        return size;
}

static int on_copied(sd_event_source *source, uint64_t usec, void *data) {
        Machine *machine = data;
        (void) source;
        (void) usec;
        backup_progress(machine->backup, size_of(machine->backup), size_of(machine->backup));
        machine_end_backup(machine, NULL);
        return 0;
}

static void begin(Operation *operation) {
        Domain *domain = operation->domain;
        Machine *machine = domain->run;
        const BackupRequest *request = backup_begin_request(operation);
        g_autoptr(GError) error = laboratory_take_failure(domain, TEST_BACKUP);
        if (!error) {
                machine->backup = backup_new(domain, request->definition, request->started_by, machine);
                backup_progress(machine->backup, 0, size_of(machine->backup));
                if (!request->definition->pulls)
                        machine_add_timer(domain, &machine->copying, laboratory_delay(domain, TEST_BACKUP), on_copied);
        }
        backup_begin_done(operation, error);
}

static void finish(Backup *backup) {
        machine_end_backup(backup_data(backup), NULL);
}

static void cancel(Backup *backup) {
        Machine *machine = backup_data(backup);
        g_autoptr(GError) error = NULL;
        domain_fail(machine->domain, &error, VIRTBUS_ERROR_CANCELLED, "its backup was cancelled");
        machine_end_backup(machine, error);
}

const HypervisorBackups machine_backups = {
        .begin = begin,
        .finish = finish,
        .cancel = cancel,
};
