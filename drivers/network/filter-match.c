/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "network/filter-match.h"

#include <string.h>

#include "network/filter-card.h"

/* Protocols */

/* Those of the headers that are looked at first, and what a packet of them is known by. */
static const char *const below_ip[][2] = {
        { "mac", "" },
        { "vlan", "ether type 8021q " },
        { "stp", "ether daddr 01:80:c2:00:00:00 " },
        { "arp", "ether type arp " },
        { "rarp", "ether type 0x8035 " },
        { "ip", "ether type ip " },
        { "ipv6", "ether type ip6 " },
};

static const char *name_of(const FilterRule *rule) {
        return rule->protocol ? filter_protocol_name(rule->protocol) : "mac";
}

static const char *find_below_ip(const FilterRule *rule) {
        for (size_t i = 0; i < G_N_ELEMENTS(below_ip); i++)
                if (strcmp(below_ip[i][0], name_of(rule)) == 0)
                        return below_ip[i][1];
        return NULL;
}

bool filter_match_is_above_ip(const FilterRule *rule) {
        return !find_below_ip(rule);
}

bool filter_match_limits_connections(const FilterRule *rule) {
        return filter_rule_value(rule, "connlimit-above");
}

bool filter_match_compares_bytes(const FilterRule *rule) {
        const char *value = rule->protocol ? filter_rule_value(rule, "gratuitous") : NULL;
        return value && strcmp(value, "true") == 0;
}

bool filter_match_knows_answers(const FilterRule *rule) {
        static const char *const of_sender[] = { "srcmacaddr", "srcmacmask", "comment", "state", NULL };
        const char *name;
        if (!rule->protocol || !filter_rule_value(rule, "srcmacaddr"))
                return true;
        for (unsigned i = 0; (name = filter_protocol_field(rule->protocol, i)); i++)
                if (rule->values[i] && !g_strv_contains(of_sender, name))
                        return true;
        return false;
}

/* Above IP names are nftables' own, with "-ipv6" behind those of IPv6; but for icmpv6, which is of no other. */
static void write_protocol(const FilterRule *rule, GString *text) {
        const char *below = find_below_ip(rule), *name = name_of(rule), *suffix = strstr(name, "-ipv6");
        g_autofree char *plain = g_strndup(name, suffix ? (size_t) (suffix - name) : strlen(name));
        bool is_ipv6 = suffix || strcmp(name, "icmpv6") == 0;
        g_string_append(text, below ? below : is_ipv6 ? "ether type ip6 " : "ether type ip ");
        if (!below && strcmp(plain, "all") != 0)
                g_string_append_printf(text, "meta l4proto %s ", plain);
}

/* Fields */

typedef struct Match {
        const FilterRule *rule;
        char *const *values;
        bool swapped;
        GString *text;
} Match;

typedef struct FieldMatch FieldMatch;
struct FieldMatch {
        const char *field;
        const char *protocols;       /* each between spaces; NULL: all others that have it */
        const char *literal, *other; /* the expression; that of packets that go the other way: NULL: the same */
        const char *companion;       /* the field of its mask or of its end, or NULL */
        void (*write)(const Match *match, const FieldMatch *field, unsigned i);
};

static const char *value_of(const Match *match, const char *name) {
        const char *known;
        for (unsigned i = 0; name && (known = filter_protocol_field(match->rule->protocol, i)); i++)
                if (strcmp(known, name) == 0)
                        return match->values[i];
        return NULL;
}

static const char *expression_of(const Match *match, const FieldMatch *field) {
        return match->swapped && field->other ? field->other : field->literal;
}

static const char *sign(const Match *match, unsigned i) {
        return match->rule->negated[i] ? "!= " : "";
}

static uint64_t number_of(const Match *match, unsigned i) {
        return filter_value_number(filter_protocol_value(match->rule->protocol, i), match->values[i]);
}

/* A number, or a range of them. */
static void write_number(const Match *match, const FieldMatch *field, unsigned i) {
        const char *end = value_of(match, field->companion);
        g_string_append_printf(match->text, "%s %s0x%" G_GINT64_MODIFIER "x", expression_of(match, field), sign(match, i),
                               number_of(match, i));
        if (end)
                g_string_append_printf(match->text, "-0x%" G_GINT64_MODIFIER "x",
                                       filter_value_number(filter_protocol_value(match->rule->protocol, i), end));
        g_string_append_c(match->text, ' ');
}

