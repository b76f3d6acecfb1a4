/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "network/filter-value.h"

#include <string.h>

#include "network/address.h"
#include "network/value.h"

/* The largest index of a variable, and number of an iterator. */
#define INDEX_DIGITS_MAX 5

/* Variables */

bool filter_is_variable(const char *text) {
        return value_has_only(text, "_");
}

bool filter_is_argument(const char *text) {
        return value_has_only(text, "._:/-");
}

/* Between brackets: "2" or "@2", with spaces around. */
static char *read_index(const char *name, const char *text) {
        g_autofree char *index = g_strstrip(g_strdup(text));
        bool is_iterator = index[0] == '@';
        const char *digits = index + is_iterator;
        size_t n = strlen(digits);
        uint64_t number = 0;
        if (n == 0 || n > INDEX_DIGITS_MAX || strspn(digits, "0123456789") != n || !value_number(digits, &number))
                return NULL;
        if (is_iterator && number == 0)
                return g_strconcat("$", name, NULL);
        return g_strdup_printf("$%s[%s%" G_GUINT64_FORMAT "]", name, is_iterator ? "@" : "", number);
}

static char *read_variable(const char *text) {
        g_autofree char *rest = g_strchomp(g_strdup(text + 1));
        char *bracket = strchr(rest, '[');
        size_t length = strlen(rest);
        g_autofree char *name = g_strndup(rest, bracket ? (size_t) (bracket - rest) : length);
        if (!filter_is_variable(name) || (bracket && rest[length - 1] != ']'))
                return NULL;
        if (!bracket)
                return g_strconcat("$", name, NULL);
        rest[length - 1] = '\0';
        return read_index(name, bracket + 1);
}

char *filter_value_read(const FilterValue *value, const char *text) {
        return text[0] == '$' && !value->is_constant ? read_variable(text) : value->read(value, text);
}

/* Addresses of cards */

#define MAC_BYTES 6

static bool parse_mac(const char *text, uint8_t bytes[static MAC_BYTES]) {
        const char *c = text;
        for (unsigned i = 0; i < MAC_BYTES; i++) {
                unsigned n = 0, byte = 0;
                for (; n < 2 && g_ascii_isxdigit(*c); n++, c++)
                        byte = byte * 16 + (unsigned) g_ascii_xdigit_value(*c);
                if (n == 0 || *c != (i + 1 < MAC_BYTES ? ':' : '\0'))
                        return false;
                bytes[i] = (uint8_t) byte;
                c++;
        }
        return true;
}

static char *mac_text(const uint8_t bytes[static MAC_BYTES]) {
        return g_strdup_printf("%02x:%02x:%02x:%02x:%02x:%02x", bytes[0], bytes[1], bytes[2], bytes[3], bytes[4], bytes[5]);
}

static char *read_mac(const FilterValue *value, const char *text) {
        (void) value;
        uint8_t bytes[MAC_BYTES];
        return parse_mac(text, bytes) ? mac_text(bytes) : NULL;
}

/* No one follows a zero. */
static char *read_mac_mask(const FilterValue *value, const char *text) {
        (void) value;
        uint8_t bytes[MAC_BYTES];
        if (!parse_mac(text, bytes))
                return NULL;
        uint64_t bits = 0;
        for (unsigned i = 0; i < MAC_BYTES; i++)
                bits = bits << 8 | bytes[i];
        uint64_t zeros = ~bits & 0xffffffffffff;
        return (zeros & (zeros + 1)) == 0 ? mac_text(bytes) : NULL;
}

/* Addresses of hosts; MAX: 4 or 6 */

static int family(const FilterValue *value) {
        return value->max == 4 ? AF_INET : AF_INET6;
}

static char *read_address(const FilterValue *value, const char *text) {
        Address address;
        return address_parse(text, family(value), &address) ? address_text(&address) : NULL;
}

/* As a number of bits, or as an address has them. */
static char *read_address_mask(const FilterValue *value, const char *text) {
        Address mask;
        uint64_t bits = 0;
        size_t n = strlen(text);
        if (n > 0 && n <= 3 && strspn(text, "0123456789") == n && value_number(text, &bits))
                return bits <= (value->max == 4 ? 32 : 128) ? g_strdup_printf("%" G_GUINT64_FORMAT, bits) : NULL;
        int prefix = address_parse(text, family(value), &mask) ? address_mask_prefix(&mask) : -1;
        return prefix >= 0 ? g_strdup_printf("%d", prefix) : NULL;
}

/* Numbers, and words for them */

static const FilterWord *find_word(const FilterWord *words, const char *text) {
        for (; words && words->name; words++)
                if (g_ascii_strcasecmp(words->name, text) == 0)
                        return words;
        return NULL;
}

