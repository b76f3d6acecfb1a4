/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "network/address.h"

#include <arpa/inet.h>
#include <glib.h>
#include <string.h>

bool address_parse(const char *text, int family, Address *address) {
        static const int families[] = { AF_INET, AF_INET6 };
        for (size_t i = 0; i < G_N_ELEMENTS(families); i++) {
                *address = (Address){ .family = families[i] };
                if ((family == AF_UNSPEC || family == families[i]) && inet_pton(families[i], text, address->bytes) == 1)
                        return true;
        }
        *address = (Address){ 0 };
        return false;
}

char *address_text(const Address *address) {
        char text[INET6_ADDRSTRLEN];
        return g_strdup(inet_ntop(address->family, address->bytes, text, sizeof text));
}

unsigned address_bits(const Address *address) {
        return address->family == AF_INET ? 32 : 128;
}

int address_compare(const Address *one, const Address *other) {
        if (one->family != other->family)
                return one->family == AF_INET ? -1 : 1;
        return memcmp(one->bytes, other->bytes, sizeof one->bytes);
}

bool address_is_multicast(const Address *address) {
        return address->family == AF_INET ? (address->bytes[0] & 0xf0) == 0xe0 : address->bytes[0] == 0xff;
}

static bool bit_of(const Address *address, unsigned bit) {
        return address->bytes[bit / 8] & (0x80 >> bit % 8);
}

int address_mask_prefix(const Address *mask) {
        unsigned prefix = 0;
        while (prefix < address_bits(mask) && bit_of(mask, prefix))
                prefix++;
        for (unsigned bit = prefix; bit < address_bits(mask); bit++)
                if (bit_of(mask, bit))
                        return -1;
        return (int) prefix;
}

int address_default_prefix(const Address *address) {
        static const Address zero;
        if (memcmp(address->bytes, zero.bytes, sizeof zero.bytes) == 0)
                return 0;
        if (address->family == AF_INET6)
                return 64;
        return address->bytes[0] < 128 ? 8 : address->bytes[0] < 192 ? 16 : address->bytes[0] < 224 ? 24 : -1;
}

/* The address with all bits behind the prefix set, or none. */
static Address fill(const Subnet *subnet, bool set) {
        Address address = subnet->address;
        for (unsigned bit = subnet->prefix; bit < address_bits(&address); bit++) {
                uint8_t mask = (uint8_t) (0x80 >> bit % 8);
                address.bytes[bit / 8] = (uint8_t) (set ? address.bytes[bit / 8] | mask : address.bytes[bit / 8] & ~mask);
        }
        return address;
}

Address subnet_first(const Subnet *subnet) {
        return fill(subnet, false);
}

Address subnet_last(const Subnet *subnet) {
        return fill(subnet, true);
}

Address subnet_mask(const Subnet *subnet) {
        Subnet ones = { { .family = subnet->address.family }, 0 };
        ones.address = fill(&ones, true);
        ones.prefix = subnet->prefix;
        return fill(&ones, false);
}

bool subnet_has(const Subnet *subnet, const Address *address) {
        Address first = subnet_first(subnet), last = subnet_last(subnet);
        return address->family == first.family && address_compare(&first, address) <= 0 && address_compare(address, &last) <= 0;
}

bool subnets_overlap(const Subnet *one, const Subnet *other) {
        return subnet_has(one, &other->address) || subnet_has(other, &one->address);
}

uint64_t address_count(const Address *first, const Address *last) {
        unsigned size = address_bits(first) / 8;
        uint64_t count = 0;
        for (unsigned i = 0; i < size; i++) {
                if (count > (UINT64_MAX >> 8) - 1)
                        return UINT64_MAX;
                count = count * 256 + last->bytes[i] - first->bytes[i];
        }
        return count == UINT64_MAX ? count : count + 1;
}
