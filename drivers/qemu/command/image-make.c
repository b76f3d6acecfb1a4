/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/command/image-make.h"

#include <endian.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/named-file.h"
#include "bus.h"
#include "errors.h"

/* qcow2, version 3, with QEMU's own clusters. */
#define CLUSTER_BITS 16
#define CLUSTER ((uint64_t) 1 << CLUSTER_BITS)
#define ENTRY_BYTES 8
#define HEADER_BYTES 104
#define REFCOUNT_ORDER 4 /* of 16 bits */
#define EXTENSION_BACKING_FORMAT 0xe2792aca

/* The largest disk: its first table has a cluster for each 4 TiB, which all fit into one block of reference counts. */
#define SIZE_MAX_BYTES (UINT64_C(1) << 56)
#define TABLE_CLUSTERS_MAX (SIZE_MAX_BYTES / CLUSTER / (CLUSTER / ENTRY_BYTES) * ENTRY_BYTES / CLUSTER)

static void put32(uint8_t *at, uint32_t value) {
        value = htobe32(value);
        memcpy(at, &value, sizeof value);
}

static void put64(uint8_t *at, uint64_t value) {
        value = htobe64(value);
        memcpy(at, &value, sizeof value);
}

static bool write_at(int fd, const char *path, const void *data, size_t size, uint64_t at, GError **error) {
        const uint8_t *next = data;
        while (size > 0) {
                ssize_t n = pwrite(fd, next, size, (off_t) at);
                if (n <= 0)
                        return virtbus_error_set_errno(error, n < 0 ? errno : EIO, "image %s cannot be written", path);
                next += n;
                at += (uint64_t) n;
                size -= (size_t) n;
        }
        return true;
}

/* The header; a table of one block of reference counts; that block; and the disk's first table, which is empty. */
static bool make_qcow2(int fd, const char *path, uint64_t size, const char *backing, const char *backing_format, GError **error) {
        g_autofree uint8_t *cluster = g_malloc0(CLUSTER);
        uint64_t covered = CLUSTER * (CLUSTER / ENTRY_BYTES), n_entries = (size + covered - 1) / covered,
                 n_table = MAX((n_entries * ENTRY_BYTES + CLUSTER - 1) / CLUSTER, 1), n_clusters = 3 + n_table;
        size_t at = HEADER_BYTES;
        struct stat info;
        put32(cluster, 0x514649fb);
        put32(cluster + 4, 3);
        put32(cluster + 20, CLUSTER_BITS);
        put64(cluster + 24, size);
        put32(cluster + 36, (uint32_t) n_entries);
        put64(cluster + 40, 3 * CLUSTER);
        put64(cluster + 48, CLUSTER);
        put32(cluster + 56, 1);
        put32(cluster + 96, REFCOUNT_ORDER);
        put32(cluster + 100, HEADER_BYTES);
        if (backing) {
                size_t format_size = strlen(backing_format), name_size = strlen(backing);
                put32(cluster + at, EXTENSION_BACKING_FORMAT);
                put32(cluster + at + 4, (uint32_t) format_size);
                g_strlcpy((char *) cluster + at + 8, backing_format, CLUSTER - at - 8);
                at += 8 + ((format_size + 7) & ~(size_t) 7) + 8; /* and the end of extensions */
                put64(cluster + 8, at);
                put32(cluster + 16, (uint32_t) name_size);
                g_strlcpy((char *) cluster + at, backing, CLUSTER - at);
        }
        if (!write_at(fd, path, cluster, CLUSTER, 0, error))
                return false;
        memset(cluster, 0, CLUSTER);
        put64(cluster, 2 * CLUSTER);
        if (!write_at(fd, path, cluster, CLUSTER, CLUSTER, error))
                return false;
        memset(cluster, 0, CLUSTER);
        for (uint64_t i = 0; i < n_clusters; i++)
                cluster[2 * i + 1] = 1;
        if (!write_at(fd, path, cluster, CLUSTER, 2 * CLUSTER, error))
                return false;
        if (fstat(fd, &info) == 0 && (S_ISBLK(info.st_mode) || ftruncate(fd, (off_t) (n_clusters * CLUSTER)) == 0))
                return true;
        return virtbus_error_set_errno(error, errno, "image %s cannot be written", path);
}

