/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Writing which images disks of a domain have: into its definition first, so that what is defined can be started at any instant,
 * and then, in the same turn, into the document of its run. */

#include "domain/domain.h"

typedef struct ImagesChange ImagesChange;

/* Called in the turn, once; DATA as given. Of an ERROR nothing has changed. CHANGE goes when it returns. */
typedef void (*ImagesDefined)(void *data, const ImagesChange *change, const GError *error);

ImagesChange *images_change_new(Domain *domain);
void images_change_free(ImagesChange *change);

/* The disk of a target has the images TO instead of FROM: DiskImage, the top one first. ALIAS: of the one that runs; or NULL.
 * References are taken. */
void images_change_add(ImagesChange *change, const char *alias, const char *target, GPtrArray *from, GPtrArray *to);

/* Writes the definition (CHANGE is taken), where it names these disks with the images that they had; then calls DONE. */
void images_change_define(ImagesChange *change, ImagesDefined done, void *data);

/* Puts them into the document of the run, or, BACK, those that were there before. */
bool images_change_run(const ImagesChange *change, bool back, GError **error);
