/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/lines.h"

typedef struct Fixture {
        int stranger, own;
        Lines lines;
} Fixture;

static void set_up(Fixture *fixture, gconstpointer unused) {
        int pair[2];
        (void) unused;
        g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), ==, 0);
        fixture->stranger = pair[0];
        fixture->own = pair[1];
        lines_open(&fixture->lines);
}

static void tear_down(Fixture *fixture, gconstpointer unused) {
        (void) unused;
        lines_close(&fixture->lines);
        close(fixture->stranger);
        close(fixture->own);
}

static void say(Fixture *fixture, const char *data, size_t size) {
        g_assert_cmpint(send(fixture->stranger, data, size, 0), ==, (ssize_t) size);
        g_assert_cmpint(lines_receive(&fixture->lines, fixture->own), ==, (ssize_t) size);
}

static void assert_next(Fixture *fixture, const char *wanted) {
        size_t length = 0;
        g_autofree char *line = lines_next(&fixture->lines, &length);
        g_assert_cmpstr(line, ==, wanted);
        if (wanted)
                g_assert_cmpuint(length, ==, strlen(wanted));
}

static void test_lines_come_whole_and_in_order(Fixture *fixture, gconstpointer unused) {
        (void) unused;
        say(fixture, "one\ntwo\n\nfo", 11);
        assert_next(fixture, "one");
        assert_next(fixture, "two");
        assert_next(fixture, "");
        assert_next(fixture, NULL);
        say(fixture, "ur\n", 3);
        assert_next(fixture, "four");
        assert_next(fixture, NULL);
}

static void test_any_pieces_give_the_same_lines(Fixture *fixture, gconstpointer unused) {
        static const char text[] = "first\r\nsecond line\n\nlast\n";
        (void) unused;
        for (size_t piece = 1; piece < sizeof text; piece++) {
                g_autoptr(GString) found = g_string_new(NULL);
                for (size_t at = 0; at < sizeof text - 1; at += piece) {
                        say(fixture, text + at, MIN(piece, sizeof text - 1 - at));
                        for (char *line; (line = lines_next(&fixture->lines, NULL)); g_free(line))
                                g_string_append_printf(found, "%s\n", line);
                }
                g_assert_cmpstr(found->str, ==, text);
        }
}

static void test_nothing_is_waited_for(Fixture *fixture, gconstpointer unused) {
        (void) unused;
        g_assert_cmpint(lines_receive(&fixture->lines, fixture->own), ==, -EAGAIN);
        assert_next(fixture, NULL);
        say(fixture, "a\n", 2);
        assert_next(fixture, "a");
}

static void test_the_end_is_told_and_half_a_line_is_none(Fixture *fixture, gconstpointer unused) {
        (void) unused;
        say(fixture, "whole\nhalf", 10);
        g_assert_cmpint(shutdown(fixture->stranger, SHUT_WR), ==, 0);
        assert_next(fixture, "whole");
        g_assert_cmpint(lines_receive(&fixture->lines, fixture->own), ==, 0);
        assert_next(fixture, NULL);
}

static void test_zeros_are_counted(Fixture *fixture, gconstpointer unused) {
        size_t length;
        (void) unused;
        say(fixture, "a\0b\n\0\n", 6);
        g_autofree char *line = lines_next(&fixture->lines, &length);
        g_assert_cmpmem(line, length, "a\0b", 3);
        g_autofree char *zero = lines_next(&fixture->lines, &length);
        g_assert_cmpmem(zero, length, "\0", 1);
}

/* Only the line that has begun counts, not those that are still to be taken. */
static void test_a_line_that_is_too_long_is_found_before_its_end(Fixture *fixture, gconstpointer unused) {
        (void) unused;
        say(fixture, "12345", 5);
        g_assert_false(lines_exceed(&fixture->lines, 5));
        g_assert_true(lines_exceed(&fixture->lines, 4));
        say(fixture, "6\n789", 5);
        assert_next(fixture, "123456");
        g_assert_true(lines_exceed(&fixture->lines, 2));
        g_assert_false(lines_exceed(&fixture->lines, 3));
}

/* What a stranger has made it hold is given back. */
static void test_memory_is_given_back(Fixture *fixture, gconstpointer unused) {
        g_autofree char *block = g_strnfill(4096, 'x');
        (void) unused;
        for (unsigned i = 0; i < 512; i++)
                say(fixture, block, 4096);
        say(fixture, "\n", 1);
        size_t length;
        g_autofree char *line = lines_next(&fixture->lines, &length);
        g_assert_cmpuint(length, ==, 512 * 4096);
        g_assert_cmpuint(fixture->lines.largest, >=, 512 * 4096);
        say(fixture, "short\n", 6);
        assert_next(fixture, "short");
        g_assert_cmpuint(fixture->lines.largest, <, 512 * 4096);
}

#define ADD(name, test) g_test_add("/lines/" name, Fixture, NULL, set_up, test, tear_down)

int main(int argc, char *argv[]) {
        g_test_init(&argc, &argv, NULL);
        ADD("they-come-whole-and-in-order", test_lines_come_whole_and_in_order);
        ADD("any-pieces-give-the-same-lines", test_any_pieces_give_the_same_lines);
        ADD("nothing-is-waited-for", test_nothing_is_waited_for);
        ADD("the-end-is-told-and-half-a-line-is-none", test_the_end_is_told_and_half_a_line_is_none);
        ADD("zeros-are-counted", test_zeros_are_counted);
        ADD("one-that-is-too-long-is-found-before-its-end", test_a_line_that_is_too_long_is_found_before_its_end);
        ADD("memory-is-given-back", test_memory_is_given_back);
        return g_test_run();
}
