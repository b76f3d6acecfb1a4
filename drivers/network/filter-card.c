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

void filter_card_copy(FilterCard *to, const FilterCard *from) {
        GBytes *digests = from->digests ? g_bytes_ref(from->digests) : NULL;
        filter_card_clear(to);
        *to = *from;
        to->digests = digests;
}

void filter_card_clear(FilterCard *card) {
        g_clear_pointer(&card->digests, g_bytes_unref);
}

void filter_card_declare(const FilterCard *card, const FilterCard *before, GString *text) {
        for (FilterWay way = 0; way < FILTER_N_WAYS; way++)
                for (unsigned i = before->n_chains; i < card->n_chains; i++)
                        on_chain(card, "add", way, i, text);
}

void filter_card_empty(const FilterCard *before, FilterWay way, unsigned chain, GString *text) {
        if (before->is_unknown || chain < before->n_chains)
                on_chain(before, "flush", way, chain, text);
}

static void on_elements(const FilterCard *card, const char *verb, GString *text) {
        for (FilterWay way = 0; way < FILTER_N_WAYS; way++) {
                g_string_append_printf(text, "%s element " FILTER_TABLE " cards_%s { \"%s\" : goto ", verb, way_names[way],
                                       card->interface);
                filter_card_name_chain(card, way, 0, text);
                g_string_append(text, " }\n");
        }
}

void filter_card_bind(const FilterCard *card, const FilterCard *before, GString *text) {
        if (before->n_chains == 0)
                on_elements(card, "add", text);
}

/* They lead to each other: all are emptied before one is deleted. */
static void delete_chains(const FilterCard *card, unsigned first, unsigned end, GString *text) {
        for (unsigned deletes = 0; deletes < 2; deletes++)
                for (FilterWay way = 0; way < FILTER_N_WAYS; way++)
                        for (unsigned i = first; i < end; i++)
                                on_chain(card, deletes ? "delete" : "flush", way, i, text);
}

static void on_set(const FilterCard *card, const char *verb, const char *what, GString *text) {
        g_string_append_printf(text, "%s set " FILTER_TABLE " ", verb);
        filter_card_name_set(card, text);
        g_string_append_printf(text, "%s\n", what);
}

void filter_card_name_set(const FilterCard *card, GString *text) {
        g_string_append_printf(text, "card_%s_ip", card->id);
}

void filter_card_declare_set(const FilterCard *card, GString *text) {
        on_set(card, "add", " { type ipv4_addr; flags dynamic; size 1; }", text);
}

void filter_card_declare_same_bytes(GString *text) {
        g_string_append(text, "add set " FILTER_TABLE " " FILTER_SAME_BYTES " { typeof @nh,112,8 . @nh,192,8; }\n"
                              "add element " FILTER_TABLE " " FILTER_SAME_BYTES " { ");
        for (unsigned byte = 0; byte < 256; byte++)
                g_string_append_printf(text, "%s%u . %u", byte > 0 ? ", " : "", byte, byte);
        g_string_append(text, " }\n");
}

void filter_card_learn(const FilterCard *card, const char *mac, GString *text) {
        static const char *const addresses[] = { "ip saddr", "arp saddr ip" };
        for (size_t i = 0; i < G_N_ELEMENTS(addresses); i++) {
                g_string_append(text, "insert rule " FILTER_TABLE " ");
                filter_card_name_chain(card, FILTER_WAY_FROM, 0, text);
                if (mac)
                        g_string_append_printf(text, " ether saddr %s", mac);
                g_string_append_printf(text, " %s != 0.0.0.0 add @", addresses[i]);
                filter_card_name_set(card, text);
                g_string_append_printf(text, " { %s }\n", addresses[i]);
        }
}

void filter_card_trim(const FilterCard *card, const FilterCard *before, GString *text) {
        delete_chains(card, card->n_chains, before->n_chains, text);
        if (before->learns && !card->learns)
                on_set(card, "delete", "", text);
}

void filter_card_remove(FilterCard *card, GString *text) {
        on_elements(card, "delete", text);
        const FilterCard before = *card;
        card->n_chains = 0;
        card->learns = false;
        filter_card_clear(card);
        filter_card_trim(card, &before, text);
}

void filter_card_close(FilterCard *card, GString *text) {
        const FilterCard before = *card;
        card->n_chains = 1;
        card->learns = false;
        filter_card_clear(card);
        filter_card_declare(card, &before, text);
        for (FilterWay way = 0; way < FILTER_N_WAYS; way++) {
                filter_card_empty(&before, way, 0, text);
                g_string_append(text, "add rule " FILTER_TABLE " ");
                filter_card_name_chain(card, way, 0, text);
                g_string_append(text, " drop\n");
        }
        filter_card_bind(card, &before, text);
        filter_card_trim(card, &before, text);
}
