/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The network cards of a container. */

#include <arpa/inet.h>
#include <inttypes.h>
#include <string.h>

#include "lxc/conf-read.h"

/* Cards of one container, and addresses of one card. */
#define CARDS_MAX 64
#define ADDRESSES_MAX 64

struct ConfCard {
        unsigned line;
        guint64 number; /* of keys that have it */
        char *type, *link, *mac, *name, *pair, *mode;
        guint64 vlan, mtu;
        bool is_up, has_vlan;
        GPtrArray *addresses[2]; /* char *: IPv4, IPv6; each with its prefix, or without */
        char *gateways[2];
};

static const char *const families[] = { "ipv4", "ipv6" }, *const all_addresses[] = { "0.0.0.0", "::" };
static const int family_numbers[] = { AF_INET, AF_INET6 };

void conf_card_free(void *data) {
        ConfCard *card = data;
        char *texts[] = { card->type, card->link,        card->mac,         card->name,
                          card->pair, card->gateways[0], card->gateways[1], card->mode };
        for (size_t i = 0; i < G_N_ELEMENTS(texts); i++)
                g_free(texts[i]);
        for (size_t i = 0; i < 2; i++)
                g_ptr_array_unref(card->addresses[i]);
        g_free(card);
}

static ConfCard *card_add(Conf *conf, const ConfLine *line, guint64 number, GError **error) {
        if (conf->cards->len >= CARDS_MAX) {
                conf_file_fail(line, error, VIRTBUS_ERROR_LIMIT_EXCEEDED, "there are more than %d network cards", CARDS_MAX);
                return NULL;
        }
        ConfCard *card = g_new0(ConfCard, 1);
        card->line = line->number;
        card->number = number;
        for (size_t i = 0; i < 2; i++)
                card->addresses[i] = g_ptr_array_new_with_free_func(g_free);
        g_ptr_array_add(conf->cards, card);
        return card;
}

/* Reading */

static bool set_text(char **place, const char *text) {
        g_free(*place);
        *place = *text ? g_strdup(text) : NULL;
        return true;
}

/* Digits that are 'x' are for LXC to choose: then one is chosen here, too, where the document is read. */
static bool read_mac(ConfCard *card, const ConfLine *line, GError **error) {
        static const char form[] = "hh:hh:hh:hh:hh:hh";
        bool is_open = strpbrk(line->value, "xX") != NULL;
        for (size_t i = 0; i < sizeof form; i++) {
                char c = i <= strlen(line->value) ? line->value[i] : '\0';
                if (form[i] == 'h' ? !g_ascii_isxdigit(c) && g_ascii_tolower(c) != 'x' : c != form[i])
                        return conf_file_invalid(line, error, "'%.64s' is not an address such as 00:16:3e:01:02:03", line->value);
        }
        return is_open || set_text(&card->mac, line->value);
}

/* "192.168.1.2/24", without what no document can say: the address of all. */
static bool read_address(ConfCard *card, const ConfLine *line, size_t family, GError **error) {
        g_auto(GStrv) words = conf_file_words(line->value);
        g_auto(GStrv) parts = words[0] ? g_strsplit(words[0], "/", 2) : NULL;
        unsigned char bytes[sizeof(struct in6_addr)];
        guint64 prefix;
        if (!parts || !parts[0] || inet_pton(family_numbers[family], parts[0], bytes) != 1 ||
            (parts[1] && !conf_file_number(parts[1], family == 0 ? 32 : 128, &prefix)))
                return conf_file_invalid(line, error, "'%.64s' is not an %s address", line->value, family == 0 ? "IPv4" : "IPv6");
        if (words[1])
                return conf_file_unsupported(line, error, "no document can say a broadcast address; leave '%.64s' out", words[1]);
        if (card->addresses[family]->len >= ADDRESSES_MAX)
                return conf_file_fail(line, error, VIRTBUS_ERROR_LIMIT_EXCEEDED, "there are more than %d addresses",
                                      ADDRESSES_MAX);
        g_ptr_array_add(card->addresses[family], g_strdup(words[0]));
        return true;
}

static bool read_gateway(ConfCard *card, const ConfLine *line, size_t family, GError **error) {
        unsigned char bytes[sizeof(struct in6_addr)];
        if (strcmp(line->value, "auto") == 0 || strcmp(line->value, "dev") == 0)
                return conf_file_unsupported(line, error, "no document can say '%s'; write the gateway's address", line->value);
        return inet_pton(family_numbers[family], line->value, bytes) == 1
                               ? set_text(&card->gateways[family], line->value)
                               : conf_file_invalid(line, error, "'%.64s' is not an %s address", line->value,
                                                   family == 0 ? "IPv4" : "IPv6");
}

