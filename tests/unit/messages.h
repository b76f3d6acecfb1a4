/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Messages that can be read without being sent, for unit tests: of a bus connection that nobody listens to. */

#include <sys/socket.h>

#include "bus.h"

static inline sd_bus *unconnected_bus(void) {
        sd_bus *bus = NULL;
        int pair[2];
        g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), ==, 0);
        g_assert_cmpint(sd_bus_new(&bus), >=, 0);
        g_assert_cmpint(sd_bus_set_fd(bus, pair[0], pair[0]), >=, 0);
        g_assert_cmpint(sd_bus_start(bus), >=, 0);
        return bus; /* pair[1] stays open with the process */
}

static inline sd_bus_message *new_message(sd_bus *bus) {
        sd_bus_message *message = NULL;
        g_assert_cmpint(sd_bus_message_new_method_call(bus, &message, NULL, "/", "a.b", "C"), >=, 0);
        return message;
}

static inline void seal(sd_bus_message *message) {
        g_assert_cmpint(sd_bus_message_seal(message, 1, 0), >=, 0);
}
