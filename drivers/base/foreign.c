/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/foreign.h"

#include <fcntl.h>
#include <glib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bus.h"

char *foreign_read_up_to(const char *path, size_t max) {
        struct stat info;
        g_autofd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
        if (fd < 0 || fstat(fd, &info) < 0 || !S_ISREG(info.st_mode) || (uint64_t) info.st_size > max)
                return NULL;
        g_autofree char *text = g_malloc0((size_t) info.st_size + 1);
        return read(fd, text, (size_t) info.st_size) >= 0 ? g_steal_pointer(&text) : NULL;
}

char *foreign_read(const char *path) {
        return foreign_read_up_to(path, FOREIGN_BYTES_MAX);
}
