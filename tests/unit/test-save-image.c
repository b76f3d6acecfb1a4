/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/xml.h"
#include "domain/operations/save-image.h"
#include "errors.h"

#define DOCUMENT "<domain type='qemu'><name>w\xc3\xb6rk</name></domain>"

/* A file of these bytes, at its beginning. */
static int new_file(const char *data, size_t size) {
        int fd = memfd_create("state", MFD_CLOEXEC);
        g_assert_cmpint(write(fd, data, size), ==, (ssize_t) size);
        g_assert_cmpint(lseek(fd, 0, SEEK_SET), ==, 0);
        return fd;
}

/* A header line of these words, filled up, and the document. */
static GString *new_state(const char *words, const char *document) {
        GString *state = g_string_new(words);
        while (state->len < SAVE_HEADER_BYTES - 1)
                g_string_append_c(state, ' ');
        g_string_append_c(state, '\n');
        return g_string_append(state, document);
}

static void assert_refused(const char *data, size_t size, int code, const char *why) {
        SaveHeader header;
        g_autoptr(GError) error = NULL;
        int fd = new_file(data, size);
        g_assert_false(save_header_read(fd, &header, &error));
        g_assert_error(error, VIRTBUS_ERROR, code);
        if (why)
                g_assert_nonnull(strstr(error->message, why));
        g_assert_true(!header.xml && !header.compression && !header.running);
        close(fd);
}

static void test_what_is_written_is_read(void) {
        for (size_t i = 0; save_compressions[i]; i++) {
                const SaveHeader header = { .xml = (char *) DOCUMENT,
                                            .compression = (char *) save_compressions[i],
                                            .running = i % 2 };
                SaveHeader again;
                g_autoptr(GError) error = NULL;
                char rest[16];
                int fd = new_file("", 0);
                save_header_write(fd, &header, &error);
                g_assert_no_error(error);
                g_assert_cmpint(lseek(fd, 0, SEEK_CUR), ==, SAVE_HEADER_BYTES + (off_t) strlen(DOCUMENT));
                g_assert_cmpint(write(fd, "hypervisor's", 12), ==, 12);
                g_assert_cmpint(lseek(fd, 0, SEEK_SET), ==, 0);
                save_header_read(fd, &again, &error);
                g_assert_no_error(error);
                g_assert_cmpstr(again.xml, ==, DOCUMENT);
                g_assert_cmpstr(again.compression, ==, save_compressions[i]);
                g_assert_cmpint(again.running, ==, i % 2);
                g_assert_cmpint(read(fd, rest, sizeof rest), ==, 12); /* exactly the header was read */
                save_header_clear(&again);
                close(fd);
        }
}

static void test_a_later_format_is_refused_by_name(void) {
        static const char *const lines[] = { "virtbus-save 2 51 none running", "virtbus-save 2 encrypted=yes a b c d e",
                                             "virtbus-save 2" };
        for (size_t i = 0; i < G_N_ELEMENTS(lines); i++) {
                g_autoptr(GString) state = new_state(lines[i], DOCUMENT);
                assert_refused(state->str, state->len, VIRTBUS_ERROR_UNSUPPORTED, "has format 2, of a later version of virtbus");
        }
        g_autoptr(GString) far = new_state("virtbus-save 4294967295 51 none running", DOCUMENT);
        assert_refused(far->str, far->len, VIRTBUS_ERROR_UNSUPPORTED, "4294967295");
}

static void test_damaged_lines_are_refused(void) {
        static const char *const lines[] = {
                "virtbus-save 1",
                "virtbus-save 1 51",
                "virtbus-save 1 51 none",
                "virtbus-save 1 51 none runnin",
                "virtbus-save 1 51 none asleep",
                "virtbus-save 1 51 none running more",
                "virtbus-save 1 51 rar running",
                "virtbus-save 1 51  running",
                "virtbus-save 1 -51 none running",
                "virtbus-save 1 +51 none running",
                "virtbus-save 1 0x33 none running",
                "virtbus-save 1 0 none running",
                "virtbus-save 1 1048577 none running",
                "virtbus-save 1 18446744073709551615 none running",
                "virtbus-save 1 99999999999999999999999999 none running",
                "virtbus-save 0 51 none running",
                "virtbus-save -1 51 none running",
                "virtbus-save 1x 51 none running",
                "virtbus-save 4294967296 51 none running",
                "virtbus-save  1 51 none running",
                "virtbus-saved 1 51 none running",
                "LibvirtQemudSave",
                "",
                "%s%s%s%n",
        };
        for (size_t i = 0; i < G_N_ELEMENTS(lines); i++) {
                g_autoptr(GString) state = new_state(lines[i], DOCUMENT);
                assert_refused(state->str, state->len, VIRTBUS_ERROR_INVALID_ARGUMENT, NULL);
        }
}

static void test_each_damaged_byte_of_the_line_is_no_crash(void) {
        g_autoptr(GString) state = new_state("virtbus-save 1 51 none running", DOCUMENT);
        for (size_t at = 0; at < SAVE_HEADER_BYTES; at++)
                for (unsigned byte = 0; byte < 256; byte++) {
                        SaveHeader header;
                        g_autoptr(GError) error = NULL;
                        char whole = state->str[at];
                        state->str[at] = (char) byte;
                        int fd = new_file(state->str, state->len);
                        bool fine = save_header_read(fd, &header, &error);
                        g_assert_true(fine == !error);
                        /* What is read all the same has the document, or a part of it. */
                        if (fine)
                                g_assert_true(g_str_has_prefix(DOCUMENT, header.xml));
                        save_header_clear(&header);
                        close(fd);
                        state->str[at] = whole;
                }
}

