/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Where those filters are found that others include: the machine's, with one that is to be another in its place. */

#include "network/filters.h"

typedef struct FilterSource {
        Registry *filters;
        const FilterDefinition *instead; /* of the one that has its name, or NULL */
} FilterSource;

/* Borrowed; NULL with NoSuchFilter. */
const FilterDefinition *filter_source_find(const FilterSource *source, const char *name, GError **error);

/* Whether a filter is another one, or includes it on whatever way. */
bool filter_source_includes(const FilterSource *source, const char *name, const char *other);
