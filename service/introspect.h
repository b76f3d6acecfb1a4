/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "mirror.h"

/* Makes the answer to Introspect at a path: the object's interfaces and the nodes below, as far as MAY_SEE them. NULL where
 * there is nothing. */
char *introspect(Mirror *mirror, const char *path, bool (*may_see)(const Object *object, void *data), void *data);
