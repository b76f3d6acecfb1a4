/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Bytes of a client on virtbusd's sockets. The first byte says which socket, and whether the input comes after an
 * authentication; the others are sent as they are, in pieces at bytes of 0xff, or, in the third form, decide messages. */

#include <string.h>
#include <sys/socket.h>

#include "bus.h"
#include "paths.h"
#include "virtbusd.h"

#define AUTHENTICATION "\0AUTH EXTERNAL\r\nDATA\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n"

static void say(Virtbusd *virtbusd, int fd, const void *data, size_t size) {
        char heard[4096];
        send(fd, data, size, MSG_NOSIGNAL | MSG_DONTWAIT);
        fuzz_settle(virtbusd->event);
        while (recv(fd, heard, sizeof heard, MSG_DONTWAIT) > 0)
                fuzz_settle(virtbusd->event);
}

static void say_pieces(Virtbusd *virtbusd, int fd, const Bytes *bytes) {
        const uint8_t *at = bytes->at, *end = at + bytes->left;
        while (at < end) {
                const uint8_t *cut = memchr(at, 0xff, (size_t) (end - at));
                const uint8_t *until = cut ? cut + 1 : end;
                say(virtbusd, fd, at, (size_t) (until - at));
                at = until;
        }
}

/* A library's client, with messages that the input decides. */
static void talk(Virtbusd *virtbusd, int fd, Bytes *bytes) {
        static const char *const destinations[] = { BUS_NAME, "org.freedesktop.DBus", "a.b", NULL };
        static const char *const members[] = {
                "Hello",  "AddMatch", "RemoveMatch", "GetNameOwner", "Ping",  "Introspect",        "GetManagedObjects",
                "GetAll", "Set",      "Get",         "ListNames",    "GetId", "StartServiceByName"
        };
        static const char *const interfaces_of[] = { "org.freedesktop.DBus",
                                                     "org.freedesktop.DBus.Peer",
                                                     "org.freedesktop.DBus.Properties",
                                                     "org.freedesktop.DBus.ObjectManager",
                                                     "org.freedesktop.DBus.Introspectable",
                                                     "org.virtbus1.Manager" };
        static const char *const signatures[] = { "", "s", "su", "ss", "ssv", "v", "h", "sa{sv}", "a{sv}" };
        sd_bus *bus = NULL;
        g_assert_cmpint(sd_bus_new(&bus), >=, 0);
        g_assert_cmpint(sd_bus_set_fd(bus, fd, fd), >=, 0);
        g_assert_cmpint(sd_bus_negotiate_fds(bus, true), >=, 0);
        g_assert_cmpint(sd_bus_start(bus), >=, 0);
        g_assert_cmpint(sd_bus_attach_event(bus, virtbusd->event, SD_EVENT_PRIORITY_NORMAL), >=, 0);
        fuzz_settle(virtbusd->event);
        while (bytes->left > 0 && sd_bus_is_open(bus) > 0) {
                g_autoptr(sd_bus_message) message = NULL;
                const char *destination = destinations[bytes_pick(bytes, 3)],
                           *interface = interfaces_of[bytes_pick(bytes, G_N_ELEMENTS(interfaces_of))],
                           *member = members[bytes_pick(bytes, G_N_ELEMENTS(members))],
                           *path = virtbusd_paths[bytes_pick(bytes, g_strv_length((char **) virtbusd_paths))];
                int r = sd_bus_message_new_method_call(bus, &message, destination, path, interface, member);
                if (r >= 0)
                        r = bytes_append(bytes, message, signatures[bytes_pick(bytes, G_N_ELEMENTS(signatures))], virtbusd_words);
                if (r >= 0)
                        sd_bus_send(bus, message, NULL);
                if (bytes_take(bytes) & 1)
                        fuzz_settle(virtbusd->event);
        }
        fuzz_settle(virtbusd->event);
        sd_bus_detach_event(bus);
        sd_bus_close(bus);
        sd_bus_unref(bus);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        Bytes bytes = { data, size };
        Virtbusd virtbusd;
        virtbusd_open(&virtbusd, true);
        uint8_t form = bytes_take(&bytes);
        int fd = virtbusd_connect(&virtbusd, form & 1);
        if (form >> 1 == 2)
                talk(&virtbusd, fd, &bytes);
        else {
                if (form >> 1 == 1)
                        say(&virtbusd, fd, AUTHENTICATION, sizeof AUTHENTICATION - 1);
                say_pieces(&virtbusd, fd, &bytes);
                close(fd);
        }
        fuzz_settle(virtbusd.event);
        virtbusd_read(&virtbusd, "/org/virtbus1"); /* others are served as before */
        virtbusd_close(&virtbusd);
        return 0;
}
