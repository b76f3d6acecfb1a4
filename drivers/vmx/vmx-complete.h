/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a document leaves to VMware to choose. */

#include <libxml/tree.h>

/* Writes a UUID, and addresses of interfaces, where there are none. */
void vmx_complete(xmlDoc *document);
