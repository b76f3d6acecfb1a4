/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/host/runtime.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "bus.h"
#include "errors.h"
#include "log.h"

#define ASIDE "ended"

/* How deep what QEMU's user has made there is followed. */
#define DEPTH_MAX 32

bool runtime_open(const char *runtime, GError **error) {
        g_autofree char *aside = g_build_filename(runtime, ASIDE, NULL);
        return mkdir(aside, 0700) == 0 || errno == EEXIST ||
               virtbus_error_set_errno(error, errno, "directory %s cannot be made", aside);
}

bool runtime_make(const char *directory, bool has_display, uid_t uid, gid_t gid, GError **error) {
        g_autofree char *theirs = g_build_filename(directory, RUNTIME_QEMU, NULL);
        bool is_other = uid != geteuid();
        bool fine = mkdir(directory, 0700) == 0;
        if (fine && has_display) /* QEMU's user goes through it to its own */
                fine = chmod(directory, is_other ? 0711 : 0700) == 0 && mkdir(theirs, 0700) == 0 &&
                       (!is_other || lchown(theirs, uid, gid) == 0);
        return fine || virtbus_error_set_errno(error, errno, "directory %s cannot be made", directory);
}

char *runtime_put_aside(const char *runtime, const char *uuid) {
        static unsigned n_put_aside;
        g_autofree char *from = g_build_filename(runtime, uuid, NULL),
                        *to = g_strdup_printf("%s/" ASIDE "/%s.%" PRId64 ".%u", runtime, uuid, g_get_monotonic_time(),
                                              n_put_aside++);
        if (rename(from, to) == 0)
                return g_steal_pointer(&to);
        if (errno != ENOENT)
                log_warning("directory %s cannot be put aside: %s", from, g_strerror(errno));
        return NULL;
}

void runtime_put_lost_aside(const Connection *connection, bool (*is_held)(const Connection *connection, const char *uuid)) {
        g_autoptr(GDir) listing = g_dir_open(connection->runtime_directory, 0, NULL);
        g_autoptr(GPtrArray) lost = g_ptr_array_new_with_free_func(g_free);
        for (const char *name; listing && (name = g_dir_read_name(listing));)
                if (g_uuid_string_is_valid(name) && !is_held(connection, name))
                        g_ptr_array_add(lost, g_strdup(name));
        for (guint i = 0; i < lost->len; i++)
                g_free(runtime_put_aside(connection->runtime_directory, lost->pdata[i]));
}

/* By descriptors: nothing outside is reached, whatever is put in the way meanwhile. */
static void remove_tree(int parent, const char *name, unsigned depth) {
        if (unlinkat(parent, name, AT_REMOVEDIR) == 0 || (errno == ENOTDIR && unlinkat(parent, name, 0) == 0))
                return;
        g_autofd int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        DIR *listing = fd >= 0 && depth < DEPTH_MAX ? fdopendir(fd) : NULL;
        if (!listing)
                return;
        int own = steal_fd(&fd);
        for (struct dirent *entry; (entry = readdir(listing));)
                if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
                        remove_tree(own, entry->d_name, depth + 1);
        closedir(listing);
        if (unlinkat(parent, name, AT_REMOVEDIR) < 0)
                log_warning("what a guest has left in %s cannot be removed: %s", name, g_strerror(errno));
}

void runtime_remove(const char *path) {
        remove_tree(AT_FDCWD, path, 0);
}

void runtime_sweep(const char *runtime) {
        g_autofree char *aside = g_build_filename(runtime, ASIDE, NULL);
        g_autoptr(GDir) listing = g_dir_open(aside, 0, NULL);
        for (const char *name; listing && (name = g_dir_read_name(listing));) {
                g_autofree char *path = g_build_filename(aside, name, NULL);
                runtime_remove(path);
        }
}
