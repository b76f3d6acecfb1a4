/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/command/handed-image.h"

#include <errno.h>
#include <fcntl.h>

#include "base/named-file.h"
#include "base/walk.h"
#include "bus.h"
#include "errors.h"
#include "fd-groups.h"

/* What it is, where it is not what an image can be. */
static const char *name_kind(mode_t mode) {
        static const struct {
                mode_t type;
                const char *name;
        } kinds[] = {
                { S_IFDIR, "a folder" }, { S_IFCHR, "a character device" }, { S_IFIFO, "a pipe" },
                { S_IFLNK, "a link" },   { S_IFSOCK, "a socket" },
        };
        for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++)
                if ((mode & S_IFMT) == kinds[i].type)
                        return kinds[i].name;
        return "something of the kernel's";
}

/* Why it cannot be an image's; NULL: it can. */
static const char *find_fault(int fd, int flags, const struct stat *info) {
        if (!S_ISREG(info->st_mode) && !S_ISBLK(info->st_mode))
                return name_kind(info->st_mode);
        if (walk_is_of_processes(fd))
                return "what the kernel tells of processes";
        if (flags & O_PATH)
                return "opened by O_PATH, which lets nobody read";
        if ((flags & O_ACCMODE) == O_WRONLY)
                return "opened for writing only";
        return flags & O_APPEND ? "opened by O_APPEND, which writes at the end alone" : NULL;
}

/* One that may be written is opened anew to be read only: QEMU takes none of another mode. */
static int use(int fd, int flags, bool read_only) {
        bool is_right = (flags & O_ACCMODE) == (read_only ? O_RDONLY : O_RDWR);
        return is_right ? fcntl(fd, F_DUPFD_CLOEXEC, 3) : named_file_use(fd, O_RDONLY);
}

int handed_image_take(const GPtrArray *groups, const char *name, const char *path, bool read_only, struct stat *info,
                      GError **error) {
        const FdGroup *group = fd_groups_find(groups, name);
        int best = -1, best_flags = 0;
        if (!group) {
                virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                  "image %s is a descriptor of the group '%s', and none was handed over by that name: use the "
                                  "option "
                                  "fds when the domain is started, or the disk attached",
                                  path, name);
                return -1;
        }
        for (unsigned i = 0; i < group->n; i++) {
                int flags = fcntl(group->fds[i], F_GETFL);
                const char *fault = flags < 0 || fstat(group->fds[i], info) < 0 ? "not a descriptor"
                                                                                : find_fault(group->fds[i], flags, info);
                if (fault) {
                        virtbus_error_set(
                                        error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                        "image %s: a descriptor of the group '%s' is %s; hand over an open file or block device",
                                        path, name, fault);
                        return -1;
                }
                bool writes = (flags & O_ACCMODE) == O_RDWR, is_better = best < 0 || writes != read_only;
                if ((writes || read_only) && is_better) {
                        best = group->fds[i];
                        best_flags = flags;
                }
        }
        if (best < 0) {
                virtbus_error_set(
                                error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                "image %s: the descriptor of the group '%s' is opened for reading only: open it for reading and "
                                "writing, or give the disk <readonly/>",
                                path, name);
                return -1;
        }
        int fd = use(best, best_flags, read_only);
        if (fd < 0 || fstat(fd, info) < 0) {
                virtbus_error_set_errno(error, errno, "image %s: the descriptor of the group '%s' cannot be used to read only",
                                        path, name);
                autofd_close(&fd);
                return -1;
        }
        return fd;
}
