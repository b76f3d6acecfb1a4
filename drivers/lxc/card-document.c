/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lxc/card-document.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <linux/if_link.h>
#include <string.h>

#include "base/xml.h"
#include "bus.h"
#include "lxc/guest/guest-plan.h"

/* The kernel's bounds: of names of interfaces, but for the byte that ends them, and of what one packet takes. */
#define INTERFACE_NAME_MAX 15
#define MTU_MIN 68
#define MTU_MAX 65535

/* Addresses and routes of one card. */
#define ADDRESSES_MAX 64

/* No name that is more than one: the kernel completes those with '%', and ':' is of aliases. */
static bool is_name(const char *text) {
        size_t length = strlen(text);
        for (size_t i = 0; i < length; i++)
                if (!g_ascii_isgraph(text[i]) || strchr("/:%", text[i]))
                        return false;
        return length > 0 && length <= INTERFACE_NAME_MAX && strcmp(text, ".") != 0 && strcmp(text, "..") != 0;
}

static bool check_name(const xmlNode *element, const char *child, const char *attribute, GError **error) {
        g_autofree char *name = xml_attribute_at(element, child, attribute);
        return !*name || is_name(name) ||
               xml_fail(error, VIRTBUS_ERROR_INVALID_XML, xml_child(element, child),
                        "'%.64s' cannot be an interface's name: that has up to %d letters and digits", name, INTERFACE_NAME_MAX);
}

static bool check_source(const xmlNode *element, GError **error) {
        static const struct {
                const char *type, *attribute;
        } needs[] = { { "network", "network" }, { "bridge", "bridge" }, { "direct", "dev" } };
        for (size_t i = 0; i < G_N_ELEMENTS(needs); i++) {
                g_autofree char *text = xml_attribute_at(element, "source", needs[i].attribute);
                if (xml_attribute_is(element, "type", needs[i].type) && !*text)
                        return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element, "it needs <source %s='...'/>",
                                        needs[i].attribute);
        }
        return check_name(element, "source", "bridge", error) && check_name(element, "source", "dev", error);
}

/* Addresses */

static int family_of(const char *text) {
        unsigned char bytes[sizeof(struct in6_addr)];
        return inet_pton(AF_INET, text, bytes) == 1 ? AF_INET : inet_pton(AF_INET6, text, bytes) == 1 ? AF_INET6 : AF_UNSPEC;
}

/* How many ones a netmask begins with; -1: it is none. */
static int prefix_of(const char *netmask) {
        struct in_addr mask;
        if (inet_pton(AF_INET, netmask, &mask) != 1)
                return -1;
        uint32_t bits = ntohl(mask.s_addr), rest = ~bits;
        return (rest & (rest + 1)) == 0 ? __builtin_popcount(bits) : -1;
}

typedef struct Address {
        char *address, *other; /* OTHER: the peer, or the gateway; "": none */
        uint64_t prefix, metric;
} Address;

static void address_clear(Address *address) {
        g_free(address->address);
        g_free(address->other);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Address, address_clear)

/* One that says no prefix is of one address alone, or, a route to all addresses, of all. */
static bool read_address(const xmlNode *element, Address *address, GError **error) {
        bool is_route = xml_is(element, "route");
        g_autofree char *family = xml_attribute_at(element, "", "family"), *netmask = xml_attribute_at(element, "", "netmask");
        address->address = xml_attribute_at(element, "", "address");
        address->other = xml_attribute_at(element, "", is_route ? "gateway" : "peer");
        int kind = family_of(address->address), ones = *netmask ? prefix_of(netmask) : 0;
        uint64_t most = kind == AF_INET6 ? 128 : 32;
        bool is_all = strspn(address->address, "0:.") == strlen(address->address);
        if (kind == AF_UNSPEC || (*family && strcmp(family, kind == AF_INET6 ? "ipv6" : "ipv4") != 0))
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element, "'%.64s' is not an address of family '%s'",
                                address->address, *family ? family : "ipv4 or ipv6");
        if (is_route && !*address->other)
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element,
                                "the route needs a gateway: an address by which others are reached");
        if (*address->other && family_of(address->other) != kind)
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element, "'%.64s' is not an address of the same family",
                                address->other);
        if (*netmask && (ones < 0 || kind == AF_INET6 || xmlHasProp(element, (const xmlChar *) "prefix")))
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element,
                                "netmask='%.64s' cannot be: use a prefix, the number of bits", netmask);
        address->prefix = *netmask ? (uint64_t) ones : is_route && is_all ? 0 : most;
        return xml_number_attribute(element, "prefix", 0, most, &address->prefix, error) &&
               xml_number_attribute(element, "metric", 1, UINT32_MAX, &address->metric, error);
}

