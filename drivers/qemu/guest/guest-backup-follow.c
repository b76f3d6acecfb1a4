/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/guest/guest-backup-follow.h"

#include <fcntl.h>
#include <string.h>

#include "bus.h"
#include "domain/domain-status.h"
#include "domain/operations/backup-begin.h"
#include "qemu/guest/guest-backup-files.h"
#include "qemu/guest/guest-backup-tls.h"
#include "qemu/guest/nodes.h"
#include "vtables.h"

/* How often QEMU is asked how far it is, in microseconds. */
#define INTERVAL 250000

static const char nothing_known[] = "its QEMU knows nothing of the backup";

/* The end */

static void finish(Guest *guest) {
        GuestBackup *self = guest->backup;
        Domain *domain = guest->domain;
        Operation *operation = self->operation;
        Backup *backup = self->backup;
        g_autoptr(GError) error = g_steal_pointer(&self->error);
        guest_backup_drop(guest);
        domain_save_status(domain);
        if (backup)
                backup_end(backup, error);
        else if (operation)
                backup_begin_done(operation, error);
}

static void on_swept(void *data) {
        GuestBackup *self = data;
        if (self->socket)
                guest_remove_sockets(self->guest, 0, self->socket);
        if (self->error)
                guest_backup_files_remove(self, finish);
        else
                finish(self->guest);
}

static void on_cleaned(void *data, const GError *unused) {
        static const char *const whats[] = { "format", "storage" };
        Guest *guest = data;
        GuestBackup *self = guest->backup;
        (void) unused;
        for (guint i = 0; i < self->disks->len; i++)
                for (size_t k = 0; k < G_N_ELEMENTS(whats); k++) {
                        g_autofree char *name = guest_backup_node(i, whats[k]);
                        nodes_forget(guest, name);
                }
        if (guest->monitor && monitor_is_there(guest->monitor))
                nodes_sweep(guest, GUEST_BACKUP_SETS, on_swept, self);
        else
                on_swept(self);
}

/* All jobs have ended. */
static void end(GuestBackup *self) {
        Guest *guest = self->guest;
        Script *script = guest_script_new(guest);
        self->stage = GUEST_BACKUP_ENDS;
        self->timer = sd_event_source_disable_unref(self->timer);
        /* It is known of only once when QEMU has forgotten it: a successor of this driver goes on from here. */
        domain_save_status(guest->domain);
        script_ignore_errors(script);
        if (self->definition->pulls)
                script_add_command(script, "nbd-server-stop", NULL);
        guest_backup_tls_remove(self, script);
        for (guint i = 0; i < self->disks->len; i++) {
                const GuestBackupDisk *disk = self->disks->pdata[i];
                g_autofree char *format = guest_backup_node(i, "format"), *storage = guest_backup_node(i, "storage");
                script_add_command(script, "job-dismiss", json_make("id", 's', disk->id, NULL));
                script_add_command(script, "blockdev-del", json_make("node-name", 's', format, NULL));
                script_add_command(script, "blockdev-del", json_make("node-name", 's', storage, NULL));
        }
        script_run(script, on_cleaned, guest);
}

/* Following */

void guest_backup_follow_stop(GuestBackup *self, const GError *error) {
        Guest *guest = self->guest;
        if (error && !self->error)
                self->error = g_error_copy(error);
        if (self->is_asked || self->stage == GUEST_BACKUP_ENDS)
                return;
        self->is_asked = true;
        domain_save_status(guest->domain);
        if (self->definition->pulls) /* who reads is cut off first: what follows would not be of that instant */
                monitor_command(guest->monitor, "nbd-server-stop", NULL, -1, NULL, NULL);
        for (guint i = 0; i < self->disks->len; i++) {
                const GuestBackupDisk *disk = self->disks->pdata[i];
                if (!disk->is_over)
                        monitor_command(guest->monitor, "job-cancel", json_make("id", 's', disk->id, NULL), -1, NULL, NULL);
        }
        guest_backup_follow(guest);
}

/* One fails as all do; one that was told to end says so. */
static void take_end(GuestBackup *self, GuestBackupDisk *disk, const char *failure) {
        g_autoptr(GError) error = NULL;
        disk->is_over = true;
        if (!failure || self->is_asked)
                return;
        domain_fail(self->guest->domain, &error, VIRTBUS_ERROR_HYPERVISOR_FAILED, "the backup of disk '%s' has failed: %.512s",
                    disk->target, failure);
        guest_backup_follow_stop(self, error);
}

static void take_status(GuestBackup *self, GuestBackupDisk *disk, JsonObject *status) {
        const char *state = status ? json_string(status, "status") : NULL;
        if (disk->is_over)
                return;
        if (!status) { /* it was never begun, or is another QEMU's */
                take_end(self, disk, nothing_known);
                return;
        }
        disk->done = (uint64_t) MAX(json_int(status, "current-progress", 0), 0);
        disk->total = (uint64_t) MAX(json_int(status, "total-progress", 0), 0);
        if (g_strcmp0(state, "concluded") == 0)
                take_end(self, disk, json_string(status, "error"));
}

