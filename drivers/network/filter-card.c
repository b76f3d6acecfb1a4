/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "network/filter-card.h"

static const char *const way_names[] = { [FILTER_WAY_FROM] = "from", [FILTER_WAY_TO] = "to" };

void filter_card_name_chain(const FilterCard *card, FilterWay way, unsigned chain, GString *text) {
        g_string_append_printf(text, "card_%s_%s_%u", card->id, way_names[way], chain);
}

static void on_chain(const FilterCard *card, const char *verb, FilterWay way, unsigned chain, GString *text) {
        g_string_append_printf(text, "%s chain " FILTER_TABLE " ", verb);
        filter_card_name_chain(card, way, chain, text);
        g_string_append_c(text, '\n');
}

void filter_card_declare(const FilterCard *card, FilterWay way, GString *text) {
        for (unsigned i = 0; i < card->n_chains; i++) {
                on_chain(card, "add", way, i, text);
                on_chain(card, "flush", way, i, text);
        }
}

static void on_elements(const FilterCard *card, const char *verb, GString *text) {
        for (FilterWay way = 0; way < FILTER_N_WAYS; way++) {
                g_string_append_printf(text, "%s element " FILTER_TABLE " cards_%s { \"%s\" : goto ", verb, way_names[way],
                                       card->interface);
                filter_card_name_chain(card, way, 0, text);
                g_string_append(text, " }\n");
        }
}

void filter_card_bind(const FilterCard *card, GString *text) {
        on_elements(card, "add", text);
}

/* They lead to each other: all are emptied before one is deleted. */
static void delete_chains(const FilterCard *card, unsigned first, unsigned end, GString *text) {
        for (unsigned deletes = 0; deletes < 2; deletes++)
                for (FilterWay way = 0; way < FILTER_N_WAYS; way++)
                        for (unsigned i = first; i < end; i++)
                                on_chain(card, deletes ? "delete" : "flush", way, i, text);
}

void filter_card_trim(const FilterCard *card, unsigned n_before, GString *text) {
        delete_chains(card, card->n_chains, n_before, text);
}

void filter_card_remove(FilterCard *card, GString *text) {
        on_elements(card, "delete", text);
        delete_chains(card, 0, card->n_chains, text);
        card->n_chains = 0;
}

void filter_card_close(FilterCard *card, GString *text) {
        unsigned n_before = card->n_chains;
        card->n_chains = 1;
        for (FilterWay way = 0; way < FILTER_N_WAYS; way++) {
                filter_card_declare(card, way, text);
                g_string_append(text, "add rule " FILTER_TABLE " ");
                filter_card_name_chain(card, way, 0, text);
                g_string_append(text, " drop\n");
        }
        filter_card_bind(card, text);
        filter_card_trim(card, n_before, text);
}
