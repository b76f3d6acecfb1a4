/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The rules of one guest's card, as nftables has them: a table of the family bridge, in which the name of an interface leads
 * to the chains of its card, one of what comes from the guest and one of what goes to it, and those that these lead to. What
 * is written here is part of a transaction. */

#include <glib.h>
#include <stdbool.h>

#define FILTER_TABLE "bridge virtbus"

/* The table without cards; one that is there keeps those that it has. */
#define FILTER_TABLE_FRAME \
        "add table " FILTER_TABLE "\n" \
        "add map " FILTER_TABLE " cards_from { type ifname : verdict; }\n" \
        "add map " FILTER_TABLE " cards_to { type ifname : verdict; }\n" \
        "add chain " FILTER_TABLE " cards_prerouting { type filter hook prerouting priority dstnat; policy accept; }\n" \
        "add chain " FILTER_TABLE " cards_postrouting { type filter hook postrouting priority srcnat; policy accept; }\n" \
        "flush chain " FILTER_TABLE " cards_prerouting\n" \
        "flush chain " FILTER_TABLE " cards_postrouting\n" \
        "add rule " FILTER_TABLE " cards_prerouting iifname vmap @cards_from\n" \
        "add rule " FILTER_TABLE " cards_postrouting oifname vmap @cards_to\n"

/* Takes the table away, whether it is there or not. */
#define FILTER_TABLE_REMOVAL \
        "add table " FILTER_TABLE "\n" \
        "delete table " FILTER_TABLE "\n"

/* What comes from the guest, and what goes to it. */
typedef enum FilterWay {
        FILTER_WAY_FROM,
        FILTER_WAY_TO,
        FILTER_N_WAYS,
} FilterWay;

typedef struct FilterCard {
        const char *id;        /* in the names of its chains: letters, digits and '_' */
        const char *interface; /* on the host */
        unsigned n_chains;     /* of each way; 0: none is there */
        bool learns;           /* it has a set, of the address that its guest was first seen with */
        bool is_unknown;       /* chains of it may be there, with whatever is in them */
        GBytes *digests;       /* of what is in its chains: those from the guest, then those to it; NULL: not known. Owned */
} FilterCard;

/* Makes TO the same as FROM; what it had is freed. */
void filter_card_copy(FilterCard *to, const FilterCard *from);
void filter_card_clear(FilterCard *card);

void filter_card_name_chain(const FilterCard *card, FilterWay way, unsigned chain, GString *text);

/* The name of the set. */
void filter_card_name_set(const FilterCard *card, GString *text);

/* The set, which keeps what is in it. */
void filter_card_declare_set(const FilterCard *card, GString *text);

/* A set that those of all cards may ask: all pairs of equal bytes. */
#define FILTER_SAME_BYTES "same_bytes"
void filter_card_declare_same_bytes(GString *text);

/* The first address that its guest, whose card has the address MAC (NULL: any), sends IPv4 or ARP with comes into the set,
 * before that packet is judged. To be written when all other rules are. */
void filter_card_learn(const FilterCard *card, const char *mac, GString *text);

/* The chains that it has not had BEFORE, of both ways. */
void filter_card_declare(const FilterCard *card, const FilterCard *before, GString *text);

/* Takes out what is in a chain, if that was there before. */
void filter_card_empty(const FilterCard *before, FilterWay way, unsigned chain, GString *text);

/* Leads its interface to the first chain of each way, where it has not done so BEFORE. */
void filter_card_bind(const FilterCard *card, const FilterCard *before, GString *text);

/* Takes away the chains, and the set, that it has had BEFORE and has no more. */
void filter_card_trim(const FilterCard *card, const FilterCard *before, GString *text);

/* Takes all of it away; it has no chains then. */
void filter_card_remove(FilterCard *card, GString *text);

/* Nothing passes. */
void filter_card_close(FilterCard *card, GString *text);
