/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What nftables is told of a filter, for people to see. */

#include "network/filter-source.h"

/* The rules of a filter for an interface of which nothing is known, with the table, as of filter_nft_write; to be freed. NULL
 * with an error. */
char *filter_show_rules(const FilterSource *source, const FilterDefinition *definition, const char *interface,
                        GHashTable *variables, GError **error);
