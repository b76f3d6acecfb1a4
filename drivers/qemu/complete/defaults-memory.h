/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The part of defaults.h that is about memory: how much there is, its limits, and the NUMA cells that it is of. */

#include "base/xml.h"

void defaults_memory_complete(xmlNode *root);

/* A size in the text of an element, with a unit: in KiB. */
void defaults_memory_normalize_size(xmlNode *element);

/* Numbers the cells of <numa>, writes their sizes as libvirt does, and the distances between them both ways. */
void defaults_memory_complete_cells(xmlNode *numa);
