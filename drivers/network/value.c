/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "network/value.h"

#include <errno.h>
#include <net/if.h>
#include <string.h>

#include "base/uuid.h"
#include "network/address.h"

static const char *const answers[] = { "yes", "no", NULL };
static const char *const switches[] = { "on", "off", NULL };
static const char *const table_managers[] = { "kernel", "libvirt", NULL };
const char *const value_modes[] = { "nat", "route", "open", "bridge", "private", "vepa", "passthrough", "hostdev", NULL };
static const char *const forward_drivers[] = { "vfio", "kvm", NULL };
static const char *const families[] = { "ipv4", "ipv6", NULL };
static const char *const lease_units[] = { "seconds", "minutes", "hours", NULL };
static const char *const native_modes[] = { "tagged", "untagged", NULL };
static const char *const port_types[] = { "802.1Qbg", "802.1Qbh", "openvswitch", "midonet", NULL };
static const char *const pci[] = { "pci", NULL };

bool value_number(const char *text, uint64_t *number) {
        bool is_hexadecimal = g_str_has_prefix(text, "0x");
        const char *digits = is_hexadecimal ? text + 2 : text;
        char *end;
        if (!(is_hexadecimal ? g_ascii_isxdigit(*digits) : g_ascii_isdigit(*digits)))
                return false;
        errno = 0;
        *number = g_ascii_strtoull(digits, &end, is_hexadecimal ? 16 : 10);
        return errno == 0 && *end == '\0';
}

/* Texts */

bool value_has_only(const char *text, const char *others) {
        for (const char *c = text; *c; c++)
                if (!g_ascii_isalnum(*c) && !strchr(others, *c))
                        return false;
        return *text;
}

/* On one line, and nothing that a terminal or a configuration would obey. */
static bool is_line(const ValueKind *kind, const char *text) {
        for (const char *c = text; *c; c++)
                if (g_ascii_iscntrl(*c))
                        return false;
        return *text && strlen(text) <= kind->max;
}

static bool is_text(const ValueKind *kind, const char *text) {
        return strlen(text) <= kind->max;
}

/* What has a program run, or more of such lines read from a file whose writer may be anybody. */
static bool is_option(const ValueKind *kind, const char *text) {
        static const char *const refused[] = { "conf-dir", "conf-file", "conf-script", "dhcp-luascript", "dhcp-script", NULL };
        g_autofree char *name = g_strndup(text, strcspn(text, "="));
        return is_line(kind, text) && !g_strv_contains(refused, g_strstrip(name));
}

static bool is_title(const ValueKind *kind, const char *text) {
        return !*text || is_line(kind, text);
}

static bool is_name(const ValueKind *kind, const char *text) {
        return is_line(kind, text) && !strchr(text, '/') && strcmp(text, ".") != 0 && strcmp(text, "..") != 0;
}

static bool is_uuid(const ValueKind *kind, const char *text) {
        (void) kind;
        g_autofree char *normal = uuid_normalize(text);
        return normal;
}

static bool is_path(const ValueKind *kind, const char *text) {
        return text[0] == '/' && is_line(kind, text);
}

static bool is_word(const ValueKind *kind, const char *text) {
        return value_has_only(text, "._-") && strlen(text) <= kind->max;
}

/* Numbers */

static bool is_number(const ValueKind *kind, const char *text) {
        uint64_t number;
        return value_number(text, &number) && number >= kind->min && number <= kind->max;
}

static bool read_pci(const char *text, uint64_t *number) {
        g_autofree char *hexadecimal = g_str_has_prefix(text, "0x") ? g_strdup(text) : g_strconcat("0x", text, NULL);
        return value_number(hexadecimal, number);
}

/* These are hexadecimal, with 0x and without. */
static bool is_pci(const ValueKind *kind, const char *text) {
        uint64_t number;
        return read_pci(text, &number) && number <= kind->max;
}

static char *normalize_pci(const char *text) {
        uint64_t number = 0;
        read_pci(text, &number);
        return g_strdup_printf("0x%02x", (unsigned) number);
}

/* Names of interfaces and of hosts */

/* The kernel has settings for all interfaces, and for those to come, where those of one are. */
static bool is_interface(const ValueKind *kind, const char *text) {
        static const char *const refused[] = { ".", "..", "all", "default", NULL };
        (void) kind;
        return value_has_only(text, "._-@+") && strlen(text) < IF_NAMESIZE && !g_strv_contains(refused, text);
}

