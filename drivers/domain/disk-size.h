/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The size that a disk is to have: what Disk.Resize is asked for. */

#include "domain/domain.h"

/* What a disk's size is counted in. */
#define DISK_SECTOR_BYTES 512

typedef struct DiskSize {
        uint64_t bytes;
        bool adds;    /* to what it has */
        bool shrinks; /* it may be smaller than what it has */
} DiskSize;

/* Whether it can be the size of any disk. */
bool disk_size_check(const DiskSize *size, GError **error);

/* The size in bytes of a disk that has NOW bytes. Refuses what would cut off its end unasked. */
bool disk_size_choose(const DiskSize *size, const char *alias, uint64_t now, uint64_t *chosen, GError **error);
