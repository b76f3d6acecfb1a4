/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "network/interface-form.h"

#include <net/if.h>
#include <string.h>

#include "network/address.h"
#include "network/element-form.h"

const char *const interface_types[] = { "ethernet", "bridge", "bond", "vlan", NULL };

static const char *const start_modes[] = { "onboot", "none", "hotplug", NULL };
static const char *const states[] = { "unknown", "notpresent", "down", "lowerlayerdown", "testing", "dormant", "up", NULL };
static const char *const bond_modes[] = { "balance-rr", "active-backup", "balance-xor", "broadcast",
                                          "802.3ad",    "balance-tlb",   "balance-alb", NULL };
static const char *const carriers[] = { "ioctl", "netif", NULL };
static const char *const validations[] = { "none", "active", "backup", "all", NULL };

/* What the kernel takes for a name. */
static bool is_device(const ValueKind *kind, const char *text) {
        (void) kind;
        bool fine = *text && strlen(text) < IF_NAMESIZE && strcmp(text, ".") != 0 && strcmp(text, "..") != 0;
        for (const char *c = text; *c && fine; c++)
                fine = g_ascii_isgraph(*c) && *c != '/' && *c != '%';
        return fine;
}

/* Seconds, with a fraction. */
static bool is_time(const ValueKind *kind, const char *text) {
        char *end;
        double seconds = g_ascii_strtod(text, &end);
        (void) kind;
        return g_ascii_isdigit(text[0]) && !*end && seconds <= UINT32_MAX && !strpbrk(text, "xXnN");
}

static bool is_number(const ValueKind *kind, const char *text) {
        uint64_t number;
        return value_number(text, &number) && number <= kind->max;
}

static const ValueKind value_type = { .words = interface_types }, value_start_mode = { .words = start_modes },
                       value_state = { .words = states }, value_bond_mode = { .words = bond_modes },
                       value_carrier = { .words = carriers }, value_validation = { .words = validations },
                       value_device = { .what = "the name of an interface: 1 to 15 printable characters but '/' and '%'",
                                        .check = is_device },
                       value_time = { .what = "seconds, such as 0.01", .check = is_time },
                       value_count = { .check = is_number, .max = UINT32_MAX };

static const ElementForm form_member;

ELEMENT(form_start, "start", ATTRIBUTES({ "mode", &value_start_mode, NEEDED }), ONE);
ELEMENT(form_mac, "mac", ATTRIBUTES({ "address", &value_mac, NEEDED }), ONE);
ELEMENT(form_link, "link", ATTRIBUTES({ "speed", &value_count }, { "state", &value_state }), ONE);
ELEMENT(form_mtu, "mtu", ATTRIBUTES({ "size", &value_count, NEEDED }), ONE);
ELEMENT(form_dhcp, "dhcp", ATTRIBUTES({ "peerdns", &value_yes_no }), ONE);
ELEMENT(form_autoconf, "autoconf", ONE);
ELEMENT(form_ip, "ip", ATTRIBUTES({ "address", &value_address, NEEDED }, { "prefix", &value_prefix }),
        .max = INTERFACE_ADDRESSES_MAX);
ELEMENT(form_route, "route", ATTRIBUTES({ "gateway", &value_address, NEEDED }), ONE);
ELEMENT(form_protocol, "protocol", ATTRIBUTES({ "family", &value_family, NEEDED }),
        CHILDREN(&form_autoconf, &form_dhcp, &form_ip, &form_route));
ELEMENT(form_bridge, "bridge", ATTRIBUTES({ "stp", &value_on_off }, { "delay", &value_time }), CHILDREN(&form_member), ONE);
ELEMENT(form_miimon, "miimon",
        ATTRIBUTES({ "freq", &value_count, NEEDED }, { "downdelay", &value_count }, { "updelay", &value_count },
                   { "carrier", &value_carrier }),
        ONE);
