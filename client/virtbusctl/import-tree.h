/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What libvirt knows of the snapshots and checkpoints of its domains: it keeps a folder of each domain's, by its name. */

#include "tree.h"

/* What has become of a file. */
typedef void (*ImportTold)(void *data, const char *file, const char *result, const char *path, const GError *error);

/* Makes known what is in libvirt's folder of a domain of this name, the parents first; what there is of that name stays as it
 * is. DOMAIN: its path here. TOLD has files as SHOWN/NAME has them. */
void import_tree(const TreeKind *kind, Ctl *ctl, const char *folder, const char *shown, const char *domain, ImportTold told,
                 void *data);
