/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a disk has besides where its hypervisor works on images: org.virtbus1.Device.Disk.Image. */

#include "domain/domain.h"

const Vtable *disk_image_vtable(void);

/* The disks' property Job may be another. */
void disk_image_announce_jobs(Domain *domain);

/* JobStateChanged. */
void disk_image_tell_job(Domain *domain, const char *alias, const char *operation, const char *state, const char *error);

/* More than a threshold was written. */
void disk_image_tell_threshold(const Domain *domain, const char *alias, const DiskImage *image, uint64_t threshold,
                               uint64_t excess);
