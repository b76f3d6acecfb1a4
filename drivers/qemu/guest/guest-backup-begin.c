/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/guest/guest-backup-begin.h"

#include <string.h>

#include "bus.h"
#include "domain/checkpoint.h"
#include "domain/domain-status.h"
#include "domain/operations/backup-begin.h"
#include "domain/owners-rights.h"
#include "qemu/guest/guest-backup-files.h"
#include "qemu/guest/guest-backup-follow.h"
#include "qemu/guest/guest-backup-tls.h"
#include "qemu/guest/guest-secrets.h"
#include "qemu/guest/node-bitmap.h"
#include "qemu/guest/nodes.h"
#include "qemu/guest/plugging.h"
#include "qemu/guest/qemu-words.h"

static Operation *operation_of(const Guest *guest) {
        return guest->backup ? guest->backup->operation : NULL;
}

/* Nothing of it has begun. */
static void fail(Guest *guest, const GError *failure) {
        Operation *operation = operation_of(guest);
        g_autoptr(GError) error = g_error_copy(failure);
        guest_backup_drop(guest);
        domain_save_status(guest->domain);
        backup_begin_done(operation, error);
}

/* QEMU is told */

static void add_file(Guest *guest, Script *script, guint index, BackupFile *file, unsigned set, const char *backing) {
        g_autofree char *name = g_strdup_printf("/dev/fdset/%u", set), *storage = guest_backup_node(index, "storage"),
                        *format = guest_backup_node(index, "format");
        JsonObject *of_storage = json_make("driver", 's', file->is_device ? "host_device" : "file", "node-name", 's', storage,
                                           "filename", 's', name, "read-only", 'b', FALSE, NULL),
                   *of_format = json_make("driver", 's', file->format, "node-name", 's', format, "file", 's', storage,
                                          "read-only", 'b', FALSE, NULL);
        if (backing)
                json_add(of_format, "backing", 's', backing, NULL);
        else if (strcmp(file->format, "qcow2") == 0)
                json_add(of_format, "backing", 'n', NULL);
        nodes_add_image(guest, script, set, GUEST_BACKUP_SETS, steal_fd(&file->fd), of_storage, of_format);
}

/* What was written since the checkpoint, as it is at the instant of the backup: it goes with the scratch image. */
static void add_exported_bitmap(JsonArray *actions, const char *node, const char *name, const char *from, const char *bitmap) {
        JsonObject *merge = json_make("node", 's', node, "target", 's', name, NULL);
        JsonArray *sources = json_array_new();
        json_array_add_object_element(sources, json_make("node", 's', from, "name", 's', bitmap, NULL));
        json_object_set_array_member(merge, "bitmaps", sources);
        node_bitmap_add_action(actions, "block-dirty-bitmap-add",
                               json_make("node", 's', node, "name", 's', name, "persistent", 'b', FALSE, "disabled", 'b', TRUE,
                                         NULL));
        node_bitmap_add_action(actions, "block-dirty-bitmap-merge", merge);
}

static void add_disk(JsonArray *actions, const GuestBackup *self, guint index) {
        const GuestBackupDisk *disk = self->disks->pdata[index];
        g_autofree char *node = node_bitmap_disk_node(self->guest->domain, disk->target),
                        *target = guest_backup_node(index, "format"), *filter = guest_backup_node(index, "filter");
        bool pulls = self->definition->pulls;
        JsonObject *data = json_make("job-id", 's', disk->id, "device", 's', node, "target", 's', target, "sync", 's',
                                     pulls          ? "none"
                                     : disk->bitmap ? "bitmap"
                                                    : "full",
                                     "filter-node-name", 's', filter, "auto-dismiss", 'b', FALSE, NULL);
        if (disk->bitmap && pulls)
                add_exported_bitmap(actions, target, guest_backup_disk(self, index)->bitmap, node, disk->bitmap);
        else if (disk->bitmap) /* which stays as it is: it is its checkpoint's */
                json_add(data, "bitmap", 's', disk->bitmap, "bitmap-mode", 's', "never", NULL);
        node_bitmap_add_action(actions, "blockdev-backup", data);
}

