/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Work on a snapshot that is external: overlays that are made, put in, or removed for an operation. It is the operation's, which
 * keeps it with overlaying_let_go, and, while it is busy, of what it waits for. QEMU's answers find it by the guest. */

#include "domain/images-change.h"
#include "qemu/guest/guest.h"
#include "qemu/guest/overlay-files.h"

typedef struct Overlaying {
        Domain *domain;       /* a reference */
        Operation *operation; /* NULL: it has ended */
        Guest *guest;         /* of a domain that is up, until it is let go of */
        OverlayFiles *files;
        char *name;
        bool is_written_down; /* what is made: it is not removed with this */
        bool is_busy;         /* it is data of what will be called */
        bool is_settled;      /* what is done is settling */
        bool is_forgotten;    /* nothing is to be known of the snapshot once it is made */
        GError *failure;      /* why it goes back */
        void (*removed)(struct Overlaying *self);
} Overlaying;

/* OF: what the domain is, or was. NULL with an error. */
Overlaying *overlaying_new(Operation *operation, const SnapshotDefinition *definition, const Definition *of, GError **error);

/* Its operation has ended. What it has made, and nobody has written down, is removed. */
void overlaying_let_go(void *self);

/* What it waited for has come: whether it is still wanted. Else it is gone. */
bool overlaying_came(Overlaying *self);

/* Its guest is let go of. */
void overlaying_leave_guest(Overlaying *self);

/* An error that says of which domain and snapshot it is; to be freed. */
GError *overlaying_explain(const Overlaying *self, const GError *failure);

/* The images of a disk with its overlay, which is the top one. */
GPtrArray *overlaying_chain(const Overlay *overlay);

/* What the images of its disks become, or, BACK, were. */
ImagesChange *overlaying_change(const Overlaying *self, bool back);