/* With "%d" in place of a number, one is chosen. */
static bool is_bridge(const ValueKind *kind, const char *text) {
        const char *number = strstr(text, "%d");
        g_autofree char *name = number && number[2] == '\0' ? g_strndup(text, (size_t) (number - text)) : g_strdup(text);
        return is_interface(kind, name);
}

static bool is_dns_name(const ValueKind *kind, const char *text) {
        g_auto(GStrv) labels = g_strsplit(text, ".", -1);
        guint n = g_strv_length(labels);
        bool fine = strlen(text) <= kind->max && n > 0;
        for (guint i = 0; i < n && fine; i++) /* the last one may be empty: the root */
                fine = (value_has_only(labels[i], "_-") && strlen(labels[i]) <= 63) || (i > 0 && i == n - 1 && !*labels[i]);
        return fine;
}

static bool is_dns_target(const ValueKind *kind, const char *text) {
        return strcmp(text, ".") == 0 || is_dns_name(kind, text);
}

/* The words that mean something else to dnsmasq, where a host's name is. */
static bool is_host_name(const ValueKind *kind, const char *text) {
        static const char *const words[] = { "ignore", "infinite", NULL };
        return g_ascii_isalpha(text[0]) && is_dns_name(kind, text) && !g_strv_contains(words, text);
}

/* Addresses */

static bool is_mac(const ValueKind *kind, const char *text) {
        unsigned n_digits = 0, n_groups = 1;
        for (const char *c = text; *c; c++) {
                n_groups += *c == ':';
                n_digits = *c == ':' ? 0 : n_digits + 1;
                if ((*c == ':' && (c == text || c[-1] == ':')) || (*c != ':' && !g_ascii_isxdigit(*c)) || n_digits > 2)
                        return false;
        }
        /* One of a single interface: the lowest bit of the first byte is that of groups. */
        uint64_t first = g_ascii_strtoull(text, NULL, 16);
        return n_groups == 6 && n_digits > 0 && (kind->max == 0 || (first & 1) == 0);
}

static char *lower(const char *text) {
        return g_ascii_strdown(text, -1);
}

static bool is_address(const ValueKind *kind, const char *text) {
        Address address;
        return address_parse(text, kind->max == 4 ? AF_INET : AF_UNSPEC, &address);
}

static bool is_netmask(const ValueKind *kind, const char *text) {
        (void) kind;
        Address mask;
        return address_parse(text, AF_INET, &mask) && address_mask_prefix(&mask) >= 0;
}

/* A DHCP unique identifier: bytes in hexadecimal digits, with colons between them. */
static bool is_client_id(const ValueKind *kind, const char *text) {
        g_auto(GStrv) bytes = g_strsplit(text, ":", -1);
        guint n = g_strv_length(bytes);
        bool fine = n <= kind->max && n > 0;
        for (guint i = 0; i < n && fine; i++)
                fine = strlen(bytes[i]) <= 2 && g_ascii_isxdigit(bytes[i][0]) && (!bytes[i][1] || g_ascii_isxdigit(bytes[i][1]));
        return fine;
}

#define WORDS(name, list) const ValueKind value_##name = { .words = (list) }
#define TEXT(name, function, most, words_) const ValueKind value_##name = { .what = (words_), .check = (function), .max = (most) }
#define NUMBER(name, least, most) const ValueKind value_##name = { .check = is_number, .min = (least), .max = (most) }
#define PCI(name, most, words_) \
        const ValueKind value_pci_##name = { .what = (words_), .check = is_pci, .normalize = normalize_pci, .max = (most) }

WORDS(yes_no, answers);
WORDS(on_off, switches);
WORDS(table_manager, table_managers);
WORDS(forward_mode, value_modes);
WORDS(forward_driver, forward_drivers);
WORDS(family, families);
WORDS(lease_unit, lease_units);
WORDS(native_mode, native_modes);
WORDS(port_type, port_types);
WORDS(pci, pci);

