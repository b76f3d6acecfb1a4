/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Tables of nftables that are not ours, and drop what their rules do not accept: what one of them drops no rule of ours lets
 * pass. Those of the old iptables, which are none of nftables', are not seen. */

#include <glib.h>
#include <stdbool.h>

/* What a packet is to them. */
typedef enum FirewallHook { FIREWALL_INPUT, FIREWALL_FORWARD, FIREWALL_N_HOOKS } FirewallHook;

/* A chain at whose end packets are dropped. */
typedef struct FirewallChain {
        int family; /* NFPROTO_IPV4, NFPROTO_IPV6 or NFPROTO_INET */
        FirewallHook hook;
        char *table, *name;
        bool is_firewalld;
        bool is_docker;        /* its table has the chain that docker leaves to the administrator */
        GPtrArray *interfaces; /* char: patterns of those for which a rule of its table has something else than dropping */
} FirewallChain;

/* All of them now, FirewallChain; NULL with an error. Usable from any thread. */
GPtrArray *firewall_read(GError **error);

/* Whether what comes from the interface, or goes to it, of a family of addresses (AF_INET, AF_INET6) is dropped there: no rule of
 * its table names the interface. */
bool firewall_drops(const FirewallChain *chain, const char *interface, int family);

/* What lets an interface's packets pass there, as commands. To be freed. */
char *firewall_remedy(const FirewallChain *chain, const char *interface);