ELEMENT(form_arpmon, "arpmon",
        ATTRIBUTES({ "interval", &value_count, NEEDED }, { "target", &value_ipv4, NEEDED }, { "validate", &value_validation }),
        ONE);
ELEMENT(form_bond, "bond", ATTRIBUTES({ "mode", &value_bond_mode }), CHILDREN(&form_miimon, &form_arpmon, &form_member), ONE);
ELEMENT(form_lower, "interface", ATTRIBUTES({ "name", &value_device, NEEDED }), ONE, .is_needed = true);
ELEMENT(form_vlan, "vlan", ATTRIBUTES({ "tag", &value_vlan, NEEDED }), CHILDREN(&form_lower), ONE);

#define INTERFACE ATTRIBUTES({ "type", &value_type, NEEDED }, { "name", &value_device })
static const ElementForm form_member = { "interface", INTERFACE, CHILDREN(&form_mac, &form_link, &form_bond, &form_vlan),
                                         .max = INTERFACE_MEMBERS_MAX };
ELEMENT(form_interface, "interface", INTERFACE,
        CHILDREN(&form_start, &form_mac, &form_link, &form_mtu, &form_protocol, &form_bridge, &form_bond, &form_vlan));

/* What is of some types only; and what these must have. */
static const struct {
        const char *element, *types;
        bool is_needed;
} of_types[] = {
        { "mac", "ethernet" },    { "link", "ethernet bond vlan" }, { "bridge", "bridge", true },
        { "bond", "bond", true }, { "vlan", "vlan", true },
};

static bool is_one_of(const char *word, const char *list) {
        g_auto(GStrv) words = g_strsplit(list, " ", -1);
        return g_strv_contains((const char *const *) words, word);
}

static bool check_type(const xmlNode *interface, const char *type, GError **error) {
        for (size_t i = 0; i < G_N_ELEMENTS(of_types); i++) {
                const xmlNode *child = xml_child(interface, of_types[i].element);
                bool is_of_it = is_one_of(type, of_types[i].types);
                if (child && !is_of_it)
                        return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, child,
                                        "it is not of an interface of type '%s'; leave it out, or use type: %s", type,
                                        of_types[i].types);
                if (!child && is_of_it && of_types[i].is_needed)
                        return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, interface, "<%s> is missing", of_types[i].element);
        }
        return true;
}

/* A vlan is named after what it is on, where it has no name. */
static bool complete_name(xmlNode *interface, const char *type, GError **error) {
        xmlNode *vlan = xml_child(interface, "vlan");
        if (xmlHasProp(interface, (const xmlChar *) "name"))
                return true;
        if (strcmp(type, "vlan") != 0)
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, interface, "the attribute 'name' is missing");
        g_autofree char *tag = xml_attribute(vlan, "tag"), *lower = xml_attribute_at(vlan, "interface", "name"),
                        *name = g_strdup_printf("%s.%s", lower, tag);
        xml_set_attribute(interface, "name", name);
        return value_device.check(&value_device, name) ||
               xml_fail(error, VIRTBUS_ERROR_INVALID_XML, interface, "'%s' is too long for a name: give it a 'name'", name);
}

/* Addresses */

static bool check_address(const xmlNode *element, const char *attribute, bool is_6, GError **error) {
        Address address = { 0 };
        g_autofree char *text = xml_attribute(element, attribute), *prefix = xml_attribute(element, "prefix");
        uint64_t bits = 0;
        address_parse(text, AF_UNSPEC, &address);
        if ((address.family == AF_INET6) != is_6)
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element,
                                "%s is '%s'; in this <protocol> it must be an %s address", attribute, text,
                                is_6 ? "IPv6" : "IPv4");
        if (address_is_multicast(&address))
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element, "%s '%s' is the one of a group, not of a host",
                                attribute, text);
        return !prefix || (value_number(prefix, &bits) && bits <= address_bits(&address)) ||
               xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element, "prefix is '%s'; it must be a number up to %u", prefix,
                        address_bits(&address));
}

