/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "driver-kept.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bounds.h"
#include "bus.h"
#include "paths.h"

#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

static void close_kept(void *fd) {
        close(GPOINTER_TO_INT(fd));
}

/* Nothing else is held for a driver: no file that grows, no end of something. */
static int check(int fd) {
        struct stat status;
        int seals = fcntl(fd, F_GET_SEALS);
        if (seals < 0 || (seals & SEALS) != SEALS)
                return -EINVAL;
        if (fstat(fd, &status) < 0)
                return -errno;
        return status.st_size > DRIVER_KEPT_BYTES_MAX ? -E2BIG : 0;
}

int driver_kept_take(Driver *driver, sd_bus_message *signal) {
        const char *name;
        int fd;
        int r = sd_bus_message_has_signature(signal, "sh") ? sd_bus_message_read(signal, "sh", &name, &fd) : -EINVAL;
        if (r >= 0)
                r = check(fd);
        if (r < 0)
                return r;
        if (!driver->kept)
                driver->kept = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, close_kept);
        if (strlen(name) > DRIVER_KEPT_NAME_BYTES_MAX ||
            (g_hash_table_size(driver->kept) >= DRIVER_KEPT_MAX && !g_hash_table_contains(driver->kept, name)))
                return -E2BIG;
        int own = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        if (own < 0)
                return -errno;
        g_hash_table_replace(driver->kept, g_strdup(name), GINT_TO_POINTER(own));
        return 0;
}

int driver_kept_drop(Driver *driver, sd_bus_message *signal) {
        const char *name;
        int r = sd_bus_message_has_signature(signal, "s") ? sd_bus_message_read(signal, "s", &name) : -EINVAL;
        if (r >= 0 && driver->kept)
                g_hash_table_remove(driver->kept, name);
        return r;
}

static int return_one(const Driver *driver, const char *name, int fd) {
        g_autoptr(sd_bus_message) message = NULL;
        int r = sd_bus_message_new_method_call(driver->peer, &message, NULL, DRIVER_PATH, DRIVER_INTERFACE, "Restore");
        if (r >= 0)
                r = sd_bus_message_set_expect_reply(message, false);
        if (r >= 0)
                r = sd_bus_message_append(message, "sh", name, fd);
        return r < 0 ? r : sd_bus_send(driver->peer, message, NULL);
}

int driver_kept_return(Driver *driver) {
        GHashTableIter iterator;
        void *name, *fd;
        int r = 0;
        if (!driver->kept)
                return 0;
        g_hash_table_iter_init(&iterator, driver->kept);
        while (r >= 0 && g_hash_table_iter_next(&iterator, &name, &fd))
                r = return_one(driver, name, GPOINTER_TO_INT(fd));
        return r;
}

void driver_kept_free(Driver *driver) {
        g_clear_pointer(&driver->kept, g_hash_table_unref);
}