static void add_transaction(Script *script, const GuestBackup *self) {
        const CheckpointDefinition *checkpoint = backup_begin_request(self->operation)->checkpoint;
        JsonObject *arguments = json_object_new();
        JsonArray *actions = json_array_new();
        for (guint i = 0; i < self->disks->len; i++)
                add_disk(actions, self, i);
        for (guint i = 0; checkpoint && i < checkpoint->disks->len; i++) {
                const CheckpointDisk *disk = checkpoint->disks->pdata[i];
                g_autofree char *node = disk->is_in ? node_bitmap_disk_node(self->guest->domain, disk->name) : NULL;
                if (node)
                        node_bitmap_add_new(actions, node, disk->bitmap);
        }
        json_object_set_array_member(arguments, "actions", actions);
        script_add_command(script, "transaction", arguments);
}

/* After it */

static void begun(Guest *guest) {
        GuestBackup *self = guest->backup;
        Operation *operation = g_steal_pointer(&self->operation);
        self->stage = GUEST_BACKUP_RUNS;
        self->backup = backup_new(guest->domain, self->definition, self->started_by, self);
        domain_save_status(guest->domain);
        backup_begin_done(operation, NULL);
        guest_backup_follow(guest);
}

/* Where it cannot be read, it is given up: then the operation ends. */
static void on_exported(void *data, const GError *error) {
        Guest *guest = data;
        if (!guest->backup)
                return;
        if (error)
                guest_backup_follow_stop(guest->backup, error);
        else
                begun(guest);
}

static void export_disks(Guest *guest) {
        const GuestBackup *self = guest->backup;
        Script *script = guest_script_new(guest);
        for (guint i = 0; i < self->disks->len; i++) {
                const BackupDisk *disk = guest_backup_disk(self, i);
                g_autofree char *id = guest_backup_node(i, "export"), *node = guest_backup_node(i, "format");
                JsonObject *arguments = json_make("type", 's', "nbd", "id", 's', id, "node-name", 's', node, "name", 's',
                                                  disk->export_name, "writable", 'b', FALSE, NULL);
                if (disk->bitmap) {
                        JsonArray *bitmaps = json_array_new();
                        json_array_add_string_element(bitmaps, disk->bitmap);
                        json_object_set_array_member(arguments, "bitmaps", bitmaps);
                }
                script_add_command(script, "block-export-add", arguments);
        }
        script_run(script, on_exported, guest);
}

static void forget_files(Guest *guest) {
        static const char *const whats[] = { "format", "storage" };
        for (guint i = 0; i < guest->backup->disks->len; i++)
                for (size_t k = 0; k < G_N_ELEMENTS(whats); k++) {
                        g_autofree char *name = guest_backup_node(i, whats[k]);
                        nodes_forget(guest, name);
                }
        if (guest->monitor && monitor_is_there(guest->monitor))
                nodes_sweep(guest, GUEST_BACKUP_SETS, NULL, NULL);
}

static void on_transaction(void *data, const GError *failure) {
        Guest *guest = data;
        GuestBackup *self = guest->backup;
        g_autoptr(GError) error = NULL;
        if (!self)
                return;
        guest_secrets_close(guest);
        if (failure) {
                if (qemu_cannot_open_key(failure->message))
                        qemu_fail_key(guest->domain, failure->message, &error);
                else
                        domain_fail(guest->domain, &error, VIRTBUS_ERROR_HYPERVISOR_FAILED, "the backup cannot begin: %.512s",
                                    failure->message);
                forget_files(guest);
                guest_backup_files_remove(self, NULL);
                if (self->socket)
                        guest_remove_sockets(guest, 0, self->socket);
                fail(guest, error);
        } else if (self->definition->pulls)
                export_disks(guest);
        else
                begun(guest);
}

static void tell(Guest *guest, BackupOpening *opening, unsigned first_set) {
        GuestBackup *self = guest->backup;
        Script *script = guest_script_new(guest);
        g_autoptr(GError) error = NULL;
        for (guint i = 0; i < self->disks->len; i++)
                ((GuestBackupDisk *) self->disks->pdata[i])->is_made = ((BackupFile *) opening->files->pdata[i])->is_made;
        if (opening->socket) {
                self->socket = g_strdup(opening->path);
                g_ptr_array_add(guest->sockets, unix_socket_copy(opening->socket));
        }
        if (opening->listener >= 0) {
                JsonObject *address =
                                json_make("type", 's', "fd", "data", 'o', json_make("str", 's', GUEST_BACKUP_SETS, NULL), NULL);
                g_autofree char *credentials = guest_backup_tls_add(self, script);
                script_add(script, monitor_request_new("getfd", json_make("fdname", 's', GUEST_BACKUP_SETS, NULL),
                                                       steal_fd(&opening->listener)));
                script_add_command(script, "nbd-server-start",
                                   json_make("addr", 'o', address, "tls-creds", 's', credentials, NULL));
                script_undo_by(script, "nbd-server-stop", json_object_new());
        }
        for (guint i = 0; i < self->disks->len; i++) {
                const GuestBackupDisk *disk = self->disks->pdata[i];
                g_autofree char *below = self->definition->pulls ? node_bitmap_disk_node(guest->domain, disk->target) : NULL;
                add_file(guest, script, i, opening->files->pdata[i], first_set + i, below);
        }
        add_transaction(script, self);
        guest_backup_tls_forget(self);
        guest_backup_files_free(opening);
        /* Whoever follows this driver knows of it before QEMU does. */
        if (domain_save_status(guest->domain)) {
                script_run(script, on_transaction, guest);
                return;
        }
        g_hash_table_remove(guest->scripts, script);
        domain_fail(guest->domain, &error, VIRTBUS_ERROR_LIMIT_EXCEEDED,
                    "the backup cannot be written down in %s: make space there", guest->domain->connection->runtime_directory);
        on_transaction(guest, error);
}

