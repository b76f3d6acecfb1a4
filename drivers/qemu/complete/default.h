/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* How a default is written into a document: what its author wrote is never changed, and what says nothing is left out. */

#include "base/xml.h"

/* Sets an attribute that is not there; adds a child that is not there. */
void default_set(xmlNode *element, const char *name, const char *value);
void default_add(xmlNode *element, const char *name, const char *text);

/* Removes an attribute of an element, if there is one. */
void default_remove(xmlNode *element, const char *name);

/* Removes an attribute of value 0, which says as much as none; returns whether it was that. */
bool default_drop_zero(xmlNode *element, const char *attribute);
