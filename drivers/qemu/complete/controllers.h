/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The controllers of a domain document, and the order of its elements. */

#include "base/xml.h"

/* The controller element of a type and index that is not a USB companion, or NULL. */
xmlNode *controllers_find(xmlNode *devices, const char *type, unsigned index);

/* Adds a controller to the document. */
xmlNode *controllers_add(xmlNode *devices, const char *type, unsigned index, const char *model);

/* The elements of a name as libvirt sorts them: disks by name within each bus, controllers by index within each type. To be
 * freed with g_ptr_array_unref. */
GPtrArray *controllers_sorted(xmlNode *devices, const char *name);

/* The index attribute of a controller, 0 where there is none. */
unsigned controllers_index(const xmlNode *controller);

/* The highest index of a controller that is added. Documents with higher numbers are refused where they are read; here they
 * only bound the work. */
#define CONTROLLER_INDEX_MAX 255

/* Adds one where there is none of that index. */
void controllers_ensure(xmlNode *devices, const char *type, unsigned index, const char *model);

/* A number in an element's address, such as "controller"; 0 where there is none. */
unsigned controllers_number(const xmlNode *element, const char *name);
