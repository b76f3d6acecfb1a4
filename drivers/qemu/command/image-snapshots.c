/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/command/image-snapshots.h"

#include <endian.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "errors.h"

/* The header, and an entry of the table: its fields that are always there, then what has the sizes that these say. */
#define HEADER_BYTES 72
#define MAGIC 0x514649fb
#define ENTRY_BYTES 40
#define ENTRY_EXTRA_MAX 1024

static uint64_t number_at(const uint8_t *bytes, size_t size) {
        uint64_t number = 0;
        for (size_t i = 0; i < size; i++)
                number = number << 8 | bytes[i];
        return number;
}

static bool fail(const char *path, GError **error) {
        return virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT, "image %s: its table of snapshots is damaged", path);
}

/* Reads the one at *AT, which becomes where the next one is. */
static bool read_entry(int fd, const char *name, uint64_t *at, bool *is_it) {
        uint8_t entry[ENTRY_BYTES];
        if (*at > INT64_MAX || pread(fd, entry, sizeof entry, (off_t) *at) != sizeof entry)
                return false;
        uint64_t id = number_at(entry + 12, 2), length = number_at(entry + 14, 2), extra = number_at(entry + 36, 4),
                 size = sizeof entry + extra + id + length;
        if (extra > ENTRY_EXTRA_MAX)
                return false;
        *is_it = false;
        if (length == strlen(name)) {
                g_autofree char *found = g_malloc(length + 1);
                if (pread(fd, found, length, (off_t) (*at + sizeof entry + extra + id)) != (ssize_t) length)
                        return false;
                *is_it = memcmp(found, name, length) == 0;
        }
        *at += (size + 7) / 8 * 8;
        return true;
}

bool image_snapshots_have(int fd, const char *path, const char *name, bool *have, GError **error) {
        uint8_t header[HEADER_BYTES];
        *have = false;
        if (pread(fd, header, sizeof header, 0) != sizeof header || number_at(header, 4) != MAGIC)
                return virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT, "image %s is not of format qcow2", path);
        uint64_t n = number_at(header + 60, 4), at = number_at(header + 64, 8);
        if (n > IMAGE_SNAPSHOTS_MAX)
                return fail(path, error);
        if (!name) {
                *have = n > 0;
                return true;
        }
        for (uint64_t i = 0; i < n && !*have; i++)
                if (!read_entry(fd, name, &at, have))
                        return fail(path, error);
        return true;
}
