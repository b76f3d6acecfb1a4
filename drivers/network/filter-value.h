/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the attributes of a rule of a network filter may be, and how they are kept: as libvirt writes them. Each is checked by
 * its letter, so that nothing else can come of it in a rule of nftables. In the place of most values there may be a variable,
 * "$NAME", with an index, "$NAME[2]", or with an iterator, "$NAME[@1]"; of the first iterator, "[@0]" is not written. */

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/* How long a comment may be, in bytes, as in libvirt. */
#define FILTER_COMMENT_BYTES_MAX 256

/* How many elements an ipset may be looked up by. */
#define FILTER_IPSET_FLAGS_MAX 6

typedef struct FilterWord {
        const char *name;
        uint64_t number;
} FilterWord;

typedef struct FilterValue FilterValue;
struct FilterValue {
        const char *what; /* it must be, in errors */
        /* As it is kept, to be freed; NULL where it is something else. */
        char *(*read)(const FilterValue *value, const char *text);
        uint64_t min, max;       /* of a number */
        const FilterWord *words; /* for some numbers, or alone; with NULL at the end */
        bool is_constant;        /* no variable may stand for it */
        bool is_mask;            /* it is not negated with the others */
};

extern const FilterValue filter_value_mac, filter_value_mac_mask, filter_value_ipv4, filter_value_ipv4_mask, filter_value_ipv6,
                filter_value_ipv6_mask, filter_value_u8, filter_value_u16, filter_value_u32, filter_value_dscp,
                filter_value_vlan_id, filter_value_ether_type, filter_value_encapsulated, filter_value_opcode,
                filter_value_protocol, filter_value_boolean, filter_value_comment, filter_value_state, filter_value_tcp_flags,
                filter_value_ipset, filter_value_ipset_flags;

/* The same with variables. */
char *filter_value_read(const FilterValue *value, const char *text);

/* Whether one is more or less than another; which number a kept one is, that is not a variable. */
bool filter_value_is_number(const FilterValue *value);
uint64_t filter_value_number(const FilterValue *value, const char *text);

/* Whether it is a name of a variable; a value that one may be given. */
bool filter_is_variable(const char *text);
bool filter_is_argument(const char *text);
