/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <libxml/tree.h>

/* Completes a display (<graphics>) as libvirt keeps it: where it listens, said by an element and by the attributes that programs
 * read that are older than the element, and at which ports. */
void defaults_display_complete(xmlNode *display);
