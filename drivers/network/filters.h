/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The network filters of a machine: by UUID and by name. Those that come with the driver are there without a file; one that is
 * defined anew is kept as any other, until it is undefined. It needs no bus. */

#include "base/registry-change.h"
#include "network/filter-definition.h"

/* How many filters there may be. */
#define FILTERS_MAX 4096

/* How many references may be looked at, of a filter and of all that it includes, to find that it does not include itself. */
#define FILTER_INCLUDED_MAX 16384

extern const RegistryKind filters_kind;

const FilterDefinition *filter_definition(const Entry *filter);

/* Finds one, borrowed; NULL with NoSuchFilter. */
Entry *filters_find_name(Registry *filters, const char *name, GError **error);

/* One that comes with the driver is then as it came. OperationInvalid where it is so already. */
void filter_undefine(Entry *filter, EntryDone done, void *data);
