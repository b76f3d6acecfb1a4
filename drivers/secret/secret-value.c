/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "secret/secret-value.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/sealed-memory.h"
#include "bus.h"
#include "errors.h"

#define FILE_WORD "virtbus-secret"

/* Rises when an older version could not read, or would misread, what a newer one writes. */
#define FILE_FORMAT 1

static const char *const form_names[] = { [VALUE_PLAIN] = "plain", [VALUE_SEALED] = "systemd-creds" };

SecretValue *secret_value_new(const void *bytes, size_t size, GError **error) {
        if (size == 0 || size > SECRET_VALUE_BYTES_MAX) {
                virtbus_error_set(error, size ? VIRTBUS_ERROR_LIMIT_EXCEEDED : VIRTBUS_ERROR_INVALID_ARGUMENT,
                                  "a value has 1 to %d bytes; this one has %s%zu", SECRET_VALUE_BYTES_MAX,
                                  size > SECRET_VALUE_BYTES_MAX ? "at least " : "", size);
                return NULL;
        }
        SecretValue *value = g_malloc(sizeof *value + size);
        value->size = size;
        memcpy(value->bytes, bytes, size);
        return value;
}

void secret_value_free(SecretValue *value) {
        explicit_bzero(value->bytes, value->size);
        g_free(value);
}

void secret_text_free(char *text) {
        if (text)
                explicit_bzero(text, strlen(text));
        g_free(text);
}

/* Waits until there is something to read, or its end. */
static bool wait_readable(int fd, gint64 deadline) {
        struct pollfd wanted = { .fd = fd, .events = POLLIN };
        for (;;) {
                gint64 left = (deadline - g_get_monotonic_time()) / 1000;
                int n = left > 0 ? poll(&wanted, 1, (int) left) : 0;
                if (n < 0 && errno == EINTR)
                        continue;
                if (n == 0)
                        errno = ETIMEDOUT;
                return n > 0;
        }
}

/* Another reader of the same pipe may have taken what was there; a kernel that cannot say so lets this thread wait. */
static ssize_t read_some(int fd, void *buffer, size_t size) {
        const struct iovec into = { .iov_base = buffer, .iov_len = size };
        ssize_t n = preadv2(fd, &into, 1, -1, RWF_NOWAIT);
        struct stat info;
        bool again = n < 0 && (errno == EOPNOTSUPP || (errno == EAGAIN && fstat(fd, &info) == 0 && S_ISREG(info.st_mode)));
        return again ? read(fd, buffer, size) : n;
}

/* How many bytes there are, at most SIZE; or -1. */
static ssize_t read_all(int fd, uint8_t *buffer, size_t size) {
        gint64 deadline = g_get_monotonic_time() + (gint64) SECRET_CLIENT_PATIENCE * 1000;
        size_t have = 0;
        ssize_t n = -1;
        while (have < size && n != 0) {
                n = wait_readable(fd, deadline) ? read_some(fd, buffer + have, size - have) : -1;
                if (n < 0 && errno != EAGAIN && errno != EINTR)
                        return -1;
                have += n > 0 ? (size_t) n : 0;
        }
        return (ssize_t) have;
}

SecretValue *secret_value_read(int fd, GError **error) {
        uint8_t buffer[SECRET_VALUE_BYTES_MAX + 1];
        SecretValue *value = NULL;
        ssize_t size = read_all(fd, buffer, sizeof buffer);
        if (size < 0)
                virtbus_error_set(error, errno == ETIMEDOUT ? VIRTBUS_ERROR_TIMEOUT : VIRTBUS_ERROR_INVALID_ARGUMENT,
                                  "the value cannot be read from the descriptor: %s", g_strerror(errno));
        else
                value = secret_value_new(buffer, (size_t) size, error);
        explicit_bzero(buffer, sizeof buffer);
        return value;
}

int secret_value_to_memory(const SecretValue *value, GError **error) {
        return sealed_memory_new("secret", value->bytes, value->size, error);
}

static char *file_text(ValueForm form, const char *rest) {
        g_autofree char *digest = g_compute_checksum_for_string(G_CHECKSUM_SHA256, rest, -1);
        return g_strdup_printf(FILE_WORD " format=%d form=%s sha256=%s\n%s", FILE_FORMAT, form_names[form], digest, rest);
}

char *secret_file_of_value(const SecretValue *value) {
        char *rest = g_base64_encode(value->bytes, value->size), *text = file_text(VALUE_PLAIN, rest);
        secret_text_free(rest);
        return text;
}

char *secret_file_of_sealed(const char *sealed) {
        return file_text(VALUE_SEALED, sealed);
}

static bool find_form(const char *name, ValueForm *form) {
        for (size_t i = 0; i < G_N_ELEMENTS(form_names); i++)
                if (strcmp(form_names[i], name) == 0) {
                        *form = (ValueForm) i;
                        return true;
                }
        return false;
}

bool secret_file_parse(const char *text, ValueForm *form, const char **rest, GError **error) {
        unsigned format = 0;
        char name[16], digest[65];
        int length = -1;
        if (sscanf(text, FILE_WORD " format=%u ", &format) == 1 && format > FILE_FORMAT)
                return virtbus_error_set(error, VIRTBUS_ERROR_UNSUPPORTED,
                                         "it has format %u, of a later version of virtbus; this one reads up to %d", format,
                                         FILE_FORMAT);
        bool whole = sscanf(text, FILE_WORD " format=%u form=%15s sha256=%64[0-9a-f]%n", &format, name, digest, &length) == 3 &&
                     length > 0 && text[length] == '\n' && find_form(name, form);
        g_autofree char *found = whole ? g_compute_checksum_for_string(G_CHECKSUM_SHA256, text + length + 1, -1) : NULL;
        if (!whole || strcmp(found, digest) != 0)
                return virtbus_error_set(error, VIRTBUS_ERROR_INVALID_XML, "it is damaged");
        *rest = text + length + 1;
        return true;
}

SecretValue *secret_value_from_plain(const char *rest, GError **error) {
        gsize size = 0;
        guchar *bytes = g_base64_decode(rest, &size);
        SecretValue *value = secret_value_new(bytes, size, error);
        explicit_bzero(bytes, size);
        g_free(bytes);
        return value;
}