static void on_sets_known(void *data, JsonObject *answer, const GError *error) {
        Guest *guest = data;
        BackupOpening *opening = g_steal_pointer(&guest->backup_opening);
        if (!opening)
                return;
        if (!error) {
                tell(guest, opening, plugging_last_fdset(answer) + 1);
                return;
        }
        guest_backup_files_give_up(opening);
        fail(guest, error);
}

static void on_opened(BackupOpening *opening, const GError *failure) {
        Guest *guest = opening->guest;
        g_autoptr(GError) error = NULL;
        if (!guest) {
                guest_backup_files_give_up(opening);
                return;
        }
        if (failure)
                domain_fail(guest->domain, &error, virtbus_error_code(failure), "%s", failure->message);
        else
                guest_check_monitor(guest->domain, &error);
        if (!error) {
                monitor_command(guest->monitor, "query-fdsets", NULL, -1, on_sets_known, guest);
                return;
        }
        guest->backup_opening = NULL;
        guest_backup_files_give_up(opening);
        fail(guest, error);
}

/* What there is */

/* The newest checkpoint that a disk could be taken since; NULL: there is none. */
static const char *find_good(const Domain *domain, const char *target, JsonObject *node) {
        for (guint i = checkpoints_count(domain); i-- > 0;) {
                const CheckpointDefinition *definition = checkpoints_at(domain, i)->definition;
                const CheckpointDisk *disk = checkpoint_definition_find(definition, target);
                if (disk && disk->is_in && node_bitmap_counts(node_bitmap_find(node, disk->bitmap)))
                        return definition->name;
        }
        return NULL;
}

static bool check_node(const GuestBackup *self, guint index, JsonObject *node, GError **error) {
        const Domain *domain = self->guest->domain;
        GuestBackupDisk *disk = self->disks->pdata[index];
        const CheckpointDisk *since = backup_begin_since(domain, guest_backup_disk(self, index));
        gint64 size = json_int(json_member(node, "image"), "virtual-size", -1);
        if (!node || size < 0)
                return domain_fail(domain, error, VIRTBUS_ERROR_HYPERVISOR_FAILED, "disk '%s': QEMU has no image of it",
                                   disk->target);
        disk->size = (uint64_t) size;
        if (!since)
                return true;
        disk->bitmap = g_strdup(since->bitmap);
        if (node_bitmap_counts(node_bitmap_find(node, disk->bitmap)))
                return true;
        const char *good = find_good(domain, disk->target, node);
        return domain_fail(domain, error, VIRTBUS_ERROR_OPERATION_INVALID,
                           "disk '%s': the bitmap of checkpoint '%s' is broken, or not in its image: %s%s%s", disk->target,
                           guest_backup_disk(self, index)->incremental, good ? "take it since '" : "take it whole",
                           good ? good : "", good ? "', or whole" : "");
}

static void on_prepared(Guest *guest, const GError *error) {
        g_autoptr(GError) named = NULL;
        if (!error) {
                guest_backup_files_open(guest->backup, backup_begin_request(guest->backup->operation)->reuse, on_opened);
                return;
        }
        guest_secrets_close(guest);
        domain_fail(guest->domain, &named, virtbus_error_code(error), "%s", error->message);
        fail(guest, named);
}