static bool read_type(ConfCard *card, const ConfLine *line, GError **error) {
        static const char *const types[] = { "none", "empty", "veth", "vlan", "macvlan", "phys", NULL };
        return g_strv_contains(types, line->value)
                               ? set_text(&card->type, line->value)
                               : conf_file_unsupported(
                                                 line, error,
                                                 "no document can say '%.32s'; use none, empty, veth, vlan, macvlan or phys",
                                                 line->value);
}

static bool read_flags(ConfCard *card, const ConfLine *line, GError **error) {
        if (*line->value && strcmp(line->value, "up") != 0)
                return conf_file_invalid(line, error, "it is '%.32s'; LXC knows only up", line->value);
        card->is_up = *line->value;
        return true;
}

static bool read_mode(ConfCard *card, const ConfLine *line, GError **error) {
        static const char *const modes[][2] = {
                { "private", "private" }, { "vepa", "vepa" }, { "bridge", "bridge" }, { "passthru", "passthrough" }
        };
        for (size_t i = 0; i < G_N_ELEMENTS(modes); i++)
                if (strcmp(line->value, modes[i][0]) == 0)
                        return set_text(&card->mode, modes[i][1]);
        return conf_file_invalid(line, error, "it is '%.32s'; use private, vepa, bridge or passthru", line->value);
}

static bool read_number(const ConfLine *line, guint64 max, guint64 *number, GError **error) {
        return conf_file_number(line->value, max, number) ||
               conf_file_invalid(line, error, "'%.32s' is not a number up to %" PRIu64, line->value, max);
}

/* A card's key, without what is before it. */
static bool read_card(ConfCard *card, const ConfLine *line, const char *key, GError **error) {
        if (strcmp(key, "type") == 0)
                return read_type(card, line, error);
        if (strcmp(key, "flags") == 0)
                return read_flags(card, line, error);
        if (strcmp(key, "link") == 0)
                return set_text(&card->link, line->value);
        if (strcmp(key, "name") == 0)
                return set_text(&card->name, line->value);
        if (strcmp(key, "veth.pair") == 0)
                return set_text(&card->pair, line->value);
        if (strcmp(key, "hwaddr") == 0)
                return read_mac(card, line, error);
        if (strcmp(key, "macvlan.mode") == 0)
                return read_mode(card, line, error);
        if (strcmp(key, "mtu") == 0)
                return read_number(line, 65535, &card->mtu, error);
        if (strcmp(key, "vlan.id") == 0) {
                card->has_vlan = true;
                return read_number(line, 4095, &card->vlan, error);
        }
        for (size_t i = 0; i < 2; i++) {
                g_autofree char *address = g_strdup_printf("%s.address", families[i]),
                                *gateway = g_strdup_printf("%s.gateway", families[i]);
                if (strcmp(key, families[i]) == 0 || strcmp(key, address) == 0)
                        return read_address(card, line, i, error);
                if (strcmp(key, gateway) == 0)
                        return read_gateway(card, line, i, error);
        }
        return conf_file_unsupported(line, error, "no document can say this of a network card; leave it out");
}

bool conf_network_read_old(Conf *conf, const ConfLine *line, const char *rest, GError **error) {
        if (!*rest) {
                g_ptr_array_set_size(conf->cards, 0);
                return true;
        }
        if (rest[0] != '.')
                return conf_file_unsupported(line, error, "this key is not known; leave it out");
        ConfCard *card = strcmp(rest, ".type") == 0 ? card_add(conf, line, conf->cards->len, error)
                         : conf->cards->len > 0     ? conf->cards->pdata[conf->cards->len - 1]
                                                    : NULL;
        if (!card && strcmp(rest, ".type") != 0)
                return conf_file_invalid(line, error, "no card begins above; lxc.network.type begins one");
        return card && read_card(card, line, rest + 1, error);
}

