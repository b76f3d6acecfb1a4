/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/operations/save-image.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "base/xml.h"
#include "errors.h"

#define MAGIC "virtbus-save"

const char *const save_compressions[] = { SAVE_UNCOMPRESSED, "gzip", "zstd", "xz", "lz4", NULL };

void save_header_clear(SaveHeader *header) {
        g_clear_pointer(&header->xml, g_free);
        g_clear_pointer(&header->compression, g_free);
        header->running = false;
}

char *save_compression_program(const char *compression, GError **error) {
        if (!g_strv_contains(save_compressions, compression)) {
                g_autofree char *known = g_strjoinv(", ", (char **) save_compressions);
                virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT, "compression is '%.32s'; it must be one of: %s",
                                  compression, known);
                return NULL;
        }
        char *program = g_find_program_in_path(compression);
        if (!program)
                virtbus_error_set(error, VIRTBUS_ERROR_UNSUPPORTED, "the program %s is not installed on this machine",
                                  compression);
        return program;
}

/* Waits until a pipe's other end has read, or written; files are always ready. */
static bool wait_for(int fd, short events, GError **error) {
        struct pollfd one = { .fd = fd, .events = events };
        int n = poll(&one, 1, SAVE_PATIENCE);
        if (n < 0 && errno != EINTR)
                return virtbus_error_set_errno(error, errno, "the saved state cannot be used");
        return n != 0 || virtbus_error_set(error, VIRTBUS_ERROR_TIMEOUT,
                                           "the other end of the pipe has done nothing for %d seconds", SAVE_PATIENCE / 1000);
}

static bool write_all(int fd, const char *data, size_t size, GError **error) {
        while (size > 0) {
                /* Of this much a pipe that is ready takes all without waiting: pipe(7). */
                if (!wait_for(fd, POLLOUT, error))
                        return false;
                ssize_t n = write(fd, data, MIN(size, PIPE_BUF));
                if (n < 0 && errno != EINTR && errno != EAGAIN)
                        return virtbus_error_set_errno(error, errno, "the saved state cannot be written");
                data += MAX(n, 0);
                size -= (size_t) MAX(n, 0);
        }
        return true;
}

static bool read_all(int fd, char *data, size_t size, GError **error) {
        while (size > 0) {
                if (!wait_for(fd, POLLIN, error))
                        return false;
                ssize_t n = read(fd, data, size);
                if (n < 0 && errno != EINTR && errno != EAGAIN)
                        return virtbus_error_set_errno(error, errno, "the saved state cannot be read");
                if (n == 0)
                        return virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                                 "this is not a whole saved state: it ends too early");
                data += MAX(n, 0);
                size -= (size_t) MAX(n, 0);
        }
        return true;
}

bool saved_runs_choose(bool running, bool paused, SavedRuns *runs, GError **error) {
        *runs = running ? SAVED_RUNS : paused ? SAVED_PAUSED : SAVED_AS_IT_WAS;
        return !(running && paused) ||
               virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT, "the options running and paused exclude each other");
}

bool saved_runs(SavedRuns runs, bool it_ran) {
        return runs == SAVED_AS_IT_WAS ? it_ran : runs == SAVED_RUNS;
}

static const char *const state_names[] = { "paused", "running" };

bool save_header_write(int fd, const SaveHeader *header, GError **error) {
        char line[SAVE_HEADER_BYTES + 1];
        size_t size = strlen(header->xml);
        int n = g_snprintf(line, sizeof line, MAGIC " %d %zu %s %s", SAVE_FORMAT, size, header->compression,
                           state_names[header->running]);
        memset(line + n, ' ', (size_t) (SAVE_HEADER_BYTES - 1 - n));
        line[SAVE_HEADER_BYTES - 1] = '\n';
        return write_all(fd, line, SAVE_HEADER_BYTES, error) && write_all(fd, header->xml, size, error);
}

/* What follows the format: no more than blanks behind the last word. */
static bool read_words(char **words, uint64_t *size, SaveHeader *header) {
        enum { SIZE, COMPRESSION, STATE, N_WORDS };
        if (g_strv_length(words) < N_WORDS)
                return false;
        for (char **rest = words + N_WORDS; *rest; rest++)
                if (**rest)
                        return false;
        header->compression = g_strdup(words[COMPRESSION]);
        header->running = strcmp(words[STATE], state_names[true]) == 0;
        return g_ascii_string_to_unsigned(words[SIZE], 10, 1, XML_BYTES_MAX, size, NULL) &&
               g_strv_contains(save_compressions, header->compression) && strcmp(words[STATE], state_names[header->running]) == 0;
}

static bool read_line(int fd, uint64_t *size, SaveHeader *header, GError **error) {
        char line[SAVE_HEADER_BYTES + 1] = "";
        uint64_t format;
        if (!read_all(fd, line, SAVE_HEADER_BYTES, error))
                return false;
        /* One with a zero in it is shorter. */
        bool whole = strlen(line) == SAVE_HEADER_BYTES && line[SAVE_HEADER_BYTES - 1] == '\n';
        g_auto(GStrv) words = g_strsplit(g_strchomp(line), " ", -1);
        if (g_strcmp0(words[0], MAGIC) != 0 || !words[1] ||
            !g_ascii_string_to_unsigned(words[1], 10, 1, UINT32_MAX, &format, NULL))
                return virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT, "this is not a saved state of a domain");
        if (format > SAVE_FORMAT)
                return virtbus_error_set(error, VIRTBUS_ERROR_UNSUPPORTED,
                                         "the saved state has format %" PRIu64
                                         ", of a later version of virtbus; this one reads up "
                                         "to %d: restore it with that version or a later one",
                                         format, SAVE_FORMAT);
        return (whole && read_words(words + 2, size, header)) ||
               virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                 "the saved state is damaged: its first line is not one that virtbus writes");
}

static bool read_document(int fd, uint64_t size, SaveHeader *header, GError **error) {
        header->xml = g_malloc0(size + 1);
        return read_all(fd, header->xml, size, error) &&
               (strlen(header->xml) == size ||
                virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT, "the saved state is damaged: its document is not text"));
}

bool save_header_read(int fd, SaveHeader *header, GError **error) {
        uint64_t size = 0;
        *header = (SaveHeader){ 0 };
        if (read_line(fd, &size, header, error) && read_document(fd, size, header, error))
                return true;
        save_header_clear(header);
        return false;
}
