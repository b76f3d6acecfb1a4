/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "save-image.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "errors.h"
#include "xml.h"

#define FORMAT "virtbus-save 1 %zu %s %s"

const char *const save_compressions[] = { SAVE_UNCOMPRESSED, "gzip", "zstd", "xz", "lz4", NULL };

void save_header_clear(SaveHeader *header) {
        g_clear_pointer(&header->xml, g_free);
        g_clear_pointer(&header->compression, g_free);
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
                                                 "this is not a saved state: it is too short");
                data += MAX(n, 0);
                size -= (size_t) MAX(n, 0);
        }
        return true;
}

bool save_header_write(int fd, const SaveHeader *header, GError **error) {
        char line[SAVE_HEADER_BYTES + 1];
        size_t size = strlen(header->xml);
        int n = snprintf(line, sizeof line, FORMAT, size, header->compression, header->running ? "running" : "paused");
        memset(line + n, ' ', (size_t) (SAVE_HEADER_BYTES - 1 - n));
        line[SAVE_HEADER_BYTES - 1] = '\n';
        return write_all(fd, line, SAVE_HEADER_BYTES, error) && write_all(fd, header->xml, size, error);
}

bool save_header_read(int fd, SaveHeader *header, GError **error) {
        char line[SAVE_HEADER_BYTES + 1], compression[8], state[8];
        size_t size;
        *header = (SaveHeader){ 0 };
        if (!read_all(fd, line, SAVE_HEADER_BYTES, error))
                return false;
        line[SAVE_HEADER_BYTES] = '\0';
        if (sscanf(line, "virtbus-save 1 %zu %7s %7s", &size, compression, state) != 3 || size > XML_BYTES_MAX ||
            !g_strv_contains(save_compressions, compression))
                return virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                         "this is not a saved state of a domain, or one of a later version");
        header->xml = g_malloc0(size + 1);
        header->compression = g_strdup(compression);
        header->running = strcmp(state, "running") == 0;
        if (read_all(fd, header->xml, size, error) && strlen(header->xml) == size)
                return true;
        if (error && !*error)
                virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT, "this is not a saved state: its document is not text");
        save_header_clear(header);
        return false;
}
