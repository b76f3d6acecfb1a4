/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/credentials.h"

#include <string.h>
#include <unistd.h>

#include "base/sealed-memory.h"
#include "domain/connection-life.h"

/* Of the two together. */
#define CREDENTIALS_BYTES_MAX 4096

/* Both as they are, each with its NUL. */
int credentials_to_memory(const char *username, const char *password, GError **error) {
        char bytes[CREDENTIALS_BYTES_MAX];
        size_t first = strlen(username) + 1, second = strlen(password) + 1;
        if (first + second > sizeof bytes) {
                virtbus_error_set(error, VIRTBUS_ERROR_LIMIT_EXCEEDED, "they are longer than %d bytes", CREDENTIALS_BYTES_MAX);
                return -1;
        }
        memcpy(bytes, username, first);
        memcpy(bytes + first, password, second);
        int fd = sealed_memory_new("credentials", bytes, first + second, error);
        explicit_bzero(bytes, sizeof bytes);
        return fd;
}

bool credentials_restore(Connection *connection, int fd) {
        char bytes[CREDENTIALS_BYTES_MAX];
        ssize_t size = pread(fd, bytes, sizeof bytes, 0);
        const char *end = size > 0 ? memchr(bytes, '\0', (size_t) size) : NULL;
        bool is_whole = end && size >= 2 && bytes[size - 1] == '\0' && end < bytes + size - 1;
        if (is_whole)
                connection_set_credentials(connection, bytes, end + 1);
        explicit_bzero(bytes, sizeof bytes);
        return is_whole;
}
