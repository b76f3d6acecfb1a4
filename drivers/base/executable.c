/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/executable.h"

#include <errno.h>
#include <unistd.h>

#include "base/walk.h"
#include "bus.h"
#include "errors.h"

bool executable_check(const char *path, ExecutableIdentity *identity, GError **error) {
        struct stat info;
        g_autoptr(GError) failure = NULL;
        g_autofd int fd = walk_open(path, WALK_TRUSTED, &info, &failure);
        if (fd < 0 && access(path, F_OK) < 0 && errno == ENOENT)
                return virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT, "there is no program %.256s: install it", path);
        if (fd < 0)
                return virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                         "the program %.256s is not run: %s; install it where only root may write", path,
                                         failure->message);
        if (!S_ISREG(info.st_mode) || !(info.st_mode & 0111))
                return virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                         "no program can be run from %.256s: it is not an executable file", path);
        *identity = (ExecutableIdentity){
                .size = info.st_size,
                .time = (gint64) info.st_mtim.tv_sec * 1000000000 + info.st_mtim.tv_nsec,
        };
        return true;
}