TEXT(name, is_name, NETWORK_NAME_BYTES_MAX, "1 to 255 bytes, on one line, without '/'");
TEXT(uuid, is_uuid, 0, "a UUID: 32 hexadecimal digits");
TEXT(title, is_title, NETWORK_TITLE_BYTES_MAX, "one line of at most 1024 bytes");
TEXT(description, is_text, NETWORK_TEXT_BYTES_MAX, "at most 65536 bytes");
TEXT(interface, is_interface, 0, "the name of an interface: 1 to 15 letters, digits and ._-@+, neither 'all' nor 'default'");
TEXT(bridge, is_bridge, 0,
     "the name of a bridge: 1 to 15 letters, digits and ._-@+, or with %d at its end for a number that is chosen; neither "
     "'all' nor 'default'");
TEXT(zone, is_word, NETWORK_NAME_BYTES_MAX, "the name of a zone of firewalld: letters, digits and ._-");
TEXT(address, is_address, 0, "an IPv4 or IPv6 address");
TEXT(ipv4, is_address, 4, "an IPv4 address");
TEXT(netmask, is_netmask, 0, "a netmask of IPv4, such as 255.255.255.0");
TEXT(file, is_line, NETWORK_VALUE_BYTES_MAX, "one line of 1 to 1024 bytes");
TEXT(path, is_path, NETWORK_VALUE_BYTES_MAX, "an absolute path of at most 1024 bytes");
TEXT(client_id, is_client_id, 130, "a DHCP unique identifier: at most 130 bytes in hexadecimal digits with ':' between them");
TEXT(host_name, is_host_name, 253,
     "the name of a host: letters, digits, '-', '_' and '.', first a letter, and neither 'ignore' nor 'infinite'");
TEXT(dns_name, is_dns_name, 253, "a name of DNS: at most 253 letters, digits, '-', '_' and '.'");
TEXT(dns_target, is_dns_target, 253, "a name of DNS, or '.'");
TEXT(dns_label, is_word, 63, "at most 63 letters, digits and ._-");
TEXT(text, is_line, NETWORK_VALUE_BYTES_MAX, "one line of 1 to 1024 bytes");
TEXT(profile, is_word, 39, "at most 39 letters, digits and ._-");
TEXT(option, is_option, NETWORK_VALUE_BYTES_MAX,
     "a line of dnsmasq's configuration, of at most 1024 bytes, that runs no program and reads no other configuration");

const ValueKind value_mac = { .what = "a MAC address: six pairs of hexadecimal digits with ':' between them",
                              .check = is_mac,
                              .normalize = lower };
const ValueKind value_unicast_mac = {
        .what = "the MAC address of one interface: six pairs of hexadecimal digits with ':' between them, the first of them even",
        .check = is_mac,
        .max = 1,
};

NUMBER(delay, 0, 30);
NUMBER(mtu, 68, 65535);
NUMBER(prefix, 0, 128);
NUMBER(port, 1, 65535);
NUMBER(u16, 0, 65535);
NUMBER(metric, 1, UINT32_MAX);
NUMBER(expiry, 0, UINT32_MAX);
NUMBER(vlan, 0, 4095);
NUMBER(rate, 0, UINT32_MAX);
NUMBER(byte, 0, 255);
NUMBER(type_id, 0, 0xffffff);
NUMBER(run, 0, UINT32_MAX);

PCI(domain, 0xffff, "a hexadecimal number up to 0xffff");
PCI(bus, 0xff, "a hexadecimal number up to 0xff");
PCI(slot, 0x1f, "a hexadecimal number up to 0x1f");
PCI(function, 7, "a number from 0 to 7");

/* Errors */

static bool fail(const ValueKind *kind, const xmlNode *element, const char *name, const char *text, GError **error) {
        g_autofree char *list = kind->words ? g_strjoinv(", ", (char **) kind->words) : NULL;
        g_autofree char *numbers =
                        g_strdup_printf("a number from %" G_GUINT64_FORMAT " to %" G_GUINT64_FORMAT, kind->min, kind->max);
        g_autofree char *printable = g_strescape(text, NULL);
        const char *words = list ? list : kind->what ? kind->what : numbers;
        if (name)
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element, "%s is '%.64s'; it must be %s%s", name, printable,
                                list ? "one of: " : "", words);
        return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element, "its text is '%.64s'; it must be %s%s", printable,
                        list ? "one of: " : "", words);
}

char *value_check(const ValueKind *kind, const xmlNode *element, const char *name, const char *text, GError **error) {
        bool fine = kind->words ? g_strv_contains(kind->words, text) : kind->check(kind, text);
        if (!fine) {
                fail(kind, element, name, text, error);
                return NULL;
        }
        return kind->normalize ? kind->normalize(text) : g_strdup(text);
}
