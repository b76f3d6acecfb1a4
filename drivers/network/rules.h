/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a packet of a network may do, as text for nft(8): one table of all networks, in which the name of an interface leads to
 * the rules of its network, so that a packet costs the same however many networks there are. Each text is one transaction.
 *
 * | mode     | from a guest outwards          | from outside to a guest    | to the host and among each other |
 * | nat      | with the address of the host's | answers alone              | yes |
 * | route    | with its own address           | yes                        | yes |
 * | isolated | rejected                       | rejected                   | yes |
 * | open     | no rules                       | no rules                   | no rules |
 *
 * In mode nat IPv6 is routed, unless the document says <nat ipv6='yes'/>. With an interface in <forward>, only that one leads
 * outwards. Packets whose source is of no block of the network are rejected. */

#include "network/network-definition.h"

/* Takes those of all networks away, whether they are there or not. */
#define RULES_REMOVAL "add table inet virtbus\ndelete table inet virtbus\n"

/* Whether a network has rules. */
bool rules_are_needed(const NetworkDefinition *definition);

/* Puts the rules of a network in, in place of those that are there. To be freed. */
char *rules_text(const NetworkDefinition *definition);

/* Takes them away, whether they are there or not. */
char *rules_removal(const NetworkDefinition *definition);
