/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/guest/fd-sets.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/named-file.h"

struct FdSets {
        GHashTable *removed; /* gint64: while the guest was paused */
        GPtrArray *idle;     /* LentFile: that a paused guest has, and nobody uses */
};

static void tell(const Guest *guest, gint64 set) {
        monitor_command(guest->monitor, "remove-fd", json_make("fdset-id", 'i', set, NULL), -1, NULL, NULL);
}

bool fd_sets_stay(const Guest *guest) {
        return guest->domain->state != DOMAIN_RUNNING;
}

void fd_sets_remove(Guest *guest, Script *script, gint64 set) {
        if (script)
                script_add_command(script, "remove-fd", json_make("fdset-id", 'i', set, NULL));
        else
                tell(guest, set);
        if (fd_sets_stay(guest))
                g_hash_table_add(guest->fd_sets->removed, g_memdup2(&set, sizeof set));
}

/* Files that are lent */

void lent_file_free(LentFile *file) {
        autofd_close(&file->file);
        autofd_close(&file->writer);
        g_free(file);
}

/* As it was when it was new. */
static bool empty(const LentFile *file) {
        return ftruncate(file->file, 0) == 0 && lseek(file->writer, 0, SEEK_SET) == 0;
}

LentFile *fd_sets_lend(Guest *guest, GError **error) {
        GPtrArray *idle = guest->fd_sets->idle;
        g_autoptr(LentFile) file = idle->len > 0 ? g_ptr_array_steal_index(idle, idle->len - 1) : NULL;
        if (!file) {
                file = g_new0(LentFile, 1);
                *file = (LentFile){ .file = memfd_create("virtbus-lent", MFD_CLOEXEC), .writer = -1, .set = -1, .number = -1 };
                file->writer = file->file >= 0 ? named_file_use(file->file, O_WRONLY) : -1;
        }
        if (file->writer >= 0 && empty(file))
                return g_steal_pointer(&file);
        virtbus_error_set_errno(error, errno, "a file in memory cannot be made");
        return NULL;
}

void fd_sets_take_back(Guest *guest, LentFile *file) {
        if (file->set >= 0 && fd_sets_stay(guest)) {
                g_ptr_array_add(guest->fd_sets->idle, file);
                return;
        }
        if (file->set >= 0)
                tell(guest, file->set);
        lent_file_free(file);
}

/* A guest's part */

static void begin(Guest *guest) {
        guest->fd_sets = g_new0(struct FdSets, 1);
        *guest->fd_sets = (struct FdSets){
                .removed = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL),
                .idle = g_ptr_array_new_with_free_func((GDestroyNotify) lent_file_free),
        };
}

static void resumed(Guest *guest) {
        GHashTableIter iterator;
        void *set;
        g_hash_table_iter_init(&iterator, guest->fd_sets->removed);
        while (g_hash_table_iter_next(&iterator, &set, NULL))
                tell(guest, *(gint64 *) set);
        g_hash_table_remove_all(guest->fd_sets->removed);
        for (guint i = 0; i < guest->fd_sets->idle->len; i++)
                tell(guest, ((const LentFile *) guest->fd_sets->idle->pdata[i])->set);
        g_ptr_array_set_size(guest->fd_sets->idle, 0);
}

static void forget(Guest *guest) {
        g_hash_table_unref(guest->fd_sets->removed);
        g_ptr_array_unref(guest->fd_sets->idle);
        g_clear_pointer(&guest->fd_sets, g_free);
}

const GuestModule fd_sets_module = {
        .begin = begin,
        .resumed = resumed,
        .forget = forget,
};