static bool is_address(const xmlNode *element) {
        return xml_is(element, "ip") || xml_is(element, "route");
}

static bool check_addresses(const xmlNode *card, GError **error) {
        unsigned n = 0;
        for (const xmlNode *element = xml_child(card, NULL); element; element = xml_next(element, NULL)) {
                g_auto(Address) address = { 0 };
                if (!is_address(element))
                        continue;
                if (++n > ADDRESSES_MAX)
                        return xml_fail(error, VIRTBUS_ERROR_LIMIT_EXCEEDED, element, "the card has more than %d of them",
                                        ADDRESSES_MAX);
                if (!read_address(element, &address, error))
                        return false;
        }
        return true;
}

bool card_document_check(const xmlNode *devices, GError **error) {
        g_autoptr(GHashTable) names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        unsigned n = 0;
        for (const xmlNode *card = xml_child(devices, "interface"); card; card = xml_next(card, "interface")) {
                g_autofree char *name = xml_attribute_at(card, "guest", "dev");
                uint64_t mtu;
                if (++n > GUEST_CARDS_MAX)
                        return xml_fail(error, VIRTBUS_ERROR_LIMIT_EXCEEDED, card, "there are more than %d of them",
                                        GUEST_CARDS_MAX);
                if (!check_source(card, error) || !check_name(card, "target", "dev", error) ||
                    !check_name(card, "guest", "dev", error) || !check_addresses(card, error) ||
                    !xml_number_attribute(xml_child(card, "mtu"), "size", MTU_MIN, MTU_MAX, &mtu, error))
                        return false;
                if (*name && (strcmp(name, "lo") == 0 || !g_hash_table_add(names, g_strdup(name))))
                        return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, xml_child(card, "guest"),
                                        "another card of the container is called '%s'", name);
        }
        return true;
}

/* Those of networks are, and those on which something is to be done that the networks' driver does. */
static bool is_port(const xmlNode *card) {
        return xml_attribute_is(card, "type", "network") ||
               (!xml_attribute_is(card, "type", "direct") && (xml_child(card, "filterref") || xml_child(card, "bandwidth") ||
                                                              xml_attribute_is(xml_child(card, "port"), "isolated", "yes")));
}

/* To start */

static const struct {
        const char *name;
        unsigned mode;
} modes[] = { { "vepa", MACVLAN_MODE_VEPA }, { "bridge", MACVLAN_MODE_BRIDGE }, { "private", MACVLAN_MODE_PRIVATE } };

bool card_document_check_start(const xmlNode *devices, GError **error) {
        for (const xmlNode *card = xml_child(devices, "interface"); card; card = xml_next(card, "interface")) {
                const xmlNode *source = xml_child(card, "source");
                bool is_direct = xml_attribute_is(card, "type", "direct");
                const char *what = NULL;
                if (is_port(card) && xml_attribute_is(xml_child(card, "link"), "state", "down"))
                        what = "a link that is down of a network card that is a network's, or has a filter or a bandwidth";
                else if (is_direct && (xml_child(card, "filterref") || xml_child(card, "bandwidth") || xml_child(card, "port")))
                        what = "a filter, a bandwidth or an isolated port of a network card of type 'direct'";
                else if (is_direct && xml_attribute_is(source, "mode", "passthrough"))
                        what = "a network card in mode 'passthrough': use vepa, bridge or private";
                else if (is_direct && xml_attribute_is(xml_child(card, "link"), "state", "down"))
                        what = "a link that is down of a network card of type 'direct'";
                if (what)
                        return xml_fail(error, VIRTBUS_ERROR_UNSUPPORTED, card,
                                        "the LXC driver cannot yet start a container with %s", what);
        }
        return true;
}

/* The plan */

static unsigned mode_of(const xmlNode *card) {
        g_autofree char *mode = xml_attribute_at(card, "source", "mode");
        if (!xml_attribute_is(card, "type", "direct"))
                return 0;
        for (size_t i = 0; i < G_N_ELEMENTS(modes); i++)
                if (strcmp(modes[i].name, mode) == 0)
                        return modes[i].mode;
        return MACVLAN_MODE_VEPA;
}

