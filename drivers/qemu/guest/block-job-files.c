/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/guest/block-job-files.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/named-file.h"
#include "base/user-rights.h"
#include "bus.h"
#include "domain/owners-rights.h"
#include "domain/user-work.h"
#include "qemu/command/image-make.h"

static void written_free(Written *written) {
        autofd_close(&written->fd);
        g_free(written->path);
        g_free(written->by);
        g_free(written);
}

void block_job_files_free(BlockOpening *opening) {
        char *strings[] = { opening->alias,        opening->header, opening->below,         opening->named, opening->path,
                            opening->below_format, opening->format, opening->source_format, opening->source };
        for (size_t i = 0; i < G_N_ELEMENTS(strings); i++)
                g_free(strings[i]);
        autofd_close(&opening->fd);
        g_ptr_array_unref(opening->written);
        g_free(opening);
}
BlockOpening *block_job_files_new(Guest *guest, DiskJobKind kind, const char *alias) {
        BlockOpening *opening = g_new0(BlockOpening, 1);
        *opening = (BlockOpening){ .guest = guest, .kind = kind, .alias = g_strdup(alias), .fd = -1 };
        opening->written = g_ptr_array_new_with_free_func((GDestroyNotify) written_free);
        return opening;
}

void block_job_files_add(BlockOpening *opening, uint32_t index, uint32_t below, const char *path, const char *by) {
        Written *written = g_new0(Written, 1);
        *written = (Written){ .index = index, .below = below, .path = g_strdup(path), .by = g_strdup(by), .fd = -1 };
        g_ptr_array_add(opening->written, written);
}

/* In a worker */

static bool name_below(BlockOpening *opening, GError **error) {
        g_autofd int fd = image_open_to_look(opening->header, error);
        if (fd < 0)
                return false;
        g_autofree char *old = image_backing_name(fd);
        opening->named = image_choose_name(opening->path ? opening->path : opening->header, old, opening->below);
        return true;
}

static bool make_copy(BlockOpening *opening, GError **error) {
        ImageTarget target = { .what = "copy",
                               .path = opening->path,
                               .format = opening->format,
                               .backing = opening->named,
                               .backing_format = opening->below_format,
                               .reuse = opening->reuse };
        g_autofd int source = image_open_to_look(opening->source, error);
        if (source < 0 || !image_size(source, opening->source, opening->source_format, &target.size, error))
                return false;
        bool fine = image_open_target(&target, error);
        opening->fd = target.fd;
        opening->is_made = target.is_made;
        opening->is_device = target.is_device;
        return fine;
}

static void open_all(BlockOpening *opening, GError **error) {
        for (guint i = 0; i < opening->written->len; i++) {
                Written *written = opening->written->pdata[i];
                written->fd = image_open_to_write(written->path, written->by, error);
                if (written->fd < 0)
                        return;
        }
        if (opening->header && !name_below(opening, error))
                return;
        if (opening->path && !make_copy(opening, error) && opening->is_made)
                named_file_remove(opening->path);
}

/* With the rights of its domain. */
static void open_in_worker(void *data, GError **error) {
        BlockOpening *opening = data;
        g_autoptr(UserRights) rights = NULL;
        if (user_rights_find(opening->rights, &rights, error) && user_rights_enter(rights, error))
                open_all(opening, error);
        user_rights_leave(rights);
}

static void remove_made(void *data, GError **error) {
        const BlockOpening *opening = data;
        g_autoptr(UserRights) rights = NULL;
        if (user_rights_find(opening->rights, &rights, error) && user_rights_enter(rights, error))
                named_file_remove(opening->path);
        user_rights_leave(rights);
}

static void on_made_removed(void *data, const GError *error) {
        (void) error;
        block_job_files_free(data);
}

/* What was made for a job that does not begin goes. */
void block_job_files_give_up(BlockOpening *opening) {
        if (opening->is_made)
                user_work_undo(opening->connection, opening->owner, remove_made, on_made_removed, opening);
        else
                block_job_files_free(opening);
}

static void set_whose(BlockOpening *opening, const Domain *domain) {
        opening->connection = domain->connection;
        opening->rights = owners_rights_of(domain);
        opening->owner = domain->owner;
}

void block_job_files_remove(const Domain *domain, const char *path) {
        BlockOpening *opening = block_job_files_new(NULL, DISK_COPY, "");
        set_whose(opening, domain);
        opening->path = g_strdup(path);
        opening->is_made = true;
        block_job_files_give_up(opening);
}

static void on_done(void *data, const GError *error) {
        BlockOpening *opening = data;
        opening->is_open = true;
        opening->opened(opening, error);
}

void block_job_files_open(const Domain *domain, BlockOpening *opening) {
        set_whose(opening, domain);
        user_work_run(domain->connection, opening->owner, open_in_worker, on_done, opening);
}