static bool check_protocol(const xmlNode *protocol, GError **error) {
        bool is_6 = xml_attribute_is(protocol, "family", "ipv6");
        const xmlNode *autoconf = xml_child(protocol, "autoconf"), *route = xml_child(protocol, "route");
        g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        if (autoconf && !is_6)
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, autoconf, "it is of family 'ipv6' only; use <dhcp>, or <ip>");
        for (xmlNode *ip = xml_child(protocol, "ip"); ip; ip = xml_next(ip, "ip")) {
                if (!check_address(ip, "address", is_6, error))
                        return false;
                if (!g_hash_table_add(seen, xml_attribute(ip, "address")))
                        return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, ip, "its address is given twice; leave one out");
        }
        return !route || check_address(route, "gateway", is_6, error);
}

static bool check_protocols(const xmlNode *interface, GError **error) {
        const xmlNode *found[2] = { NULL };
        for (xmlNode *protocol = xml_child(interface, "protocol"); protocol; protocol = xml_next(protocol, "protocol")) {
                bool is_6 = xml_attribute_is(protocol, "family", "ipv6");
                if (found[is_6])
                        return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, protocol,
                                        "the family '%s' is given twice; make one <protocol> of both", is_6 ? "ipv6" : "ipv4");
                found[is_6] = protocol;
                if (!check_protocol(protocol, error))
                        return false;
        }
        return true;
}

/* What it is made of */

static bool check_members(const xmlNode *parent, const char *types, GHashTable *names, GError **error);

static bool check_bond(const xmlNode *bond, GHashTable *names, GError **error) {
        if (!bond)
                return true;
        if (xml_child(bond, "miimon") && xml_child(bond, "arpmon"))
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, xml_child(bond, "arpmon"),
                                "<miimon> and <arpmon> exclude each other");
        if (!xml_child(bond, "interface"))
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, bond, "<interface> is missing: a bond is made of others");
        return check_members(bond, "ethernet", names, error);
}

/* Its name, and those of what it is made of, are of one each. */
static bool check_interface(xmlNode *interface, GHashTable *names, GError **error) {
        g_autofree char *type = xml_attribute(interface, "type");
        if (!check_type(interface, type, error) || !complete_name(interface, type, error) || !check_protocols(interface, error))
                return false;
        g_autofree char *name = xml_attribute(interface, "name"), *lower = xml_attribute_at(interface, "vlan/interface", "name");
        if (strcmp(name, lower ? lower : "") == 0)
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, interface,
                                "'%s' cannot be made on itself: name another interface below it", name);
        if (!g_hash_table_add(names, g_steal_pointer(&name)))
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, interface,
                                "an interface of its name is there already; leave one out");
        return check_members(xml_child(interface, "bridge"), "ethernet bond vlan", names, error) &&
               check_bond(xml_child(interface, "bond"), names, error);
}

static bool check_members(const xmlNode *parent, const char *types, GHashTable *names, GError **error) {
        for (xmlNode *member = xml_child(parent, "interface"); member; member = xml_next(member, "interface")) {
                g_autofree char *type = xml_attribute(member, "type");
                if (!is_one_of(type, types))
                        return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, member, "type is '%s'; in <%s> it must be one of: %s",
                                        type, (const char *) parent->name, types);
                if (!check_interface(member, names, error))
                        return false;
        }
        return true;
}

char *interface_form_check(const char *xml, GError **error) {
        g_autoptr(xmlDoc) document = xml_parse(xml, "interface", error);
        g_autoptr(GHashTable) names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        xmlNode *root = document ? xmlDocGetRootElement(document) : NULL;
        bool fine = root && element_form_check(root, &form_interface, error) && check_interface(root, names, error);
        return fine ? xml_checked_text(document, error) : NULL;
}