/* An address with the length of its prefix, or with the end of a range. */
static void write_block(const Match *match, const FieldMatch *field, unsigned i) {
        const char *bits = value_of(match, field->companion);
        g_string_append_printf(match->text, "%s %s%s%s%s ", expression_of(match, field), sign(match, i), match->values[i],
                               bits ? "/" : "", bits ? bits : "");
}

static void write_range(const Match *match, const FieldMatch *field, unsigned i) {
        const char *end = value_of(match, field->companion);
        g_string_append_printf(match->text, "%s %s%s%s%s ", expression_of(match, field), sign(match, i), match->values[i],
                               end ? "-" : "", end ? end : "");
}

static uint64_t mac_number(const char *text) {
        uint64_t number = 0;
        for (const char *c = text; *c; c++)
                if (*c != ':')
                        number = number << 4 | (uint64_t) g_ascii_xdigit_value(*c);
        return number;
}

#define MAC_ALL UINT64_C(0xffffffffffff)

/* As an expression that has a type is compared with it; of a place in a header, as a number. */
static char *mac_text(const char *expression, uint64_t mac) {
        if (expression[0] == '@')
                return g_strdup_printf("0x%012" G_GINT64_MODIFIER "x", mac);
        GString *text = g_string_new(NULL);
        for (int shift = 40; shift >= 0; shift -= 8)
                g_string_append_printf(text, "%s%02x", text->len ? ":" : "", (unsigned) (mac >> shift & 0xff));
        return g_string_free(text, FALSE);
}

static void write_mac(const Match *match, const FieldMatch *field, unsigned i) {
        const char *expression = expression_of(match, field), *mask = value_of(match, field->companion);
        uint64_t bits = mask ? mac_number(mask) : MAC_ALL;
        g_autofree char *address = mac_text(expression, mac_number(match->values[i]) & bits),
                        *masked = bits == MAC_ALL ? g_strdup("") : mac_text(expression, bits);
        if (bits == 0)
                return;
        g_string_append_printf(match->text, "%s %s%s%s%s ", expression, *masked ? "& " : "", masked,
                               match->rule->negated[i] ? " != " : " == ", address);
}

/* Of ARP, an IPv4 address at a place in the header. */
static void write_arp_address(const Match *match, const FieldMatch *field, unsigned i) {
        if (match->values[i][0] == '@') {
                g_string_append_printf(match->text, "arp %s ip %s%s ",
                                       strcmp(field->field, "arpsrcipaddr") == 0 ? "saddr" : "daddr", sign(match, i),
                                       match->values[i]);
                return;
        }
        const char *bits = value_of(match, field->companion);
        unsigned prefix = bits ? (unsigned) g_ascii_strtoull(bits, NULL, 10) : 32;
        g_auto(GStrv) parts = g_strsplit(match->values[i], ".", 4);
        uint32_t address = 0, mask = prefix == 0 ? 0 : UINT32_MAX << (32 - prefix);
        for (char **part = parts; *part; part++)
                address = address << 8 | (uint32_t) g_ascii_strtoull(*part, NULL, 10);
        if (prefix == 0)
                return;
        g_string_append_printf(match->text, "%s ", expression_of(match, field));
        if (prefix < 32)
                g_string_append_printf(match->text, "& 0x%08x %s0x%08x ", mask,
                                       match->rule->negated[i] ? "!= " : "== ", address & mask);
        else
                g_string_append_printf(match->text, "%s0x%08x ", sign(match, i), address);
}

static unsigned tcp_flags(const char *list) {
        static const struct {
                const char *name;
                unsigned bit;
        } flags[] = { { "FIN", 0x01 }, { "SYN", 0x02 }, { "RST", 0x04 }, { "PSH", 0x08 },
                      { "ACK", 0x10 }, { "URG", 0x20 }, { "ALL", 0x3f } };
        g_auto(GStrv) words = g_strsplit(list, ",", -1);
        unsigned found = 0;
        for (size_t i = 0; i < G_N_ELEMENTS(flags); i++)
                if (g_strv_contains((const char *const *) words, flags[i].name))
                        found |= flags[i].bit;
        return found;
}