static const char *or_none(const char *text) {
        return *text ? text : GUEST_NONE;
}

/* Whether another card has that name in the container, or asks for it. */
static bool is_taken(const xmlNode *devices, const char *name) {
        for (const xmlNode *card = xml_child(devices, "interface"); card; card = xml_next(card, "interface"))
                if (xml_attribute_is(xml_child(card, "guest"), "dev", name) ||
                    xml_attribute_is(xml_child(card, "guest"), "actual", name))
                        return true;
        return false;
}

void card_document_choose_names(const xmlNode *devices) {
        unsigned next = 0;
        for (xmlNode *card = xml_child(devices, "interface"); card; card = xml_next(card, "interface")) {
                g_autofree char *actual = xml_attribute_at(card, "guest", "actual"),
                                *name = xml_attribute_at(card, "guest", "dev");
                if (*actual)
                        continue;
                while (!*name) {
                        char *chosen = g_strdup_printf("eth%u", next++);
                        if (is_taken(devices, chosen))
                                *chosen = '\0';
                        g_free(name);
                        name = chosen;
                }
                xml_set_attribute(xml_ensure_child(card, "guest"), "actual", name);
        }
}

void card_document_put(const xmlNode *devices, const xmlNode *only, void (*put)(void *data, const char *line), void *data) {
        unsigned number = 0;
        for (const xmlNode *card = only ? only : xml_child(devices, "interface"); card;
             card = only ? NULL : xml_next(card, "interface"), number++) {
                g_autofree char *mac = xml_attribute_at(card, "mac", "address"), *host = xml_attribute_at(card, "target", "dev"),
                                *inside = xml_attribute_at(card, "guest", "actual");
                bool is_direct = xml_attribute_is(card, "type", "direct");
                g_autofree char *lower = xml_attribute_at(card, "source", is_direct ? "dev" : "bridge");
                uint64_t mtu = 0;
                xml_number_attribute(xml_child(card, "mtu"), "size", 0, MTU_MAX, &mtu, NULL);
                const char *state = is_port(card)                                                ? "port"
                                    : xml_attribute_is(xml_child(card, "link"), "state", "down") ? "down"
                                                                                                 : "up";
                g_autofree char *line =
                                g_strdup_printf("card %u %" PRIu64 " %s %s %s %s %s", mode_of(card), mtu, state, mac,
                                                or_none(is_direct ? "" : host), inside, or_none(is_port(card) ? "" : lower));
                put(data, line);
                for (const xmlNode *element = xml_child(card, NULL); element; element = xml_next(element, NULL)) {
                        g_auto(Address) address = { 0 };
                        if (!is_address(element) || !read_address(element, &address, NULL))
                                continue;
                        g_autofree char *text =
                                        g_strdup_printf("%s %u %s %" PRIu64 " %s %" PRIu64,
                                                        xml_is(element, "route") ? "route" : "address", number, address.address,
                                                        address.prefix, or_none(address.other), address.metric);
                        put(data, text);
                }
        }
}

/* The ports */

static char *element_text(const xmlNode *card, const char *name) {
        xmlNode *element = xml_child(card, name);
        return element ? xml_element_text(element) : g_strdup("");
}

CardPort *card_document_port(const xmlNode *card, const char *interface, unsigned index) {
        static const char *const plugs[] = { "network", "bridge", "ethernet" };
        uint64_t mtu = 0;
        if (!is_port(card))
                return NULL;
        xml_number_attribute(xml_child(card, "mtu"), "size", 0, MTU_MAX, &mtu, NULL);
        CardPort *port = g_new(CardPort, 1);
        *port = (CardPort){ .mode = "",
                            .holder = -1,
                            .mac = xml_attribute_at(card, "mac", "address"),
                            .interface = g_strdup(interface),
                            .filter = element_text(card, "filterref"),
                            .bandwidth = element_text(card, "bandwidth"),
                            .group = xml_attribute_at(card, "source", "portgroup"),
                            .queues = 1,
                            .mtu = (unsigned) mtu,
                            .pair = index,
                            .isolated = xml_attribute_is(xml_child(card, "port"), "isolated", "yes") };
        for (size_t i = 0; i < G_N_ELEMENTS(plugs); i++)
                if (xml_attribute_is(card, "type", plugs[i]))
                        port->plug = plugs[i];
        return port;
}
