/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/sealed-memory.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "errors.h"
#include "bus.h"

int sealed_memory_new(const char *name, const void *bytes, gsize size, GError **error) {
        g_autofd int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
        if (fd >= 0 && write(fd, bytes, size) == (ssize_t) size && lseek(fd, 0, SEEK_SET) == 0 &&
            fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) == 0)
                return steal_fd(&fd);
        virtbus_error_set_errno(error, errno, "cannot make a descriptor of it");
        return -1;
}