static void write_tcp_flags(const Match *match, const FieldMatch *field, unsigned i) {
        g_auto(GStrv) halves = g_strsplit(match->values[i], "/", 2);
        g_string_append_printf(match->text, "%s & 0x%02x %s 0x%02x ", field->literal, tcp_flags(halves[0]),
                               match->rule->negated[i] ? "!=" : "==", tcp_flags(halves[1]));
}

static void write_limit(const Match *match, const FieldMatch *field, unsigned i) {
        g_string_append_printf(match->text, "%s %s%" G_GUINT64_FORMAT " ", field->literal, match->rule->negated[i] ? "" : "over ",
                               number_of(match, i));
}

/* A card's address is only in what it sends itself: packets the other way have the one of the next hop. */
static void write_source_mac(const Match *match, const FieldMatch *field, unsigned i) {
        if (!filter_match_is_above_ip(match->rule) || !match->swapped)
                write_mac(match, field, i);
}

static void write_nothing(const Match *match, const FieldMatch *field, unsigned i) {
        (void) match;
        (void) field;
        (void) i;
}

/* nftables compares no field with another: each byte of both addresses has to be a pair of equal ones. */
static void write_gratuitous(const Match *match, const FieldMatch *field, unsigned i) {
        (void) field;
        for (unsigned bit = 0; bit < 32 && strcmp(match->values[i], "true") == 0; bit += 8)
                g_string_append_printf(match->text, "@nh,%u,8 . @nh,%u,8 @" FILTER_SAME_BYTES " ", 112 + bit, 192 + bit);
}

#define V4 " ip tcp udp sctp icmp igmp esp ah udplite all "
#define V6 " ipv6 tcp-ipv6 udp-ipv6 sctp-ipv6 icmpv6 esp-ipv6 ah-ipv6 udplite-ipv6 all-ipv6 "
#define ADDRESS(field_, mask, writes, literal_, other_) \
        { .field = (field_), \
          .protocols = V4, \
          .literal = "ip " literal_, \
          .other = "ip " other_, \
          .companion = (mask), \
          .write = (writes) }, \
        { \
                .field = (field_), .protocols = V6, .literal = "ip6 " literal_, .other = "ip6 " other_, .companion = (mask), \
                .write = (writes) \
        }
/* A place in the frame of IEEE 802.1D's BPDU, which begins behind Ethernet's 14 bytes and LLC's 3: in bits. */
#define STP(field_, place, bits, writes, end) \
        { .field = (field_), .protocols = " stp ", .literal = "@ll," place "," bits, .companion = (end), .write = (writes) }
/* A place in the header of RFC 826. */
#define ARP(field_, place, bits, writes, mask) \
        { .field = (field_), .literal = "@nh," place "," bits, .companion = (mask), .write = (writes) }

static const FieldMatch fields[] = {
        { .field = "srcmacaddr",
          .literal = "ether saddr",
          .other = "ether daddr",
          .companion = "srcmacmask",
          .write = write_source_mac },
        { .field = "dstmacaddr",
          .literal = "ether daddr",
          .other = "ether saddr",
          .companion = "dstmacmask",
          .write = write_mac },
        { .field = "protocolid", .literal = "ether type", .write = write_number },
        { .field = "vlanid", .literal = "vlan id", .write = write_number },
        { .field = "encap-protocol", .literal = "vlan type", .write = write_number },
        STP("type", "160", "8", write_number, NULL),
        STP("flags", "168", "8", write_number, NULL),
        STP("root-priority", "176", "16", write_number, "root-priority-hi"),
        STP("root-address", "192", "48", write_mac, "root-address-mask"),
        STP("root-cost", "240", "32", write_number, "root-cost-hi"),
        STP("sender-priority", "272", "16", write_number, "sender-priority-hi"),
        STP("sender-address", "288", "48", write_mac, "sender-address-mask"),
        STP("port", "336", "16", write_number, "port-hi"),
        STP("age", "352", "16", write_number, "age-hi"),
        STP("max-age", "368", "16", write_number, "max-age-hi"),
        STP("hello-time", "384", "16", write_number, "hello-time-hi"),
        STP("forward-delay", "400", "16", write_number, "forward-delay-hi"),
        ARP("hwtype", "0", "16", write_number, NULL),
        ARP("protocoltype", "16", "16", write_number, NULL),
        ARP("opcode", "48", "16", write_number, NULL),
        ARP("arpsrcmacaddr", "64", "48", write_mac, NULL),
        ARP("arpsrcipaddr", "112", "32", write_arp_address, "arpsrcipmask"),
        ARP("arpdstmacaddr", "144", "48", write_mac, NULL),
        ARP("arpdstipaddr", "192", "32", write_arp_address, "arpdstipmask"),
        { .field = "gratuitous", .write = write_gratuitous },
        ADDRESS("srcipaddr", "srcipmask", write_block, "saddr", "daddr"),
        ADDRESS("dstipaddr", "dstipmask", write_block, "daddr", "saddr"),
        ADDRESS("srcipfrom", "srcipto", write_range, "saddr", "daddr"),
        ADDRESS("dstipfrom", "dstipto", write_range, "daddr", "saddr"),
        ADDRESS("dscp", NULL, write_number, "dscp", "dscp"),
        { .field = "protocol", .literal = "meta l4proto", .write = write_number },
        { .field = "srcportstart", .literal = "th sport", .other = "th dport", .companion = "srcportend", .write = write_number },
        { .field = "dstportstart", .literal = "th dport", .other = "th sport", .companion = "dstportend", .write = write_number },
        { .field = "flags", .literal = "tcp flags", .write = write_tcp_flags },
        { .field = "type", .protocols = " icmp ", .literal = "icmp type", .write = write_number },
        { .field = "code", .protocols = " icmp ", .literal = "icmp code", .write = write_number },
        { .field = "type", .literal = "icmpv6 type", .companion = "typeend", .write = write_number },
        { .field = "code", .literal = "icmpv6 code", .companion = "codeend", .write = write_number },
        { .field = "connlimit-above", .literal = "ct count", .write = write_limit },
        { .field = "state", .write = write_nothing }, /* whoever judges connections does */
        { .field = "comment", .write = write_nothing },
};