static void on_jobs(void *data, JsonObject *answer, const GError *error) {
        Guest *guest = data;
        GuestBackup *self = guest->backup;
        uint64_t done = 0, total = 0;
        bool is_over = true;
        /* A QEMU that ends drops its jobs before it is gone: then the end of the guest is the reason. */
        if (error || !self || self->stage == GUEST_BACKUP_ENDS || guest->domain->state == DOMAIN_STOPPING)
                return;
        for (guint i = 0; i < self->disks->len; i++) {
                GuestBackupDisk *disk = self->disks->pdata[i];
                take_status(self, disk, json_find(json_array(answer, "return"), "id", disk->id));
                done += disk->done;
                total += disk->total;
                is_over &= disk->is_over;
        }
        if (self->backup && total > 0)
                backup_progress(self->backup, done, total);
        if (is_over)
                end(self);
}

static int on_due(sd_event_source *source, uint64_t usec, void *data) {
        Guest *guest = data;
        guest_backup_follow(guest);
        sd_event_source_set_time(source, usec + INTERVAL);
        return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

void guest_backup_follow(Guest *guest) {
        GuestBackup *self = guest->backup;
        if (!self || self->stage == GUEST_BACKUP_ENDS)
                return;
        monitor_command(guest->monitor, "query-jobs", NULL, -1, on_jobs, guest);
        if (!self->timer)
                sd_event_add_time_relative(guest->domain->connection->event, &self->timer, CLOCK_MONOTONIC, INTERVAL, 0, on_due,
                                           guest);
}

static void on_status_change(Guest *guest, JsonObject *unused) {
        (void) unused;
        if (guest->backup && (guest->backup->stage == GUEST_BACKUP_RUNS || guest->backup->is_asked))
                guest_backup_follow(guest);
}

/* QEMU answers an earlier driver's successor: what became of it meanwhile is told by a job of its own. */
static void found(Guest *guest) {
        GuestBackup *self = guest->backup;
        g_autoptr(GError) error = NULL;
        if (!self || self->operation)
                return;
        if (!self->backup)
                self->backup = backup_new(guest->domain, self->definition, self->started_by, self);
        if (self->stage == GUEST_BACKUP_ENDS)
                end(self);
        else if (self->is_asked) {
                self->is_asked = false;
                guest_backup_follow_stop(self, NULL);
        } else if (self->stage == GUEST_BACKUP_RUNS)
                guest_backup_follow(guest);
        else {
                domain_fail(guest->domain, &error, VIRTBUS_ERROR_CANCELLED,
                            "the driver had ended before its backup had begun: begin another");
                guest_backup_follow_stop(self, error);
        }
}

/* What callers ask */

void guest_backup_follow_finish(Backup *backup) {
        guest_backup_follow_stop(backup_data(backup), NULL);
}

void guest_backup_follow_cancel(Backup *backup) {
        GuestBackup *self = backup_data(backup);
        g_autoptr(GError) error = NULL;
        domain_fail(self->guest->domain, &error, VIRTBUS_ERROR_CANCELLED, "its backup was cancelled");
        if (!self->is_asked)
                guest_backup_follow_stop(self, error);
}

static void on_connected(Guest *guest, int fd, void *data) {
        Call *call = data;
        g_autofd int client = fd;
        g_autoptr(GError) error = NULL;
        if (guest && fd >= 0 && fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK) >= 0) {
                reply_job_backup_open(call, client);
                return;
        }
        if (!guest)
                virtbus_error_set(&error, VIRTBUS_ERROR_OPERATION_INVALID, "the domain has ended, and with it its backup");
        else
                domain_fail(guest->domain, &error, fd == -EAGAIN ? VIRTBUS_ERROR_RESOURCE_BUSY : VIRTBUS_ERROR_HYPERVISOR_FAILED,
                            "the socket of its backup cannot be opened: %s",
                            fd == -ESTALE ? "somebody has put something else in its place" : g_strerror(ABS(fd)));
        call_fail(call, error);
}

void guest_backup_follow_open(Backup *backup, Call *call) {
        const GuestBackup *self = backup_data(backup);
        g_autoptr(GError) error = NULL;
        if (self->socket && !self->is_asked && self->stage == GUEST_BACKUP_RUNS) {
                guest_connect(self->guest, self->socket, on_connected, call);
                return;
        }
        domain_fail(self->guest->domain, &error, VIRTBUS_ERROR_OPERATION_INVALID, "%s",
                    self->socket ? "its backup is at its end" : "its backup listens at an address: connect to that yourself");
        call_fail(call, error);
}

/* Its QEMU has ended, or goes on without this driver. What it had not written whole is nothing. */
static void forget(Guest *guest) {
        GuestBackup *self = guest->backup;
        Domain *domain = guest->domain;
        bool closing = domain->connection->closing, is_whole = self && self->stage == GUEST_BACKUP_ENDS && !self->error;
        g_autoptr(GError) error = NULL;
        if (!self)
                return;
        domain_fail(domain, &error, VIRTBUS_ERROR_CANCELLED,
                    closing ? "the driver is ending; QEMU goes on with the backup, and the next driver has a job for it"
                            : "it has ended, and with it its backup");
        if (!closing && !is_whole)
                guest_backup_files_remove(self, NULL);
        if (self->backup)
                backup_end(self->backup, is_whole ? NULL : error);
        guest_backup_drop(guest);
}

static const MonitorEvent events[] = {
        { "JOB_STATUS_CHANGE", PHASE_RUNNING, on_status_change },
        { NULL, 0, NULL },
};

const GuestModule guest_backup_follow_module = {
        .events = events,
        .found = found,
        .forget = forget,
};
