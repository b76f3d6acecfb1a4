/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "local-socket.h"

typedef struct Fixture {
        int from, to;
} Fixture;

static void set_up(Fixture *fixture, gconstpointer unused) {
        int pair[2];
        (void) unused;
        g_assert_cmpint(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), ==, 0);
        *fixture = (Fixture){ pair[0], pair[1] };
}

static void tear_down(Fixture *fixture, gconstpointer unused) {
        (void) unused;
        close(fixture->from);
        close(fixture->to);
}

/* A pipe's end, COUNT times: once all have been closed the other end is told. */
static int send_ends(Fixture *fixture, unsigned count) {
        int ends[2], list[LOCAL_SOCKET_FDS_MAX];
        g_assert_cmpint(pipe2(ends, O_CLOEXEC | O_NONBLOCK), ==, 0);
        for (unsigned i = 0; i < count; i++)
                list[i] = ends[1];
        g_assert_cmpint(local_socket_send(fixture->from, "bytes", 5, list, count, 0), ==, 5);
        close(ends[1]);
        return ends[0];
}

static bool all_are_closed(int end) {
        char byte;
        return read(end, &byte, 1) == 0;
}

static void test_what_is_looked_for_is_kept_and_the_rest_is_closed(Fixture *fixture, gconstpointer unused) {
        char bytes[16];
        LocalFds fds = { .n = 0 };
        int end = send_ends(fixture, 3);
        (void) unused;
        g_assert_cmpint(local_socket_receive(fixture->to, bytes, sizeof bytes, &fds, 1, 0, NULL), ==, 5);
        g_assert_cmpuint(fds.n, ==, 1);
        g_assert_true(fds.lost);
        g_assert_cmpint(fcntl(fds.list[0], F_GETFD), ==, FD_CLOEXEC);
        g_assert_false(all_are_closed(end));
        local_fds_close(&fds);
        g_assert_cmpuint(fds.n, ==, 0);
        g_assert_true(all_are_closed(end));
        close(end);
}

static void test_they_are_kept_besides_those_that_there_are(Fixture *fixture, gconstpointer unused) {
        char bytes[16];
        LocalFds fds = { .n = 0 };
        int first = send_ends(fixture, LOCAL_SOCKET_FDS_MAX - 1), second = send_ends(fixture, 2);
        (void) unused;
        for (unsigned i = 0; i < 2; i++)
                g_assert_cmpint(local_socket_receive(fixture->to, bytes, sizeof bytes, &fds, LOCAL_SOCKET_FDS_MAX, 0, NULL), ==,
                                5);
        g_assert_cmpuint(fds.n, ==, LOCAL_SOCKET_FDS_MAX);
        g_assert_true(fds.lost);
        local_fds_close(&fds);
        g_assert_true(all_are_closed(first) && all_are_closed(second));
        close(first);
        close(second);
}

static void test_a_message_that_is_cut_and_one_that_does_not_come_are_told(Fixture *fixture, gconstpointer unused) {
        char bytes[2];
        LocalFds fds = { .n = 0 };
        int flags = 0;
        (void) unused;
        g_assert_cmpint(local_socket_receive(fixture->to, bytes, sizeof bytes, &fds, 1, MSG_DONTWAIT, NULL), ==, -EAGAIN);
        g_assert_cmpint(local_socket_send(fixture->from, "bytes", 5, NULL, 0, 0), ==, 5);
        g_assert_cmpint(local_socket_receive(fixture->to, bytes, sizeof bytes, &fds, 1, 0, &flags), ==, 2);
        g_assert_cmpint(flags & MSG_TRUNC, ==, MSG_TRUNC);
        g_assert_false(fds.lost);
        shutdown(fixture->to, SHUT_RDWR);
        g_assert_cmpint(local_socket_send(fixture->from, "bytes", 5, NULL, 0, 0), ==, -EPIPE);
        g_assert_cmpint(local_socket_receive(fixture->from, bytes, sizeof bytes, &fds, 1, 0, NULL), ==, 0);
        g_assert_cmpint(local_socket_send(fixture->from, "", 1, (int[LOCAL_SOCKET_FDS_MAX + 1]){ 0 }, LOCAL_SOCKET_FDS_MAX + 1,
                                          0),
                        ==, -E2BIG);
}

static void test_a_path_has_room_or_is_refused(Fixture *fixture, gconstpointer unused) {
        struct sockaddr_un address;
        char path[sizeof address.sun_path + 1];
        (void) fixture;
        (void) unused;
        memset(path, 'a', sizeof path);
        path[sizeof address.sun_path] = '\0';
        g_assert_cmpint(local_socket_address(path, &address), ==, -ENAMETOOLONG);
        g_assert_cmpint(local_socket_connect(path, SOCK_STREAM), ==, -ENAMETOOLONG);
        path[sizeof address.sun_path - 1] = '\0';
        g_assert_cmpint(local_socket_address(path, &address), ==, 0);
        g_assert_cmpstr(address.sun_path, ==, path);
        g_assert_cmpint(local_socket_connect(path, SOCK_STREAM), ==, -ENOENT);
}

#define TEST(name) g_test_add("/local-socket/" #name, Fixture, NULL, set_up, test_##name, tear_down)

int main(int argc, char *argv[]) {
        g_test_init(&argc, &argv, NULL);
        TEST(what_is_looked_for_is_kept_and_the_rest_is_closed);
        TEST(they_are_kept_besides_those_that_there_are);
        TEST(a_message_that_is_cut_and_one_that_does_not_come_are_told);
        TEST(a_path_has_room_or_is_refused);
        return g_test_run();
}
