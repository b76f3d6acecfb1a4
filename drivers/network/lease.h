/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* An address that dnsmasq has leased to a guest, and the two forms in which it says so: a message of its helper about one, and
 * its file of all. Both are a guest's in part: what is not of its form is left out, so that what is told of a lease can be
 * printed, be in a document and be a name, whatever the guest says it is. */

#include <glib.h>

#include "network/address.h"

/* A message: fields, each with a 0 at its end. */
#define LEASE_MESSAGE_BYTES_MAX 4096
#define LEASE_MESSAGE_FORMAT "1"

/* As long as in DHCP. */
#define LEASE_NAME_BYTES_MAX 255
#define LEASE_CLIENT_BYTES_MAX 255

/* How many of a network are known: as many as libvirt lists. */
#define LEASES_MAX 65536

typedef struct Lease {
        Address address;
        char *mac;       /* of the card, or "": six pairs of lower-case hexadecimal digits with ':' between them */
        char *iaid;      /* of IPv6: the number of what it is leased to, or "" */
        char *client_id; /* how the client names itself, of IPv6 its DUID, or "": such pairs */
        char *name;      /* of the host, or "" */
        uint64_t until;  /* in microseconds since the epoch; 0: for ever */
} Lease;

void lease_free(Lease *lease);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Lease, lease_free)
bool lease_equals(const Lease *one, const Lease *other);

/* The fields of a message, in their order. */
typedef enum LeaseField {
        LEASE_FIELD_FORMAT,
        LEASE_FIELD_NETWORK, /* its UUID */
        LEASE_FIELD_ACTION,  /* "add", "old" or "del" */
        LEASE_FIELD_ADDRESS,
        LEASE_FIELD_IDENTITY, /* the card's address; of IPv6 the client's DUID */
        LEASE_FIELD_MAC,      /* of IPv6: the card's address where dnsmasq knows it */
        LEASE_FIELD_IAID,
        LEASE_FIELD_CLIENT,
        LEASE_FIELD_NAME,
        LEASE_FIELD_UNTIL, /* in seconds since the epoch */
        LEASE_N_FIELDS
} LeaseField;

/* Reads a message: the network's UUID (to be freed), the lease, and whether there is none any more; NULL where it is none. */
Lease *lease_read_message(const char *message, size_t size, char **network, bool *is_over);

/* Reads dnsmasq's file, Lease; what is not a line of it is passed over. */
GPtrArray *lease_read_file(const char *text);