static void test_what_is_cut_off_is_refused(void) {
        g_autofree char *line = g_strdup_printf("virtbus-save 1 %zu none running", strlen(DOCUMENT));
        g_autoptr(GString) state = new_state(line, DOCUMENT);
        for (size_t size = 0; size < state->len; size++)
                assert_refused(state->str, size, VIRTBUS_ERROR_INVALID_ARGUMENT, "it ends too early");
}

static void test_a_document_with_zeros_is_refused(void) {
        g_autofree char *line = g_strdup_printf("virtbus-save 1 %zu none running", strlen(DOCUMENT));
        g_autoptr(GString) state = new_state(line, DOCUMENT);
        state->str[state->len - 3] = '\0';
        assert_refused(state->str, state->len, VIRTBUS_ERROR_INVALID_ARGUMENT, "its document is not text");
}

typedef struct Trickle {
        const GString *state;
        int fd;
} Trickle;

static void *write_slowly(void *data) {
        const Trickle *trickle = data;
        for (size_t i = 0; i < trickle->state->len; i++)
                g_assert_cmpint(write(trickle->fd, trickle->state->str + i, 1), ==, 1);
        close(trickle->fd);
        return NULL;
}

static void test_a_pipe_may_give_it_in_pieces(void) {
        g_autofree char *line = g_strdup_printf("virtbus-save 1 %zu zstd paused", strlen(DOCUMENT));
        g_autoptr(GString) state = new_state(line, DOCUMENT);
        g_autoptr(GError) error = NULL;
        SaveHeader header;
        int ends[2];
        g_assert_cmpint(pipe2(ends, O_CLOEXEC), ==, 0);
        Trickle trickle = { .state = state, .fd = ends[1] };
        GThread *thread = g_thread_new("writes", write_slowly, &trickle);
        save_header_read(ends[0], &header, &error);
        g_assert_no_error(error);
        g_assert_cmpstr(header.xml, ==, DOCUMENT);
        g_assert_false(header.running);
        g_thread_join(thread);
        save_header_clear(&header);
        close(ends[0]);
}

static void assert_not_written(int fd, int code) {
        g_autofree char *document = g_strnfill(XML_BYTES_MAX, 'x');
        const SaveHeader header = { .xml = document, .compression = (char *) SAVE_UNCOMPRESSED };
        g_autoptr(GError) error = NULL;
        g_assert_false(save_header_write(fd, &header, &error));
        g_assert_error(error, VIRTBUS_ERROR, code);
        close(fd);
}

static void test_what_cannot_be_written_is_told(void) {
        int ends[2];
        signal(SIGPIPE, SIG_IGN); /* as drivers do */
        assert_not_written(open("/dev/full", O_WRONLY | O_CLOEXEC), VIRTBUS_ERROR_LIMIT_EXCEEDED);
        g_assert_cmpint(pipe2(ends, O_CLOEXEC), ==, 0);
        close(ends[0]); /* nobody reads */
        assert_not_written(ends[1], VIRTBUS_ERROR_HYPERVISOR_FAILED);
        assert_not_written(open("/dev/null", O_RDONLY | O_CLOEXEC), VIRTBUS_ERROR_HYPERVISOR_FAILED);
}

static void test_compressions_are_those_of_the_list(void) {
        static const char *const wrong[] = { "", "bzip2", "../bin/sh", "gzip -d", "GZIP", "%s" };
        for (size_t i = 0; i < G_N_ELEMENTS(wrong); i++) {
                g_autoptr(GError) error = NULL;
                g_assert_null(save_compression_program(wrong[i], &error));
                g_assert_error(error, VIRTBUS_ERROR, VIRTBUS_ERROR_INVALID_ARGUMENT);
                g_assert_nonnull(strstr(error->message, "gzip, zstd"));
        }
}

int main(int argc, char *argv[]) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/save-image/what-is-written-is-read", test_what_is_written_is_read);
        g_test_add_func("/save-image/a-later-format-is-refused-by-name", test_a_later_format_is_refused_by_name);
        g_test_add_func("/save-image/damaged-lines-are-refused", test_damaged_lines_are_refused);
        g_test_add_func("/save-image/each-damaged-byte-of-the-line-is-no-crash", test_each_damaged_byte_of_the_line_is_no_crash);
        g_test_add_func("/save-image/what-is-cut-off-is-refused", test_what_is_cut_off_is_refused);
        g_test_add_func("/save-image/a-document-with-zeros-is-refused", test_a_document_with_zeros_is_refused);
        g_test_add_func("/save-image/a-pipe-may-give-it-in-pieces", test_a_pipe_may_give_it_in_pieces);
        g_test_add_func("/save-image/what-cannot-be-written-is-told", test_what_cannot_be_written_is_told);
        g_test_add_func("/save-image/compressions-are-those-of-the-list", test_compressions_are_those_of_the_list);
        return g_test_run();
}