static const FieldMatch *find(const char *protocol, const char *name) {
        g_autofree char *word = g_strconcat(" ", protocol, " ", NULL);
        for (size_t i = 0; i < G_N_ELEMENTS(fields); i++)
                if (strcmp(fields[i].field, name) == 0 && (!fields[i].protocols || strstr(fields[i].protocols, word)))
                        return &fields[i];
        return NULL;
}

static bool is_companion(const char *name) {
        for (size_t i = 0; i < G_N_ELEMENTS(fields); i++)
                if (fields[i].companion && strcmp(fields[i].companion, name) == 0)
                        return true;
        return false;
}

static bool is_set(const char *value) {
        return value[0] == '@';
}

/* A set can stand for a whole address, where nftables knows that it is one. */
static bool check_set(const Match *match, const FieldMatch *field, const char *name, GError **error) {
        const char *protocol = filter_protocol_name(match->rule->protocol);
        bool is_arp = field && field->write == write_arp_address && strcmp(protocol, "arp") == 0;
        return (field && (field->write == write_block || is_arp) && !value_of(match, field->companion)) ||
               virtbus_error_set(error, VIRTBUS_ERROR_UNSUPPORTED,
                                 "%s of <%s> cannot be compared with an address that is learned: add <parameter name='IP' "
                                 "value='...'/>",
                                 name, protocol);
}

char *filter_match_text(const FilterRule *rule, char *const *values, bool swapped, GError **error) {
        g_autoptr(GString) text = g_string_new(NULL);
        const Match match = { rule, values, swapped, text };
        const char *name;
        write_protocol(rule, text);
        for (unsigned i = 0; rule->protocol && (name = filter_protocol_field(rule->protocol, i)); i++) {
                const FieldMatch *field = find(filter_protocol_name(rule->protocol), name);
                if (!values[i])
                        continue;
                if (is_set(values[i]) && !check_set(&match, field, name, error))
                        return NULL;
                if (rule->negated[i] && field && field->write == write_gratuitous) {
                        virtbus_error_set(error, VIRTBUS_ERROR_UNSUPPORTED,
                                          "nftables cannot look for ARP that is not gratuitous: leave out match='no', and let an "
                                          "earlier rule accept what is");
                        return NULL;
                }
                if (field)
                        field->write(&match, field, i);
                else if (!is_companion(name)) {
                        virtbus_error_set(error, VIRTBUS_ERROR_UNSUPPORTED,
                                          "nftables cannot compare what %s of <%s> is about: leave it out", name,
                                          filter_protocol_name(rule->protocol));
                        return NULL;
                }
        }
        return g_strdup(text->str);
}