bool conf_network_read(Conf *conf, const ConfLine *line, const char *rest, GError **error) {
        const char *dot = strchr(rest, '.');
        g_autofree char *digits = dot ? g_strndup(rest, (gsize) (dot - rest)) : NULL;
        guint64 number;
        if (!digits || !conf_file_number(digits, UINT32_MAX, &number))
                return conf_file_unsupported(line, error, "this key is not lxc.net.NUMBER.WHAT; leave it out");
        ConfCard *card = NULL;
        for (guint i = 0; i < conf->cards->len; i++)
                if (((ConfCard *) conf->cards->pdata[i])->number == number)
                        card = conf->cards->pdata[i];
        if (!card)
                card = card_add(conf, line, number, error);
        return card && read_card(card, line, dot + 1, error);
}

/* Writing */

static void write_addresses(const ConfCard *card, xmlNode *element) {
        for (size_t family = 0; family < 2; family++)
                for (guint i = 0; i < card->addresses[family]->len; i++) {
                        g_auto(GStrv) parts = g_strsplit(card->addresses[family]->pdata[i], "/", 2);
                        xmlNode *ip = xml_add(element, "ip", NULL);
                        xml_set_attribute(ip, "address", parts[0]);
                        xml_set_attribute(ip, "family", families[family]);
                        if (parts[1])
                                xml_set_attribute(ip, "prefix", parts[1]);
                }
        for (size_t family = 0; family < 2; family++)
                if (card->gateways[family]) {
                        xmlNode *route = xml_add(element, "route", NULL);
                        xml_set_attribute(route, "family", families[family]);
                        xml_set_attribute(route, "address", all_addresses[family]);
                        xml_set_attribute(route, "gateway", card->gateways[family]);
                }
}

static void write_named(xmlNode *parent, const char *element, const char *attribute, const char *value) {
        if (value)
                xml_set_attribute(xml_add(parent, element, NULL), attribute, value);
}

static void write_interface(const ConfCard *card, xmlNode *devices) {
        bool is_direct = strcmp(card->type, "macvlan") == 0;
        xmlNode *interface = xml_add(devices, "interface", NULL);
        xml_set_attribute(interface, "type", is_direct ? "direct" : card->link ? "bridge" : "ethernet");
        write_named(interface, "mac", "address", card->mac);
        if (is_direct) {
                xmlNode *source = xml_add(interface, "source", NULL);
                xml_set_attribute(source, "dev", card->link);
                xml_set_attribute(source, "mode", card->mode ? card->mode : "private");
        } else {
                write_named(interface, "source", "bridge", card->link);
        }
        write_addresses(card, interface);
        write_named(interface, "target", "dev", card->pair);
        write_named(interface, "guest", "dev", card->name);
        write_named(interface, "link", "state", card->is_up ? "up" : NULL);
        g_autofree char *mtu = card->mtu > 0 ? g_strdup_printf("%" PRIu64, card->mtu) : NULL;
        write_named(interface, "mtu", "size", mtu);
}

/* An interface of the host's, which the container gets. */
static void write_host_interface(const ConfCard *card, xmlNode *devices) {
        g_autofree char *name = card->has_vlan ? g_strdup_printf("%s.%" PRIu64, card->link, card->vlan) : g_strdup(card->link);
        xmlNode *device = xml_add(devices, "hostdev", NULL);
        xml_set_attribute(device, "mode", "capabilities");
        xml_set_attribute(device, "type", "net");
        xml_add(xml_add(device, "source", NULL), "interface", name);
        write_addresses(card, device);
}

static bool fail(const ConfCard *card, const char *what, GError **error) {
        return virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT, "line %u: the network card that begins here has no %s",
                                 card->line, what);
}

bool conf_network_write(const Conf *conf, xmlNode *features, xmlNode *devices, GError **error) {
        bool is_private = true;
        for (guint i = 0; i < conf->cards->len; i++) {
                const ConfCard *card = conf->cards->pdata[i];
                if (!card->type)
                        return fail(card, "type", error);
                is_private &= strcmp(card->type, "empty") == 0;
                bool is_host = strcmp(card->type, "phys") == 0 || strcmp(card->type, "vlan") == 0;
                if ((is_host || strcmp(card->type, "macvlan") == 0) && !card->link)
                        return fail(card, "link", error);
                if (strcmp(card->type, "vlan") == 0 && !card->has_vlan)
                        return fail(card, "vlan.id", error);
                if (is_host)
                        write_host_interface(card, devices);
                else if (strcmp(card->type, "veth") == 0 || strcmp(card->type, "macvlan") == 0)
                        write_interface(card, devices);
        }
        if (is_private)
                xml_add(features, "privnet", NULL);
        return true;
}
