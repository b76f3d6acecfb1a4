/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Who else needs an image, as it is: other snapshots of its domain, other domains and their snapshots, by what their documents
 * name and by what the images' headers say is below these. */

#include "domain/domain.h"
#include "domain/snapshot-definition.h"

/* One that is to be changed, or removed. */
typedef struct NeededImage {
        char *path;
        bool is_found; /* it is there, as: */
        uint64_t device, inode;
        char *by; /* who needs it, for messages; NULL: nobody */
} NeededImage;

typedef struct ImageNeeds {
        GPtrArray *images; /* NeededImage */
        GPtrArray *tops;   /* what is looked at: struct NeedingTop */
        uid_t rights;      /* with which a worker looks */
} ImageNeeds;

ImageNeeds *image_needs_new(const Domain *domain);
void image_needs_free(ImageNeeds *needs);

/* Which image is asked for; the same object for the same path. */
const NeededImage *image_needs_ask(ImageNeeds *needs, const char *path);

/* An image that somebody has, who is called WHO: what it is over is needed, and it itself. */
void image_needs_add(ImageNeeds *needs, const char *who, const char *path);

/* Whatever the domains of DOMAIN's connection have, and their snapshots, but for its own document, its snapshot WITHOUT, and
 * those of its snapshots that are in KNOWN (paths). */
void image_needs_add_all(ImageNeeds *needs, const Domain *domain, const char *without, GHashTable *known);

/* For a worker. */
void image_needs_look(ImageNeeds *needs, GError **error);
