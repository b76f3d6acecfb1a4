/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* virtbusd with a driver that has a connection and a domain, and calls of one caller. */

#include <string.h>

#include "../fuzz/virtbusd.h"
#include "bus.h"
#include "interfaces.h"
#include "paths.h"

#define RIG_DOMAIN VIRTBUSD_PATH "/domain/a1b2c3d4_0000_4000_8000_000000000001"

/* Every string of an object; numbers are 0, paths the connection's. */
static const char *const values[] = { "web", NULL };

static inline void append_object(sd_bus_message *message, const char *path, const InterfaceInfo *interface) {
        sd_bus_message_open_container(message, 'r', "oa{sa{sv}}");
        sd_bus_message_append(message, "o", path);
        sd_bus_message_open_container(message, 'a', "{sa{sv}}");
        sd_bus_message_open_container(message, 'e', "sa{sv}");
        sd_bus_message_append(message, "s", interface->name);
        sd_bus_message_open_container(message, 'a', "{sv}");
        for (size_t i = 0; i < interface->n_properties; i++) {
                const PropertyInfo *property = &interface->properties[i];
                Bytes nothing = { 0 };
                sd_bus_message_open_container(message, 'e', "sv");
                sd_bus_message_append(message, "s", property->name);
                sd_bus_message_open_container(message, 'v', property->signature);
                g_assert_cmpint(bytes_append(&nothing, message, property->signature, values), >=, 0);
                sd_bus_message_close_container(message);
                sd_bus_message_close_container(message);
        }
        for (unsigned depth = 0; depth < 4; depth++)
                g_assert_cmpint(sd_bus_message_close_container(message), >=, 0);
}

/* The driver has a connection, and one domain in it. */
static inline void publish(Virtbusd *virtbusd) {
        g_autoptr(sd_bus_message) message = NULL;
        g_assert_cmpint(sd_bus_message_new_signal(virtbusd->driver, &message, DRIVER_PATH, DRIVER_INTERFACE, "ObjectsAdded"), >=,
                        0);
        sd_bus_message_open_container(message, 'a', "(oa{sa{sv}})");
        append_object(message, VIRTBUSD_PATH, &interface_connection);
        append_object(message, RIG_DOMAIN, &interface_domain);
        g_assert_cmpint(sd_bus_message_close_container(message), >=, 0);
        g_assert_cmpint(sd_bus_send(virtbusd->driver, message, NULL), >=, 0);
        fuzz_settle(virtbusd->event);
}

static inline void set_up(Virtbusd *virtbusd, const void *unused) {
        (void) unused;
        virtbusd_open(virtbusd, true);
        publish(virtbusd);
}

static inline void tear_down(Virtbusd *virtbusd, const void *unused) {
        (void) unused;
        virtbusd_close(virtbusd);
}

/* A call, and its answers: there is to be one. */
typedef struct Called {
        sd_bus_message *answer;
        unsigned n_answers;
} Called;

static inline void called_clear(Called *called) {
        g_clear_pointer(&called->answer, sd_bus_message_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Called, called_clear)

static inline int on_answer(sd_bus_message *answer, void *data, sd_bus_error *unused) {
        Called *called = data;
        (void) unused;
        if (called->n_answers++ == 0)
                called->answer = sd_bus_message_ref(answer);
        return 1;
}

#define call(virtbusd, called, path, interface, member, ...) \
        do { \
                g_autoptr(sd_bus_message) message_ = NULL; \
                g_assert_cmpint(sd_bus_message_new_method_call((virtbusd)->bus, &message_, BUS_NAME, path, interface, member), \
                                >=, 0); \
                g_assert_cmpint(sd_bus_message_set_sender(message_, VIRTBUSD_CALLER), >=, 0); \
                g_assert_cmpint(sd_bus_message_append(message_, __VA_ARGS__), >=, 0); \
                g_assert_cmpint(sd_bus_call_async((virtbusd)->bus, NULL, message_, on_answer, called, 0), >=, 0); \
                fuzz_settle((virtbusd)->event); \
        } while (0)

#define PROPERTIES "org.freedesktop.DBus.Properties"
#define get_state(virtbusd, called) call(virtbusd, called, RIG_DOMAIN, PROPERTIES, "Get", "ss", "org.virtbus1.Domain", "State")
#define start(virtbusd, called) call(virtbusd, called, RIG_DOMAIN, "org.virtbus1.Domain", "Start", "a{sv}", 0)

/* Asserts that the one answer is this error, whose message has WORDS; NULL for no error. */
static inline void assert_answer(const Called *called, const char *name, const char *words) {
        g_assert_cmpuint(called->n_answers, ==, 1);
        const sd_bus_error *error = sd_bus_message_get_error(called->answer);
        g_assert_cmpstr(error ? error->name : NULL, ==, name);
        if (words)
                g_assert_nonnull(strstr(error->message, words));
}
