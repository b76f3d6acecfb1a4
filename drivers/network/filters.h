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

/* Who has cards with filters. DEFINITION is to be the one of its name, or NULL: that one is to be gone. DONE tells whether it
 * can be: with an error nothing has changed; else SETTLE says what has become of it, until which DEFINITION is borrowed. */
typedef struct FiltersUser {
        void (*try)(void *data, const FilterDefinition *definition, const char *name, WorkDone done, void *done_data);
        void (*settle)(void *data, bool is_made);
        void (*cancel)(void *data); /* nothing more is done: who waits is told */
} FiltersUser;

typedef struct Filters {
        Registry registry;
        const FiltersUser *user; /* NULL: nobody */
        void *user_data;
} Filters;

extern const RegistryKind filters_kind;

const FilterDefinition *filter_definition(const Entry *filter);

/* Finds one, borrowed; NULL with NoSuchFilter. */
Entry *filters_find_name(Registry *filters, const char *name, GError **error);

/* One that comes with the driver is then as it came. OperationInvalid where it is so already, and where a card has it. */
void filter_undefine(Entry *filter, EntryDone done, void *data);