static void on_nodes(void *data, JsonObject *answer, const GError *failure) {
        Guest *guest = data;
        const GuestBackup *self = guest->backup;
        g_autoptr(GError) error = failure ? g_error_copy(failure) : NULL;
        if (!self)
                return;
        for (guint i = 0; !error && i < self->disks->len; i++) {
                const GuestBackupDisk *disk = self->disks->pdata[i];
                g_autofree char *name = node_bitmap_disk_node(guest->domain, disk->target);
                check_node(self, i, name ? node_bitmap_find_node(answer, name) : NULL, &error);
        }
        if (error)
                fail(guest, error);
        else
                guest_backup_tls_prepare(guest, on_prepared);
}

/* What is asked for */

static bool has_encryption(const BackupDisk *disk) {
        return disk->parameter && xml_child(disk->parameter, "encryption");
}

static bool check_disk(const Domain *domain, const BackupRequest *request, const BackupDisk *disk, GError **error) {
        if (has_encryption(disk))
                return domain_fail(domain, error, VIRTBUS_ERROR_UNSUPPORTED,
                                   "disk '%s': its backup cannot be encrypted: leave <encryption> out, and keep the file where "
                                   "nobody else reads it",
                                   disk->name);
        return !disk->incremental || request->definition->pulls || request->reuse || strcmp(disk->format, "raw") != 0 ||
               domain_fail(domain, error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                           "disk '%s': an incremental backup of type raw cannot tell which parts it has: use type qcow2, or name "
                           "the backup "
                           "to write into, with the option reuse",
                           disk->name);
}

static bool check_server(const Domain *domain, const BackupDefinition *definition, GError **error) {
        if (!definition->has_server)
                return true;
        if (definition->has_tls && owners_rights_of(domain) != USER_RIGHTS_ALL)
                return domain_fail(domain, error, VIRTBUS_ERROR_ACCESS_DENIED,
                                   "it has its owner's rights alone, and the machine's certificates are not its owner's: use a "
                                   "unix socket without TLS, or Job.Backup.Open");
        if (!definition->socket && definition->port == 0)
                return domain_fail(domain, error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                   "the backup's <server> has no port: 10809 is usual; or use transport='unix'");
        return definition->socket || owners_rights_of(domain) == USER_RIGHTS_ALL ||
               domain_fail(domain, error, VIRTBUS_ERROR_ACCESS_DENIED,
                           "it has its owner's rights alone, and cannot listen at an address: use a unix socket, or "
                           "Job.Backup.Open");
}

static bool check(const Domain *domain, const BackupRequest *request, GError **error) {
        g_autoptr(GHashTable) paths = g_hash_table_new(g_str_hash, g_str_equal);
        for (guint i = 0; i < request->definition->disks->len; i++) {
                const BackupDisk *disk = request->definition->disks->pdata[i];
                if (disk->is_in && !check_disk(domain, request, disk, error))
                        return false;
                if (disk->is_in && !g_hash_table_add(paths, disk->path))
                        return domain_fail(domain, error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                           "disk '%s' has the file of another disk", disk->name);
        }
        return check_server(domain, request->definition, error) && guest_check_monitor(domain, error);
}

void guest_backup_begin(Operation *operation) {
        const BackupRequest *request = backup_begin_request(operation);
        Domain *domain = operation->domain;
        Guest *guest = domain->run;
        g_autoptr(GError) error = NULL;
        if (!check(domain, request, &error)) {
                backup_begin_done(operation, error);
                return;
        }
        GuestBackup *self = guest_backup_keep(guest, request->definition);
        self->operation = operation;
        self->started_by = request->started_by;
        for (guint i = 0; i < domain->live->devices->len; i++) {
                const DeviceDefinition *device = domain->live->devices->pdata[i];
                const BackupDisk *disk = device->device_class == DEVICE_DISK
                                                         ? tree_disk_find(request->definition->disks, device->target)
                                                         : NULL;
                if (!disk || !disk->is_in)
                        continue;
                GuestBackupDisk *added = guest_backup_add(self, disk->name);
                added->alias = g_strdup(device->alias);
                added->path = g_strdup(disk->path);
                added->id = g_strdup_printf("virtbus-backup-%s-%u", disk->name, g_random_int());
        }
        monitor_command(guest->monitor, "query-named-block-nodes", json_make("flat", 'b', TRUE, NULL), -1, on_nodes, guest);
}

/* What a worker still opens is given up when it is open. */
static void forget(Guest *guest) {
        BackupOpening *opening = g_steal_pointer(&guest->backup_opening);
        if (!opening)
                return;
        opening->guest = NULL;
        if (opening->is_open)
                guest_backup_files_give_up(opening);
}

const GuestModule guest_backup_begin_module = {
        .forget = forget,
};