static const FilterWord *find_number(const FilterWord *words, uint64_t number) {
        for (; words && words->name; words++)
                if (words->number == number)
                        return words;
        return NULL;
}

/* A number stays decimal or hexadecimal; one that has a word is written so. */
static char *read_number(const FilterValue *value, const char *text) {
        uint64_t number = 0;
        const FilterWord *word = find_word(value->words, text);
        if (word)
                return g_strdup(word->name);
        if (!value_number(text, &number) || number < value->min || number > value->max)
                return NULL;
        word = find_number(value->words, number);
        if (word)
                return g_strdup(word->name);
        return g_strdup_printf(g_str_has_prefix(text, "0x") ? "0x%" G_GINT64_MODIFIER "x" : "%" G_GUINT64_FORMAT, number);
}

bool filter_value_is_number(const FilterValue *value) {
        return value->read == read_number;
}

uint64_t filter_value_number(const FilterValue *value, const char *text) {
        uint64_t number = 0;
        const FilterWord *word = find_word(value->words, text);
        if (word)
                return word->number;
        value_number(text, &number);
        return number;
}

/* Words alone */

static char *read_boolean(const FilterValue *value, const char *text) {
        (void) value;
        static const char *const true_words[] = { "true", "yes", "1", NULL }, *const false_words[] = { "false", "no", "0", NULL };
        g_autofree char *word = g_ascii_strdown(text, -1);
        if (g_strv_contains(true_words, word))
                return g_strdup("true");
        return g_strv_contains(false_words, word) ? g_strdup("false") : NULL;
}

/* Of a list with commas between, each once, in the order of the words. ALONE: the words that are not in a list with others. */
static char *read_list(const FilterWord *words, const FilterWord *alone, const char *text) {
        const FilterWord *single = find_word(alone, text);
        if (single)
                return g_strdup(single->name);
        g_auto(GStrv) parts = g_strsplit(text, ",", -1);
        uint64_t found = 0;
        for (char **part = parts; *part; part++) {
                const FilterWord *word = find_word(words, *part);
                if (!word)
                        return NULL;
                found |= word->number;
        }
        g_autoptr(GString) list = g_string_new(NULL);
        for (const FilterWord *word = words; word->name; word++)
                if (found & word->number)
                        g_string_append_printf(list, "%s%s", list->len ? "," : "", word->name);
        return list->len ? g_strdup(list->str) : NULL;
}

static char *read_state(const FilterValue *value, const char *text) {
        static const FilterWord none[] = { { "NONE", 0 }, { NULL, 0 } };
        return read_list(value->words, none, text);
}

/* Those that are looked at, '/', those of them that are set. */
static char *read_tcp_flags(const FilterValue *value, const char *text) {
        static const FilterWord all_or_none[] = { { "ALL", 0 }, { "NONE", 0 }, { NULL, 0 } };
        g_auto(GStrv) halves = g_strsplit(text, "/", -1);
        if (g_strv_length(halves) != 2)
                return NULL;
        g_autofree char *mask = read_list(value->words, all_or_none, halves[0]),
                        *flags = read_list(value->words, all_or_none, halves[1]);
        return mask && flags ? g_strconcat(mask, "/", flags, NULL) : NULL;
}

/* The name of an ipset, as the kernel has it. */
#define IPSET_NAME_BYTES_MAX 31

static char *read_ipset(const FilterValue *value, const char *text) {
        (void) value;
        return value_has_only(text, "_.:-+ ") && strlen(text) <= IPSET_NAME_BYTES_MAX ? g_strdup(text) : NULL;
}

static char *read_ipset_flags(const FilterValue *value, const char *text) {
        (void) value;
        g_autofree char *lower = g_ascii_strdown(text, -1);
        g_auto(GStrv) parts = g_strsplit(lower, ",", -1);
        guint n = g_strv_length(parts);
        for (char **part = parts; *part; part++)
                if (strcmp(*part, "src") != 0 && strcmp(*part, "dst") != 0)
                        return NULL;
        return n > 0 && n <= FILTER_IPSET_FLAGS_MAX ? g_steal_pointer(&lower) : NULL;
}

static char *read_comment(const FilterValue *value, const char *text) {
        (void) value;
        for (const char *c = text; *c; c++)
                if (g_ascii_iscntrl(*c))
                        return NULL;
        return strlen(text) <= FILTER_COMMENT_BYTES_MAX ? g_strdup(text) : NULL;
}

/* IEEE 802 numbers, those of ARP and of IP as IANA lists them. */
static const FilterWord ether_types[] = { { "ipv4", 0x800 },  { "arp", 0x806 },   { "rarp", 0x8035 },
                                          { "vlan", 0x8100 }, { "ipv6", 0x86dd }, { NULL, 0 } };
