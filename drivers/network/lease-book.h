/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The leases of one network, as they are known, and what is told of them: each change once, in measure, so that a guest that asks
 * for addresses without end costs no more than a bound; the last word about each address is true. */

#include <systemd/sd-event.h>

#include "network/lease.h"

/* How many changes are told at once, and in the long run in a second. */
#define LEASE_CHANGES_AT_ONCE 1000
#define LEASE_CHANGES_PER_SECOND 500

typedef enum LeaseChange { LEASE_ADDED, LEASE_CHANGED, LEASE_REMOVED } LeaseChange;

/* LEASE: as it is, or of one that was removed as it was told last; borrowed. */
typedef void (*LeaseTold)(void *data, LeaseChange change, const Lease *lease);

typedef struct LeaseBook LeaseBook;

/* TOLD may be NULL. */
LeaseBook *lease_book_new(sd_event *event, LeaseTold told, void *data);
void lease_book_free(LeaseBook *book);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LeaseBook, lease_book_free)

/* There is this one, which is taken, in the place of what was known of its address. False: there are too many. */
bool lease_book_put(LeaseBook *book, Lease *lease);

/* There is none of this address any more. */
void lease_book_drop(LeaseBook *book, const Address *address);

/* There are these alone, Lease. */
void lease_book_replace(LeaseBook *book, const GPtrArray *leases);

/* Those that are not over, in the order of their addresses, which stay as long as nothing changes. MAC: of which card, in
 * whatever case of letters, or NULL. */
GPtrArray *lease_book_list(const LeaseBook *book, const char *mac);

/* Whether there is one of IPv6: dnsmasq's file does not have the card of such a one, which dnsmasq knows. */
bool lease_book_has_ipv6(const LeaseBook *book);
