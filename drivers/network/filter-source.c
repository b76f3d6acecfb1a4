/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "network/filter-source.h"

#include <string.h>

const FilterDefinition *filter_source_find(const FilterSource *source, const char *name, GError **error) {
        if (source->instead && strcmp(source->instead->name, name) == 0)
                return source->instead;
        const Entry *entry = filters_find_name(source->filters, name, error);
        return entry ? filter_definition(entry) : NULL;
}

/* All that its references lead to are looked at once. */
static bool leads_to(const FilterSource *source, const char *name, const char *other, GHashTable *seen) {
        if (strcmp(name, other) == 0)
                return true;
        const FilterDefinition *definition = filter_source_find(source, name, NULL);
        if (!definition || !g_hash_table_add(seen, (void *) definition->name))
                return false;
        for (char **reference = definition->references; *reference; reference++)
                if (leads_to(source, *reference, other, seen))
                        return true;
        return false;
}

bool filter_source_includes(const FilterSource *source, const char *name, const char *other) {
        g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
        return leads_to(source, name, other, seen);
}
