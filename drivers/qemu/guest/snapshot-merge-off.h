/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The same of a domain that is off: a QEMU without a guest merges the images (images-qemu.h), and the definition names what there
 * is then. */

#include "qemu/guest/snapshot-merging.h"

void snapshot_merge_off(Merging *self);
