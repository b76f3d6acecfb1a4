/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a rule of a network filter says of a packet, as nftables has it in a table of the family bridge. */

#include "network/filter-rule.h"

/* Whether a rule looks at connections above IP, or at Ethernet, ARP or IP headers alone: the two are judged one after the
 * other. */
bool filter_match_is_above_ip(const FilterRule *rule);

/* The expressions that a packet must meet, each followed by a space. VALUES: in the place of the rule's, with no variables in
 * them; an IPv4 address may be "@NAME", any of a set of nftables'. SWAPPED: of packets that go the other way, whose source is
 * the rule's destination. To be freed; NULL, Unsupported, where nftables has no expression for it. */
char *filter_match_text(const FilterRule *rule, char *const *values, bool swapped, GError **error);

/* Whether it cannot be judged without connection tracking. */
bool filter_match_limits_connections(const FilterRule *rule);

/* Whether its expressions ask the set FILTER_SAME_BYTES. */
bool filter_match_compares_bytes(const FilterRule *rule);

/* Whether anything in packets that go the other way can be compared with what it says: not where it is about the sender's card
 * alone, whose address is only in what it sends itself. */
bool filter_match_knows_answers(const FilterRule *rule);
