/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The files that a job needs when it begins, opened by a worker with the rights of its domain. */

#include "domain/disk-jobs.h"
#include "qemu/guest/guest.h"

/* An image that is only read, and is to be written. */
typedef struct Written {
        uint32_t index, below;
        char *path, *by; /* BY: see image_open_to_write */
        int fd;
} Written;

/* What a worker opens. The guest may be gone when it is done. */
typedef struct BlockOpening {
        Guest *guest;
        DiskJobKind kind;
        char *alias;
        GPtrArray *written;   /* Written */
        char *header, *below; /* the image whose header is to name another, and which one; or NULL */
        char *named;          /* and as what */
        char *path, *format, *below_format, *source, *source_format; /* COPY */
        bool reuse, is_device, is_made, is_open;
        const Connection *connection;
        uid_t rights; /* of the user with whose rights it opens; or USER_RIGHTS_ALL */
        uid_t owner;
        int fd;
        uint32_t base, top;
        void (*opened)(struct BlockOpening *opening, const GError *error);
} BlockOpening;

/* Nothing of it is opened yet. */
BlockOpening *block_job_files_new(Guest *guest, DiskJobKind kind, const char *alias);
void block_job_files_free(BlockOpening *opening);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BlockOpening, block_job_files_free)

/* An image that is to be written: PATH, of INDEX. BY: see image_open_to_write. */
void block_job_files_add(BlockOpening *opening, uint32_t index, uint32_t below, const char *path, const char *by);

/* Opens them (OPENING is taken), then calls opening->opened, which owns it. */
void block_job_files_open(const Domain *domain, BlockOpening *opening);

/* What was made for a job that does not begin goes, and OPENING with it. */
void block_job_files_give_up(BlockOpening *opening);

/* The same of a job that an earlier driver has begun, and QEMU not. */
void block_job_files_remove(const Domain *domain, const char *path);
