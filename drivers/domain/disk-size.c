/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/disk-size.h"

#include <inttypes.h>

bool disk_size_check(const DiskSize *size, GError **error) {
        return (size->bytes > 0 && size->bytes % DISK_SECTOR_BYTES == 0 && size->bytes <= INT64_MAX) ||
               virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                 "size is %" PRIu64 "; it must be a multiple of %d above 0", size->bytes, DISK_SECTOR_BYTES);
}

bool disk_size_choose(const DiskSize *size, const char *alias, uint64_t now, uint64_t *chosen, GError **error) {
        *chosen = size->adds ? now + size->bytes : size->bytes;
        if (*chosen > INT64_MAX)
                return virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                         "disk '%s' has %" PRIu64 " bytes; %" PRIu64 " more are too many", alias, now,
                                         size->bytes);
        if (*chosen < now && !size->shrinks)
                return virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                         "%" PRIu64 " bytes are less than the %" PRIu64 " that disk '%s' has: what lies behind "
                                         "them would be lost; pass the option shrink if that is what you want",
                                         *chosen, now, alias);
        return true;
}
