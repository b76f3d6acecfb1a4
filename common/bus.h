/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* sd-bus and sd-event objects as g_autoptr, and descriptors that are closed at the end of their scope. */

#include <glib.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>
#include <unistd.h>

G_DEFINE_AUTOPTR_CLEANUP_FUNC(sd_bus_message, sd_bus_message_unref)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(sd_bus, sd_bus_flush_close_unref)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(sd_event, sd_event_unref)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(sd_event_source, sd_event_source_disable_unref)

static inline void autofd_close(int *fd) {
        if (*fd >= 0)
                close(*fd);
}

/* An int that is closed at the end of its scope, unless it is negative. */
#define g_autofd __attribute__((cleanup(autofd_close)))

/* Takes a descriptor out of its variable. */
static inline int steal_fd(int *fd) {
        int taken = *fd;
        *fd = -1;
        return taken;
}

/* How many messages wait to be written to a connection. */
static inline uint64_t bus_unwritten(sd_bus *bus) {
        uint64_t n = 0;
        return sd_bus_get_n_queued_write(bus, &n) < 0 ? 0 : n;
}

/* Leaves a call that was begun to itself: DESTROY gets the data of its callback when it is answered, or cannot be any more. */
static inline void slot_leave(sd_bus_slot *slot, sd_bus_destroy_t destroy) {
        sd_bus_slot_set_destroy_callback(slot, destroy);
        sd_bus_slot_set_floating(slot, 1);
        sd_bus_slot_unref(slot);
}
