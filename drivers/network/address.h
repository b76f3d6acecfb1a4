/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* IPv4 and IPv6 addresses, and the blocks of them that a network has. */

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

/* In the order of the network, what is not used of it being 0. */
typedef struct Address {
        int family; /* AF_INET or AF_INET6; AF_UNSPEC: none */
        uint8_t bytes[16];
} Address;

/* A block: an address in it, and how many of its leading bits all of the block have. */
typedef struct Subnet {
        Address address;
        unsigned prefix;
} Subnet;

/* As it is written with dots or colons, without a zone; FAMILY: AF_UNSPEC for either. */
bool address_parse(const char *text, int family, Address *address);

/* To be freed. */
char *address_text(const Address *address);

/* 32 or 128. */
unsigned address_bits(const Address *address);

/* In order, those of IPv4 first: below, at or above 0. */
int address_compare(const Address *one, const Address *other);
bool address_is_multicast(const Address *address);

/* The leading bits of a netmask; -1 where ones follow zeros in it. */
int address_mask_prefix(const Address *mask);

/* The prefix of an address without one: that of its class, 64 of IPv6, 0 of the address of all zeros; -1 where there is
 * none. */
int address_default_prefix(const Address *address);

/* The first and the last of a block, and the netmask of IPv4 or IPv6. */
Address subnet_first(const Subnet *subnet);
Address subnet_last(const Subnet *subnet);
Address subnet_mask(const Subnet *subnet);

bool subnet_has(const Subnet *subnet, const Address *address);
bool subnets_overlap(const Subnet *one, const Subnet *other);

/* How many addresses there are from one to another, which is not before it; UINT64_MAX where they are more. */
uint64_t address_count(const Address *first, const Address *last);
