/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/folder-lock.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "bus.h"
#include "errors.h"

int folder_lock(const char *folder, GError **error) {
        g_autofree char *path = g_build_filename(folder, "lock", NULL);
        struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
        if (g_mkdir_with_parents(folder, 0700) < 0) {
                virtbus_error_set_errno(error, errno, "cannot make the directory %s", folder);
                return -1;
        }
        g_autofd int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0) {
                virtbus_error_set_errno(error, errno, "cannot open %s", path);
                return -1;
        }
        /* Of the process, not of the open file: a child between fork and exec must not keep it. */
        if (fcntl(fd, F_SETLK, &lock) == 0)
                return steal_fd(&fd);
        if (errno != EACCES && errno != EAGAIN)
                virtbus_error_set_errno(error, errno, "cannot lock %s", path);
        else if (fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK && lock.l_pid > 0)
                virtbus_error_set(error, VIRTBUS_ERROR_RESOURCE_BUSY, "process %d uses %s already; end it first",
                                  (int) lock.l_pid, folder);
        else
                virtbus_error_set(error, VIRTBUS_ERROR_RESOURCE_BUSY, "another process uses %s already", folder);
        return -1;
}