bool image_make(int fd, const char *path, const char *format, uint64_t size, const char *backing, const char *backing_format,
                GError **error) {
        if (size > SIZE_MAX_BYTES || (backing && strlen(backing) > IMAGE_BACKING_NAME_MAX))
                return virtbus_error_set(error, VIRTBUS_ERROR_LIMIT_EXCEEDED,
                                         "image %s would be too large, or its backing image's name too long", path);
        if (strcmp(format, "qcow2") == 0)
                return make_qcow2(fd, path, size, backing, backing_format, error);
        return ftruncate(fd, (off_t) size) == 0 || virtbus_error_set_errno(error, errno, "image %s cannot be made", path);
}

int image_make_in_memory(uint64_t size, GError **error) {
        g_autofd int fd = memfd_create("virtbus-image", MFD_CLOEXEC);
        if (fd < 0) {
                virtbus_error_set_errno(error, errno, "a file in memory cannot be made");
                return -1;
        }
        return image_make(fd, "in memory", "qcow2", size, NULL, NULL, error) ? steal_fd(&fd) : -1;
}

static bool is_block_device(const char *path) {
        struct stat info;
        g_autofd int found = named_file_find("image", path, &info, NULL);
        return found >= 0 && S_ISBLK(info.st_mode);
}

bool image_open_target(ImageTarget *target, GError **error) {
        struct stat info;
        uint64_t there = 0;
        bool exists = target->reuse || is_block_device(target->path);
        target->fd = exists ? image_open_to_write(target->path, NULL, error) : image_create(target->path, error);
        if (target->fd < 0)
                return false;
        target->is_made = !exists;
        if (fstat(target->fd, &info) < 0)
                return virtbus_error_set_errno(error, errno, "image %s cannot be looked at", target->path);
        target->is_device = S_ISBLK(info.st_mode);
        if (!target->reuse && !(target->is_device && strcmp(target->format, "raw") == 0))
                return image_make(target->fd, target->path, target->format, target->size, target->backing, target->backing_format,
                                  error);
        return image_size(target->fd, target->path, target->format, &there, error) &&
               (there == target->size || virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                                           "%s has %" G_GUINT64_FORMAT " bytes, and the disk %" G_GUINT64_FORMAT
                                                           ": a %s is of the same size",
                                                           target->path, there, target->size, target->what));
}

static bool is_zero(const uint8_t *data, size_t size) {
        return size == 0 || (data[0] == 0 && memcmp(data, data + 1, size - 1) == 0);
}

/* The disk's first table is as it was made, which is at its end. */
bool image_is_unwritten(int fd) {
        g_autofree uint8_t *cluster = g_malloc0(CLUSTER);
        struct stat info;
        uint32_t n_entries;
        if (fstat(fd, &info) < 0 || !S_ISREG(info.st_mode) || pread(fd, cluster, HEADER_BYTES, 0) != HEADER_BYTES)
                return false;
        memcpy(&n_entries, cluster + 36, sizeof n_entries);
        uint64_t bytes = (uint64_t) be32toh(n_entries) * ENTRY_BYTES, n_table = MAX((bytes + CLUSTER - 1) / CLUSTER, 1);
        if (n_table > TABLE_CLUSTERS_MAX || (uint64_t) info.st_size != (3 + n_table) * CLUSTER)
                return false;
        for (uint64_t i = 0; i < n_table; i++)
                if (pread(fd, cluster, CLUSTER, (off_t) ((3 + i) * CLUSTER)) != (ssize_t) CLUSTER || !is_zero(cluster, CLUSTER))
                        return false;
        return true;
}
