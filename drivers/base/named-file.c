/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/named-file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/walk.h"
#include "bus.h"
#include "errors.h"

/* Also tells errno, for who would do without it. */
static void explain(const char *what, const char *path, const Walked *walked, GError **error) {
        if (walked->fault)
                virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT, "%s %.256s is not opened: %.256s %s", what, path,
                                  walked->at, walked->fault);
        else
                virtbus_error_set_errno(error, walked->failure, "%s %s cannot be opened", what, path);
        errno = walked->fault ? ELOOP : walked->failure;
}

int named_file_find(const char *what, const char *path, struct stat *info, GError **error) {
        bool is_searchable;
        return named_file_find_public(what, path, info, &is_searchable, error);
}

int named_file_find_public(const char *what, const char *path, struct stat *info, bool *is_searchable, GError **error) {
        Walked walked;
        int found = walk_find(path, WALK_NO_LINKS, &walked);
        *info = walked.info;
        *is_searchable = walked.is_searchable;
        if (found < 0)
                explain(what, path, &walked, error);
        return found;
}

int named_file_use(int found, int flags) {
        char path[32];
        snprintf(path, sizeof path, "/proc/self/fd/%d", found);
        g_autofd int fd = open(path, flags | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        bool waits = !(flags & O_NONBLOCK);
        return fd < 0 || (waits && fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK) < 0) ? -1 : steal_fd(&fd);
}

static int check_and_use(const char *what, const char *path, int found, int flags, bool devices, const struct stat *info,
                         GError **error) {
        bool is_kind = S_ISREG(info->st_mode) || (devices && S_ISCHR(info->st_mode));
        if (!is_kind || walk_is_of_processes(found)) {
                virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT, "%s %s is not a file", what, path);
                return -1;
        }
        int fd = named_file_use(found, flags);
        if (fd < 0)
                virtbus_error_set_errno(error, errno, "%s %s cannot be opened", what, path);
        return fd;
}

int named_file_open(const char *what, const char *path, int flags, bool devices, struct stat *info, GError **error) {
        g_autofd int found = named_file_find(what, path, info, error);
        return found < 0 ? -1 : check_and_use(what, path, found, flags, devices, info, error);
}

/* Finds the folder of a path; *NAME is its last part. */
static int find_folder(const char *what, const char *path, bool makes, const char **name, GError **error) {
        Walked walked;
        g_autofree char *folder = g_path_get_dirname(path);
        const char *slash = strrchr(path, '/');
        *name = slash ? slash + 1 : path;
        int found = makes ? walk_make(folder, &walked) : walk_find(folder, WALK_NO_LINKS, &walked);
        if (found < 0)
                explain(what, path, &walked, error);
        return found;
}

static int make(const char *what, const char *path, int folder, const char *name, int flags, GError **error) {
        int fd = openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC | flags, 0600);
        if (fd < 0)
                virtbus_error_set_errno(error, errno, "%s %s cannot be written", what, path);
        return fd;
}

int named_file_append(const char *what, const char *path, struct stat *info, GError **error) {
        g_autoptr(GError) failure = NULL;
        const char *name;
        g_autofd int found = named_file_find(what, path, info, &failure);
        if (found >= 0)
                return check_and_use(what, path, found, O_WRONLY | O_APPEND | O_NONBLOCK, true, info, error);
        if (errno != ENOENT) {
                g_propagate_error(error, g_steal_pointer(&failure));
                return -1;
        }
        g_autofd int folder = find_folder(what, path, false, &name, error);
        g_autofd int fd = folder < 0 ? -1 : make(what, path, folder, name, O_APPEND | O_NONBLOCK, error);
        if (fd >= 0 && fstat(fd, info) < 0) {
                virtbus_error_set_errno(error, errno, "%s %s cannot be written", what, path);
                return -1;
        }
        return steal_fd(&fd);
}

int named_file_make(const char *what, const char *path, bool makes_folders, GError **error) {
        const char *name;
        g_autofd int folder = find_folder(what, path, makes_folders, &name, error);
        return folder < 0 ? -1 : make(what, path, folder, name, 0, error);
}

static bool write_all(int fd, const char *contents, size_t length) {
        while (length > 0) {
                ssize_t n = write(fd, contents, length);
                if (n < 0 && errno != EINTR)
                        return false;
                contents += MAX(n, 0);
                length -= (size_t) MAX(n, 0);
        }
        return true;
}

bool named_file_write(const char *what, const char *path, const char *contents, size_t length, GError **error) {
        const char *name;
        g_autofree char *aside = g_strdup_printf("%s.%08x", path, g_random_int());
        g_autofd int folder = find_folder(what, path, true, &name, error);
        const char *aside_name = strrchr(aside, '/') + 1;
        g_autofd int fd = folder < 0 ? -1 : make(what, path, folder, aside_name, 0, error);
        if (fd < 0)
                return false;
        if (write_all(fd, contents, length) && fsync(fd) == 0 && renameat(folder, aside_name, folder, name) == 0)
                return true;
        virtbus_error_set_errno(error, errno, "%s %s cannot be written", what, path);
        unlinkat(folder, aside_name, 0);
        return false;
}

bool named_file_rename(const char *what, const char *from, const char *to, GError **error) {
        const char *old, *new;
        g_autofd int folder = find_folder(what, from, false, &old, error);
        if (folder < 0)
                return false;
        new = strrchr(to, '/') + 1;
        if (renameat(folder, old, folder, new) < 0)
                return virtbus_error_set_errno(error, errno, "%s %s cannot be written", what, to);
        g_autofd int durable = named_file_use(folder, O_RDONLY | O_DIRECTORY);
        if (durable >= 0)
                fsync(durable);
        return true;
}

void named_file_remove(const char *path) {
        const char *name;
        g_autofd int folder = find_folder("file", path, false, &name, NULL);
        if (folder >= 0)
                unlinkat(folder, name, 0);
}

int named_file_make_unnamed(const char *what, const char *path, GError **error) {
        const char *name;
        struct stat info;
        g_autofd int folder = find_folder(what, path, false, &name, error);
        if (folder < 0)
                return -1;
        if (fstatat(folder, name, &info, AT_SYMLINK_NOFOLLOW) == 0) {
                virtbus_error_set_errno(error, EEXIST, "%s %s cannot be written", what, path);
                errno = EEXIST;
                return -1;
        }
        int fd = openat(folder, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600), code = errno;
        if (fd < 0)
                virtbus_error_set_errno(error, code, "%s %s cannot be written", what, path);
        errno = code;
        return fd;
}

bool named_file_name(const char *what, int fd, const char *path, GError **error) {
        const char *name;
        char unnamed[32];
        g_autofd int folder = find_folder(what, path, false, &name, error);
        snprintf(unnamed, sizeof unnamed, "/proc/self/fd/%d", fd);
        if (folder < 0)
                return false;
        return linkat(AT_FDCWD, unnamed, folder, name, AT_SYMLINK_FOLLOW) == 0 ||
               virtbus_error_set_errno(error, errno, "%s %s cannot be written", what, path);
}

bool named_file_keep(const char *path) {
        const char *name;
        g_autofd int folder = find_folder("file", path, false, &name, NULL);
        g_autofd int durable = folder < 0 ? -1 : named_file_use(folder, O_RDONLY | O_DIRECTORY);
        return durable >= 0 && fsync(durable) == 0;
}
