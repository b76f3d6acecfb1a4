/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The rules of nftables that a network filter has for the packets of one interface of a bridge.
 *
 * Two chains, of packets from the guest and of those to it, are asked by the interface's name. Each begins with the rules of
 * root and the chains of protocols, by their priorities; what these let pass is judged by the rules above IP. What no rule is
 * about passes. As in libvirt, a rule of both directions is written as one to the guest, and swapped for packets from it; an
 * accepting rule above IP is one side of a connection, and lets the answers pass too. */

#include "network/filter-card.h"
#include "network/filter-source.h"

/* How many rules an interface may have, when all includes and lists of values are written out. */
#define FILTER_NFT_RULES_MAX 16384

/* How much may be gone through for that: rules as often as they are included and their variables have values, references, and
 * variables that references hand on. */
#define FILTER_NFT_STEPS_MAX 65536

/* How many chains of protocols they may have. */
#define FILTER_NFT_CHAINS_MAX 256

/* How deep filters may include filters. */
#define FILTER_DEPTH_MAX 32

/* Writes the rules of a card in the place of those that it has, with VARIABLES, lists of values (GPtrArray) by their names.
 * The card then has as many chains as they need; where that fails, it and TEXT are of no more use. InvalidArgument, of a
 * variable that has no value, or one that cannot stand where it does; NoSuchFilter, of a filter that is included; Unsupported,
 * of what nftables cannot compare; LimitExceeded. */
bool filter_nft_write(const FilterSource *source, const FilterDefinition *definition, GHashTable *variables, FilterCard *card,
                      GString *text, GError **error);
