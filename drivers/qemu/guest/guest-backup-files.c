/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/guest/guest-backup-files.h"

#include <errno.h>
#include <netdb.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/named-file.h"
#include "base/user-rights.h"
#include "bus.h"
#include "domain/owners-rights.h"
#include "domain/user-work.h"
#include "qemu/command/image-make.h"

/* Who may connect to the socket that a document names: its owner. */
#define SOCKET_MODE 0600

/* What is made for its QEMU, in the guest's folder. */
#define SOCKET_NAME "nbd"

/* How many clients may wait for QEMU to take them. */
#define BACKLOG 16

static void backup_file_free(void *data) {
        BackupFile *file = data;
        autofd_close(&file->fd);
        g_free(file->path);
        g_free(file->format);
        g_free(file);
}

void guest_backup_files_free(BackupOpening *opening) {
        g_ptr_array_unref(opening->files);
        autofd_close(&opening->listener);
        g_clear_pointer(&opening->socket, unix_socket_free);
        g_free(opening->path);
        g_free(opening->host);
        g_free(opening);
}

static BackupOpening *opening_new(const Domain *domain) {
        BackupOpening *opening = g_new0(BackupOpening, 1);
        *opening = (BackupOpening){
                .connection = domain->connection,
                .rights = owners_rights_of(domain),
                .owner = domain->owner,
                .listener = -1,
        };
        opening->files = g_ptr_array_new_with_free_func(backup_file_free);
        return opening;
}

static BackupFile *add_file(BackupOpening *opening, const char *path) {
        BackupFile *file = g_new0(BackupFile, 1);
        *file = (BackupFile){ .path = g_strdup(path), .fd = -1 };
        g_ptr_array_add(opening->files, file);
        return file;
}

/* In a worker */

static bool open_file(BackupFile *file, bool reuse, GError **error) {
        ImageTarget target = { .what = "backup", .path = file->path, .format = file->format, .size = file->size, .reuse = reuse };
        bool fine = image_open_target(&target, error);
        file->fd = target.fd;
        file->is_made = target.is_made;
        file->is_device = target.is_device;
        return fine;
}

static bool listen_at_path(BackupOpening *opening, GError **error) {
        int fd = unix_listen(opening->path, SOCKET_MODE, &opening->socket);
        if (fd < 0)
                return virtbus_error_set_errno(error, -fd, "cannot listen at %s", opening->path);
        opening->listener = fd;
        return true;
}

static int bind_to(const struct addrinfo *address) {
        const int on = 1;
        g_autofd int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0)
                return -errno;
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
        if (bind(fd, address->ai_addr, address->ai_addrlen) < 0 || listen(fd, BACKLOG) < 0)
                return -errno;
        return steal_fd(&fd);
}

/* Without a name, this machine's own clients alone. */
static bool listen_at_address(BackupOpening *opening, GError **error) {
        const struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG };
        const char *host = opening->host ? opening->host : "localhost";
        g_autofree char *port = g_strdup_printf("%u", opening->port);
        struct addrinfo *addresses = NULL;
        int r = getaddrinfo(host, port, &hints, &addresses);
        if (r != 0)
                return virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT, "the server's name '%.255s': %s", host,
                                         gai_strerror(r));
        r = -EADDRNOTAVAIL;
        for (const struct addrinfo *address = addresses; address && r < 0; address = address->ai_next)
                r = bind_to(address);
        freeaddrinfo(addresses);
        opening->listener = r < 0 ? -1 : r;
        return r >= 0 || virtbus_error_set_errno(error, -r, "cannot listen at %s, port %u", host, opening->port);
}

static bool open_all(BackupOpening *opening, GError **error) {
        for (guint i = 0; i < opening->files->len; i++)
                if (!open_file(opening->files->pdata[i], opening->reuse, error))
                        return false;
        return !opening->listens || opening->is_own ||
               (opening->path ? listen_at_path(opening, error) : listen_at_address(opening, error));
}

/* Those that were made, or were only for QEMU to have: that of its scratch files is done with once they are open. */
static void remove_names(const BackupOpening *opening, bool scratch_alone) {
        for (guint i = 0; i < opening->files->len; i++) {
                BackupFile *file = opening->files->pdata[i];
                if (!file->is_made || (scratch_alone && !file->pulls))
                        continue;
                named_file_remove(file->path);
                file->is_made = false;
        }
}

static void open_in_worker(void *data, GError **error) {
        BackupOpening *opening = data;
        g_autoptr(UserRights) rights = NULL;
        bool fine = false;
        if (user_rights_find(opening->rights, &rights, error) && user_rights_enter(rights, error)) {
                fine = open_all(opening, error);
                remove_names(opening, fine);
        }
        user_rights_leave(rights);
        if (fine && opening->listens && opening->is_own)
                listen_at_path(opening, error);
}

static void remove_in_worker(void *data, GError **error) {
        const BackupOpening *opening = data;
        g_autoptr(UserRights) rights = NULL;
        if (user_rights_find(opening->rights, &rights, error) && user_rights_enter(rights, error)) {
                remove_names(opening, false);
                if (opening->socket)
                        unix_remove(opening->socket, (uid_t) -1);
        }
        user_rights_leave(rights);
}

static void on_removed(void *data, const GError *error) {
        BackupOpening *opening = data;
        Guest *guest = opening->guest;
        void (*removed)(Guest * guest) = opening->removed;
        (void) error;
        guest_backup_files_free(opening);
        if (!removed || !guest)
                return;
        guest->backup_opening = NULL;
        removed(guest);
}

void guest_backup_files_give_up(BackupOpening *opening) {
        user_work_undo(opening->connection, opening->owner, remove_in_worker, on_removed, opening);
}

void guest_backup_files_remove(const GuestBackup *self, void (*done)(Guest *guest)) {
        BackupOpening *opening = opening_new(self->guest->domain);
        for (guint i = 0; i < self->disks->len; i++) {
                const GuestBackupDisk *disk = self->disks->pdata[i];
                if (disk->is_made)
                        add_file(opening, disk->path)->is_made = true;
        }
        if (done) {
                opening->guest = self->guest;
                opening->removed = done;
                self->guest->backup_opening = opening;
        }
        guest_backup_files_give_up(opening);
}

static void on_opened(void *data, const GError *error) {
        BackupOpening *opening = data;
        opening->is_open = true;
        opening->opened(opening, error);
}

void guest_backup_files_open(const GuestBackup *self, bool reuse, void (*opened)(BackupOpening *opening, const GError *error)) {
        const Domain *domain = self->guest->domain;
        const BackupDefinition *definition = self->definition;
        BackupOpening *opening = opening_new(domain);
        opening->guest = self->guest;
        opening->reuse = reuse;
        opening->opened = opened;
        for (guint i = 0; i < self->disks->len; i++) {
                const GuestBackupDisk *disk = self->disks->pdata[i];
                BackupFile *file = add_file(opening, disk->path);
                file->format = g_strdup(guest_backup_disk(self, i)->format);
                file->size = disk->size;
                file->pulls = definition->pulls;
        }
        opening->listens = definition->pulls;
        opening->is_own = !definition->has_server;
        opening->path = opening->is_own ? g_build_filename(self->guest->directory, SOCKET_NAME, NULL)
                                        : g_strdup(definition->socket);
        opening->host = g_strdup(definition->host);
        opening->port = definition->port;
        self->guest->backup_opening = opening;
        user_work_run(domain->connection, domain->owner, open_in_worker, on_opened, opening);
}
