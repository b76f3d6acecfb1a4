/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The peer connection of a driver and the service, both ends in one process: what one says the other has heard when peer_pair_run
 * returns. */

#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

#include "base/objects.h"

typedef struct PeerPair {
        sd_bus *service, *driver;
        GString *heard; /* of the service: each signal as "MEMBER(PATH) " */
} PeerPair;

static inline int peer_pair_on_service(sd_bus_message *message, void *data, sd_bus_error *error) {
        PeerPair *pair = data;
        uint8_t type;
        (void) error;
        g_assert_cmpint(sd_bus_message_get_type(message, &type), >=, 0);
        if (type == SD_BUS_MESSAGE_SIGNAL)
                g_string_append_printf(pair->heard, "%s(%s) ", sd_bus_message_get_member(message),
                                       sd_bus_message_get_path(message));
        return 0;
}

static inline int peer_pair_on_driver(sd_bus_message *message, void *data, sd_bus_error *error) {
        (void) error;
        return objects_dispatch(data, message);
}

static inline sd_bus *peer_pair_new_bus(int fd, bool serves) {
        sd_bus *bus;
        g_assert_cmpint(sd_bus_new(&bus), >=, 0);
        g_assert_cmpint(sd_bus_set_fd(bus, fd, fd), >=, 0);
        if (serves)
                g_assert_cmpint(sd_bus_set_server(bus, true,
                                                  SD_ID128_MAKE(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16)),
                                >=, 0);
        g_assert_cmpint(sd_bus_set_anonymous(bus, true), >=, 0);
        g_assert_cmpint(sd_bus_start(bus), >=, 0);
        return bus;
}

/* Until neither has anything to say. */
static inline void peer_pair_run(PeerPair *pair) {
        while (sd_bus_process(pair->service, NULL) > 0 || sd_bus_process(pair->driver, NULL) > 0)
                ;
}

/* OBJECTS answer at the driver's end; they are not sent yet. */
static inline void peer_pair_open(PeerPair *pair, Objects *objects) {
        int ends[2];
        g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), ==, 0);
        *pair = (PeerPair){ .service = peer_pair_new_bus(ends[0], true),
                            .driver = peer_pair_new_bus(ends[1], false),
                            .heard = g_string_new(NULL) };
        g_assert_cmpint(sd_bus_add_filter(pair->service, NULL, peer_pair_on_service, pair), >=, 0);
        g_assert_cmpint(sd_bus_add_filter(pair->driver, NULL, peer_pair_on_driver, objects), >=, 0);
        peer_pair_run(pair);
}

static inline void peer_pair_close(PeerPair *pair) {
        pair->service = sd_bus_close_unref(pair->service);
        pair->driver = sd_bus_close_unref(pair->driver);
        g_string_free(pair->heard, TRUE);
}

/* Asserts what the service has heard, and forgets it. */
static inline void peer_pair_assert_heard(PeerPair *pair, const char *wanted) {
        peer_pair_run(pair);
        g_assert_cmpstr(pair->heard->str, ==, wanted);
        g_string_truncate(pair->heard, 0);
}

/* A call of the service, and its answers: there is to be one. */
typedef struct PeerCall {
        sd_bus_message *answer;
        unsigned n_answers;
} PeerCall;

static inline int peer_call_on_answer(sd_bus_message *answer, void *data, sd_bus_error *error) {
        PeerCall *call = data;
        (void) error;
        if (call->n_answers++ == 0)
                call->answer = sd_bus_message_ref(answer);
        return 1;
}

static inline sd_bus_message *peer_call_new(PeerPair *pair, const char *path, const char *interface, const char *member) {
        sd_bus_message *message;
        g_assert_cmpint(sd_bus_message_new_method_call(pair->service, &message, NULL, path, interface, member), >=, 0);
        g_assert_cmpint(sd_bus_message_set_sender(message, ":u1000.1.7"), >=, 0);
        return message;
}

/* Takes the message. */
static inline void peer_call_send(PeerPair *pair, sd_bus_message *message, PeerCall *call) {
        *call = (PeerCall){ 0 };
        g_assert_cmpint(sd_bus_call_async(pair->service, NULL, message, peer_call_on_answer, call, 0), >=, 0);
        sd_bus_message_unref(message);
        peer_pair_run(pair);
}

static inline void peer_call_clear(PeerCall *call) {
        g_clear_pointer(&call->answer, sd_bus_message_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(PeerCall, peer_call_clear)

/* Asserts that the one answer is this error; NULL for none. */
static inline void peer_call_assert_error(const PeerCall *call, const char *name) {
        g_assert_cmpuint(call->n_answers, ==, 1);
        const sd_bus_error *error = sd_bus_message_get_error(call->answer);
        g_assert_cmpstr(error ? error->name : NULL, ==, name);
}
