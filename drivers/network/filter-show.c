/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "network/filter-show.h"

#include "network/filter-nft.h"

/* Names of interfaces have letters that those of chains do not. */
static char *id_of(const char *interface) {
        g_autoptr(GString) id = g_string_new(NULL);
        for (const char *c = interface; *c; c++)
                if (g_ascii_isalnum(*c))
                        g_string_append_c(id, *c);
                else
                        g_string_append_printf(id, "_%02x", (unsigned char) *c);
        return g_strdup(id->str);
}

char *filter_show_rules(const FilterSource *source, const FilterDefinition *definition, const char *interface,
                        GHashTable *variables, GError **error) {
        g_autoptr(GString) text = g_string_new(FILTER_TABLE_FRAME);
        g_autofree char *id = id_of(interface);
        FilterCard card = { .id = id, .interface = interface, .is_unknown = true };
        bool is_written = filter_nft_write(source, definition, variables, &card, text, error);
        filter_card_clear(&card);
        return is_written ? g_strdup(text->str) : NULL;
}