static const FilterWord opcodes[] = {
        { "Request", 1 },     { "Reply", 2 },       { "Request_Reverse", 3 }, { "Reply_Reverse", 4 }, { "DRARP_Request", 5 },
        { "DRARP_Reply", 6 }, { "DRARP_Error", 7 }, { "InARP_Request", 8 },   { "ARP_NAK", 10 },      { NULL, 0 }
};
static const FilterWord protocols[] = { { "icmp", 1 }, { "igmp", 2 },    { "tcp", 6 },    { "udp", 17 },      { "esp", 50 },
                                        { "ah", 51 },  { "icmpv6", 58 }, { "sctp", 132 }, { "udplite", 136 }, { NULL, 0 } };
static const FilterWord states[] = { { "NEW", 1 }, { "ESTABLISHED", 2 }, { "RELATED", 4 }, { "INVALID", 8 }, { NULL, 0 } };
static const FilterWord tcp_flags[] = { { "SYN", 1 },  { "ACK", 2 },  { "URG", 4 }, { "PSH", 8 },
                                        { "FIN", 16 }, { "RST", 32 }, { NULL, 0 } };

const FilterValue filter_value_mac = { .what = "a MAC address", .read = read_mac };
const FilterValue filter_value_mac_mask = { .what = "a mask of MAC addresses, such as ff:ff:ff:00:00:00",
                                            .read = read_mac_mask,
                                            .is_mask = true };
const FilterValue filter_value_ipv4 = { .what = "an IPv4 address", .read = read_address, .max = 4 };
const FilterValue filter_value_ipv6 = { .what = "an IPv6 address", .read = read_address, .max = 6 };
const FilterValue filter_value_ipv4_mask = { .what = "a mask of IPv4 addresses, as 0 to 32 bits or as 255.255.255.0",
                                             .read = read_address_mask,
                                             .max = 4,
                                             .is_mask = true };
const FilterValue filter_value_ipv6_mask = {
        .what = "a mask of IPv6 addresses, as 0 to 128 bits or as ffff::", .read = read_address_mask, .max = 6, .is_mask = true
};
const FilterValue filter_value_u8 = { .what = "a number from 0 to 255", .read = read_number, .max = 0xff };
const FilterValue filter_value_u16 = { .what = "a number from 0 to 65535", .read = read_number, .max = 0xffff };
const FilterValue filter_value_u32 = { .what = "a number from 0 to 4294967295", .read = read_number, .max = 0xffffffff };
const FilterValue filter_value_dscp = { .what = "a number from 0 to 63", .read = read_number, .max = 0x3f };
const FilterValue filter_value_vlan_id = { .what = "a number from 0 to 4095", .read = read_number, .max = 0xfff };
const FilterValue filter_value_ether_type = {
        .what = "arp, rarp, ipv4, ipv6, vlan, or a number from 0x600 to 0xffff",
        .read = read_number,
        .min = 0x600,
        .max = 0xffff,
        .words = ether_types,
};
const FilterValue filter_value_encapsulated = {
        .what = "arp, rarp, ipv4, ipv6, vlan, or a number from 0x3c to 0xffff",
        .read = read_number,
        .min = 0x3c,
        .max = 0xffff,
        .words = ether_types,
};
const FilterValue filter_value_opcode = {
        .what = "a number from 0 to 65535, or one of Request, Reply, Request_Reverse, Reply_Reverse, DRARP_Request, DRARP_Reply, "
                "DRARP_Error, InARP_Request, ARP_NAK",
        .read = read_number,
        .max = 0xffff,
        .words = opcodes,
};
const FilterValue filter_value_protocol = {
        .what = "a number from 0 to 255, or one of tcp, udp, udplite, esp, ah, icmp, igmp, icmpv6, sctp",
        .read = read_number,
        .max = 0xff,
        .words = protocols,
};
const FilterValue filter_value_boolean = { .what = "true or false", .read = read_boolean, .is_constant = true };
const FilterValue filter_value_comment = { .what = "one line of at most 256 bytes", .read = read_comment, .is_constant = true };
const FilterValue filter_value_state = {
        .what = "NONE, or a list of NEW, ESTABLISHED, RELATED and INVALID with commas between them",
        .read = read_state,
        .words = states,
        .is_constant = true,
};
const FilterValue filter_value_tcp_flags = {
        .what = "those that are looked at, '/', and those that are set, as SYN,ACK/SYN: of SYN, ACK, URG, PSH, FIN and RST, or "
                "ALL or "
                "NONE",
        .read = read_tcp_flags,
        .words = tcp_flags,
        .is_constant = true,
};
const FilterValue filter_value_ipset = { .what = "the name of an ipset: at most 31 letters, digits, spaces and _.:-+",
                                         .read = read_ipset };
const FilterValue filter_value_ipset_flags = { .what = "a list of at most six of src and dst, with commas between them",
                                               .read = read_ipset_flags,
                                               .is_constant = true };
