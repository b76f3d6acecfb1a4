/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/driver-kept.h"

#include <unistd.h>

#include "log.h"
#include "paths.h"

struct DriverKept {
        GHashTable *by_name; /* of descriptors */
};

static void close_kept(void *fd) {
        close(GPOINTER_TO_INT(fd));
}

DriverKept *driver_kept_new(void) {
        DriverKept *kept = g_new0(DriverKept, 1);
        kept->by_name = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, close_kept);
        return kept;
}

void driver_kept_free(DriverKept *kept) {
        g_hash_table_unref(kept->by_name);
        g_free(kept);
}

static int send_one(sd_bus *peer, const char *name, int fd) {
        return fd < 0 ? sd_bus_emit_signal(peer, DRIVER_PATH, DRIVER_INTERFACE, "Drop", "s", name)
                      : sd_bus_emit_signal(peer, DRIVER_PATH, DRIVER_INTERFACE, "Keep", "sh", name, fd);
}

void driver_kept_set(DriverKept *kept, sd_bus *peer, const char *name, int fd) {
        int r = peer ? send_one(peer, name, fd) : 0;
        if (r < 0)
                log_warning("cannot tell virtbusd what to keep for %s: %s", name, g_strerror(-r));
        if (fd < 0)
                g_hash_table_remove(kept->by_name, name);
        else
                g_hash_table_replace(kept->by_name, g_strdup(name), GINT_TO_POINTER(fd));
}

int driver_kept_send(DriverKept *kept, sd_bus *peer) {
        GHashTableIter iterator;
        void *name, *fd;
        int r = 0;
        g_hash_table_iter_init(&iterator, kept->by_name);
        while (r >= 0 && g_hash_table_iter_next(&iterator, &name, &fd))
                r = send_one(peer, name, GPOINTER_TO_INT(fd));
        return r;
}
