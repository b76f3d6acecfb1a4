/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Files of a datastore: in a .vmx /vmfs/volumes/STORE/PATH, in documents [STORE] PATH. Others are the same in both. */

#include <glib.h>

char *vmx_path_to_document(const char *path);
char *vmx_path_from_document(const char *path);
