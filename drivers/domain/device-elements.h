/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The device elements of a document. */

#include "base/xml.h"

/* One after the other, in the order of a definition's devices. */
xmlNode *device_elements_first(xmlDoc *document);
xmlNode *device_elements_next(xmlNode *device);

/* The one of a place among them, or NULL. */
xmlNode *device_elements_at(xmlDoc *document, guint index);

/* The video card that firmware writes to: the one that says so, or the first; NULL where there is none. */
xmlNode *device_elements_primary_video(xmlNode *devices);
