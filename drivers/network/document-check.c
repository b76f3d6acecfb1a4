/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "network/document-check.h"

#include <string.h>

#include "network/value.h"

/* Leases of less than this dnsmasq does not give, in seconds. */
#define LEASE_MIN 120

/* How many addresses a range may have: a lease for each is room in dnsmasq's memory. */
#define RANGE_MAX 65535

const char *document_mode(const xmlNode *root) {
        const xmlNode *forward = xml_child(root, "forward");
        g_autofree char *mode = xml_attribute(forward, "mode");
        for (size_t i = 0; mode && value_modes[i]; i++)
                if (strcmp(value_modes[i], mode) == 0)
                        return value_modes[i];
        return forward ? "nat" : "isolated";
}

static bool is_one_of(const char *mode, const char *list) {
        g_auto(GStrv) words = g_strsplit(list, " ", -1);
        return g_strv_contains((const char *const *) words, mode);
}

bool document_mode_has_bridge(const char *mode) {
        return is_one_of(mode, "isolated nat route open");
}

/* Which elements and attributes are of some modes only. */
static const struct {
        const char *place, *attribute, *modes;
} of_modes[] = {
        { "bridge", "stp", "isolated nat route open" },
        { "bridge", "delay", "isolated nat route open" },
        { "bridge", "name", "isolated nat route open bridge" },
        { "mtu", NULL, "isolated nat route open" },
        { "mac", NULL, "isolated nat route open" },
        { "dns/host", NULL, "isolated nat route open" },
        { "dns/txt", NULL, "isolated nat route open" },
        { "dns/srv", NULL, "isolated nat route open" },
        { "domain", NULL, "isolated nat route open" },
        { "bandwidth", NULL, "isolated nat route open bridge" },
        { "forward/nat", NULL, "nat" },
        { "forward/pf", NULL, "bridge private vepa passthrough hostdev" },
        { "forward/address", NULL, "passthrough hostdev" },
        { "forward/driver", NULL, "hostdev" },
        { "forward", "managed", "hostdev" },
        { "forward", "dev", "nat route bridge private vepa passthrough hostdev" },
        { "forward/interface", NULL, "nat route bridge private vepa passthrough hostdev" },
        { "port", NULL, "isolated nat route open bridge" },
};

static bool check_mode(const xmlNode *root, const char *mode, GError **error) {
        for (size_t i = 0; i < G_N_ELEMENTS(of_modes); i++) {
                const xmlNode *element = xml_find(root, of_modes[i].place);
                const char *attribute = of_modes[i].attribute;
                if (element && (!attribute || xmlHasProp((xmlNode *) element, (const xmlChar *) attribute)) &&
                    !is_one_of(mode, of_modes[i].modes))
                        return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element,
                                        "%s%s%s is not of a network of mode '%s'; leave it out, or use one of the modes: %s",
                                        attribute ? "the attribute '" : "it", attribute ? attribute : "", attribute ? "'" : "",
                                        mode, of_modes[i].modes);
        }
        return true;
}

/* VLANs are those of a switch or of a card: a bridge of Open vSwitch, or interfaces that are handed to guests whole. PART: the
 * network, or one of its portgroups, whose virtualport may leave its type to the network's. */
static bool check_vlan_of(const xmlNode *root, const xmlNode *part, const char *mode, GError **error) {
        const xmlNode *own = xml_child(part, "virtualport"), *vlan = xml_child(part, "vlan");
        bool has_type = own && xmlHasProp((xmlNode *) own, (const xmlChar *) "type");
        bool is_switched = xml_attribute_is(has_type ? own : xml_child(root, "virtualport"), "type", "openvswitch");
        if (!vlan || (strcmp(mode, "bridge") == 0 && is_switched) ||
            (is_one_of(mode, "passthrough hostdev") && (part == root || !own)))
                return true;
        return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, vlan,
                        "a network of mode '%s'%s has no VLANs: name a bridge of Open vSwitch in a network of mode 'bridge' with "
                        "<virtualport "
                        "type='openvswitch'/>, or hand interfaces on by mode 'passthrough' or 'hostdev'",
                        mode, is_switched ? "" : " without Open vSwitch");
}

static bool check_vlans(const xmlNode *root, const char *mode, GError **error) {
        bool fine = check_vlan_of(root, root, mode, error);
        for (const xmlNode *group = xml_child(root, "portgroup"); fine && group; group = xml_next(group, "portgroup"))
                fine = check_vlan_of(root, group, mode, error);
        return fine;
}

/* Forwarding */

static bool check_twice(const xmlNode *element, const char *child, const char *attribute, GError **error) {
        g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        for (xmlNode *one = xml_child(element, child); one; one = xml_next(one, child)) {
                char *value = xml_attribute(one, attribute);
                if (value && !g_hash_table_add(seen, value))
                        return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, one, "the %s '%.64s' is given twice; leave one out",
                                        attribute, value);
        }
        return true;
}

/* The ways in which a network says what it leads to exclude each other. */
static bool check_forward_ways(const xmlNode *forward, GError **error) {
        static const char *const ways[] = { "interface", "pf", "address" };
        const xmlNode *found = NULL;
        for (size_t i = 0; i < G_N_ELEMENTS(ways); i++) {
                const xmlNode *child = xml_child(forward, ways[i]);
                if (child && found)
                        return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, child,
                                        "<interface>, <pf> and <address> exclude each other");
                found = child ? child : found;
        }
        xmlNode *function = xml_child(forward, "pf");
        if (function && xml_next(function, "pf"))
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, xml_next(function, "pf"), "there are two of it; leave one out");
        if (found && !xml_is(found, "interface") && xmlHasProp((xmlNode *) forward, (const xmlChar *) "dev"))
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, forward, "the attribute 'dev' and <%s> exclude each other",
                                (const char *) found->name);
        return true;
}

static bool check_nat(const xmlNode *nat, GError **error) {
        const xmlNode *addresses = xml_child(nat, "address"), *ports = xml_child(nat, "port");
        Address start = document_read_address(addresses, "start"), end = document_read_address(addresses, "end");
        uint64_t first = 0, last = 0;
        g_autofree char *first_port = xml_attribute_at(ports, "", "start"), *last_port = xml_attribute_at(ports, "", "end");
        if (addresses && end.family && address_compare(&start, &end) > 0)
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, addresses, "its end is before its start");
        if (ports && value_number(first_port, &first) && value_number(last_port, &last) && first > last)
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, ports, "its end is before its start");
        return true;
}

static bool check_forward(const xmlNode *root, const char *mode, GError **error) {
        const xmlNode *forward = xml_child(root, "forward"), *first = xml_child(forward, "interface");
        g_autofree char *device = xml_attribute(forward, "dev"), *its = xml_attribute(first, "dev"),
                        *bridge = xml_attribute(xml_child(root, "bridge"), "name");
        if (!forward)
                return true;
        if (device && its && strcmp(device, its) != 0)
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, forward,
                                "dev is '%s', and the first <interface> is '%s'; leave one out", device, its);
        if (is_one_of(mode, "nat route") && first && xml_next(first, "interface"))
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, xml_next(first, "interface"),
                                "a network of mode '%s' leads to one interface; leave the others out", mode);
        if (is_one_of(mode, "nat route") && !xml_child(root, "ip"))
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, forward,
                                "a network of mode '%s' needs an address: give it an <ip>", mode);
        if (strcmp(mode, "bridge") == 0 && bridge && (device || xml_child(forward, "interface") || xml_child(forward, "pf")))
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, forward, "a bridge's name and an interface exclude each other");
        if (strcmp(mode, "bridge") == 0 && !bridge && xml_child(root, "bandwidth"))
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, xml_child(root, "bandwidth"),
                                "it is not of a network of mode 'bridge' without a bridge's name: leave it out, or name one in "
                                "<bridge>");
        return check_forward_ways(forward, error) && check_twice(forward, "interface", "dev", error) &&
               check_nat(xml_child(forward, "nat"), error);
}

/* Addresses */

Address document_read_address(const xmlNode *element, const char *name) {
        Address address = { 0 };
        g_autofree char *text = xml_attribute(element, name);
        if (text)
                address_parse(text, AF_UNSPEC, &address);
        return address;
}

/* Of an <ip> or a <route>, by what it says besides its address. */
static bool read_prefix(const xmlNode *element, Subnet *subnet, GError **error) {
        Address mask = document_read_address(element, "netmask");
        g_autofree char *prefix = xml_attribute(element, "prefix");
        uint64_t number = 0;
        int found = -1;
        if (mask.family && subnet->address.family == AF_INET6)
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element, "an IPv6 address has no netmask; use 'prefix'");
        if (mask.family && prefix)
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element, "'netmask' and 'prefix' exclude each other");
        if (prefix && value_number(prefix, &number))
                found = number <= address_bits(&subnet->address) ? (int) number : -1;
        else
                found = mask.family ? address_mask_prefix(&mask) : address_default_prefix(&subnet->address);
        subnet->prefix = found < 0 ? 0 : (unsigned) found;
        return found >= 0 || xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element, "its prefix must be a number up to %u",
                                      address_bits(&subnet->address));
}

bool document_read_subnet(const xmlNode *element, Subnet *subnet, GError **error) {
        bool is_6 = xml_attribute_is(element, "family", "ipv6");
        *subnet = (Subnet){ .address = document_read_address(element, "address") };
        if ((subnet->address.family == AF_INET6) != is_6)
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element, "its address is not of family '%s'%s",
                                is_6 ? "ipv6" : "ipv4", is_6 ? "" : "; say family='ipv6' for one of IPv6");
        return read_prefix(element, subnet, error);
}

static bool check_lease(const xmlNode *element, GError **error) {
        static const struct {
                const char *unit;
                unsigned seconds;
        } units[] = { { "seconds", 1 }, { "minutes", 60 }, { "hours", 3600 } };
        const xmlNode *lease = xml_child(element, "lease");
        g_autofree char *expiry = xml_attribute_at(lease, "", "expiry"), *unit = xml_attribute_at(lease, "", "unit");
        uint64_t number = 0, factor = 60;
        if (!lease || !value_number(expiry, &number) || number == 0) /* 0: for ever */
                return true;
        for (size_t i = 0; i < G_N_ELEMENTS(units); i++)
                if (strcmp(units[i].unit, unit) == 0)
                        factor = units[i].seconds;
        return (number * factor >= LEASE_MIN && number * factor <= UINT32_MAX) ||
               xml_fail(error, VIRTBUS_ERROR_INVALID_XML, lease,
                        "a lease is of %d to %u seconds, or with an expiry of 0 for ever", LEASE_MIN, UINT32_MAX);
}

/* The bridge's own address, that of the block and that of all its hosts are not for guests. */
static bool check_guest_address(const xmlNode *element, const Subnet *subnet, const Address *address, const char *what,
                                GError **error) {
        Address first = subnet_first(subnet), last = subnet_last(subnet);
        g_autofree char *text = address->family ? address_text(address) : NULL, *block = address_text(&first);
        bool is_4 = subnet->address.family == AF_INET && subnet->prefix < 31;
        const char *fault = !subnet_has(subnet, address) ? "is not of" : NULL;
        if (!fault && is_4 && address_compare(address, &first) == 0)
                fault = "is the network's own of";
        else if (!fault && is_4 && address_compare(address, &last) == 0)
                fault = "is the one for all hosts of";
        return !fault ||
               xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element, "%s %s %s %s/%u", what, text, fault, block, subnet->prefix);
}

typedef struct Range {
        Address start, end;
} Range;

static bool check_range(const xmlNode *element, const Subnet *subnet, GArray *ranges, GError **error) {
        Range range = { document_read_address(element, "start"), document_read_address(element, "end") };
        if (!check_guest_address(element, subnet, &range.start, "the start", error) ||
            !check_guest_address(element, subnet, &range.end, "the end", error) || !check_lease(element, error))
                return false;
        if (address_compare(&range.start, &range.end) > 0)
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element, "its end is before its start");
        if (address_count(&range.start, &range.end) > RANGE_MAX)
                return xml_fail(error, VIRTBUS_ERROR_LIMIT_EXCEEDED, element, "a range may have %d addresses", RANGE_MAX);
        for (guint i = 0; i < ranges->len; i++) {
                const Range *other = &g_array_index(ranges, Range, i);
                if (address_compare(&range.start, &other->end) <= 0 && address_compare(&other->start, &range.end) <= 0)
                        return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element, "it overlaps another range");
        }
        g_array_append_val(ranges, range);
        return true;
}

static bool check_host(const xmlNode *element, const Subnet *subnet, GHashTable *seen, GError **error) {
        bool is_6 = subnet->address.family == AF_INET6;
        Address address = document_read_address(element, "ip");
        g_autofree char *mac = xml_attribute(element, "mac"), *id = xml_attribute(element, "id"),
                        *name = xml_attribute(element, "name");
        if (is_6 ? !id && !name : !mac && !name)
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element, "it needs %s or a name, by which the guest is known",
                                is_6 ? "an id" : "a mac");
        if (is_6 ? mac != NULL : id != NULL)
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element, "'%s' is not of a host with an %s address",
                                is_6 ? "mac" : "id", is_6 ? "IPv6" : "IPv4");
        if (!check_guest_address(element, subnet, &address, "its ip", error) || !check_lease(element, error))
                return false;
        if (address_compare(&address, &subnet->address) == 0)
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element, "its ip is the one of the bridge");
        return g_hash_table_add(seen, address_text(&address)) ||
               xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element, "another host has its ip");
}

static bool check_dhcp(const xmlNode *dhcp, const Subnet *subnet, GError **error) {
        g_autoptr(GArray) ranges = g_array_new(FALSE, FALSE, sizeof(Range));
        g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        for (xmlNode *range = xml_child(dhcp, "range"); range; range = xml_next(range, "range"))
                if (!check_range(range, subnet, ranges, error))
                        return false;
        for (xmlNode *host = xml_child(dhcp, "host"); host; host = xml_next(host, "host"))
                if (!check_host(host, subnet, seen, error))
                        return false;
        const xmlNode *boot = xml_child(dhcp, "bootp");
        return !boot || subnet->address.family == AF_INET ||
               xml_fail(error, VIRTBUS_ERROR_INVALID_XML, boot, "it is of IPv4 addresses only");
}

/* Names of addresses are delegated by whole parts of them. */
static bool check_local_pointers(const xmlNode *ip, const Subnet *subnet, GError **error) {
        unsigned part = subnet->address.family == AF_INET ? 8 : 4;
        return !xml_attribute_is(ip, "localPtr", "yes") || (subnet->prefix > 0 && subnet->prefix % part == 0) ||
               xml_fail(error, VIRTBUS_ERROR_INVALID_XML, ip, "localPtr needs a prefix that is a multiple of %u, not %u", part,
                        subnet->prefix);
}

/* Whether the bridge can have the address of a block. */
static bool check_own_address(const xmlNode *ip, const Subnet *subnet, GError **error) {
        static const char *const loopbacks[] = { "127.0.0.1", "::1" };
        bool fits = !address_is_multicast(&subnet->address) && subnet->prefix > 0;
        for (size_t i = 0; i < G_N_ELEMENTS(loopbacks); i++) {
                Subnet loopback = { .prefix = i == 0 ? 8 : 128 };
                address_parse(loopbacks[i], AF_UNSPEC, &loopback.address);
                fits = fits && !subnets_overlap(subnet, &loopback);
        }
        if (!fits)
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, ip, "its address is not one that a host can have in a network");
        return check_guest_address(ip, subnet, &subnet->address, "its address", error);
}

static bool check_ip(const xmlNode *root, const xmlNode *ip, GError **error) {
        Subnet subnet, other;
        const xmlNode *dhcp = xml_child(ip, "dhcp");
        if (!document_read_subnet(ip, &subnet, error) || !check_own_address(ip, &subnet, error))
                return false;
        if (xml_child(ip, "tftp") && subnet.address.family != AF_INET)
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, xml_child(ip, "tftp"), "it is of IPv4 addresses only");
        for (xmlNode *before = xml_child(root, "ip"); before; before = xml_next(before, "ip")) {
                if (before == ip)
                        break;
                if (!document_read_subnet(before, &other, NULL))
                        continue;
                if (address_compare(&subnet.address, &other.address) == 0)
                        return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, ip, "its address is given twice; leave one out");
                if (subnet.prefix != other.prefix && subnets_overlap(&subnet, &other))
                        return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, ip,
                                        "its block of addresses overlaps the one of another <ip>; give them different ones, or "
                                        "the "
                                        "same prefix");
                if (dhcp && xml_child(before, "dhcp") && subnet.address.family == other.address.family)
                        return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, dhcp, "one block of each family may have <dhcp>");
        }
        return check_local_pointers(ip, &subnet, error) && (!dhcp || check_dhcp(dhcp, &subnet, error));
}

static bool reaches(const xmlNode *root, const Address *gateway) {
        Subnet subnet;
        for (xmlNode *ip = xml_child(root, "ip"); ip; ip = xml_next(ip, "ip"))
                if (document_read_subnet(ip, &subnet, NULL) && subnet_has(&subnet, gateway) &&
                    address_compare(&subnet.address, gateway) != 0)
                        return true;
        return false;
}

static bool check_route(const xmlNode *root, const xmlNode *route, GError **error) {
        Subnet subnet;
        Address gateway = document_read_address(route, "gateway");
        if (!document_read_subnet(route, &subnet, error))
                return false;
        Address first = subnet_first(&subnet);
        if (address_compare(&first, &subnet.address) != 0)
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, route, "its address has bits behind the prefix %u",
                                subnet.prefix);
        if (gateway.family != subnet.address.family)
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, route, "its gateway is of another family");
        return reaches(root, &gateway) || xml_fail(error, VIRTBUS_ERROR_INVALID_XML, route,
                                                   "its gateway is not an address of a guest in a block of the network");
}

/* Names */

/* What says how a service's target is chosen means nothing without one. */
static bool check_service(const xmlNode *record, GError **error) {
        static const char *const of_target[] = { "port", "priority", "weight" };
        for (size_t i = 0; i < G_N_ELEMENTS(of_target); i++)
                if (xmlHasProp((xmlNode *) record, (const xmlChar *) of_target[i]) &&
                    !xmlHasProp((xmlNode *) record, (const xmlChar *) "target"))
                        return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, record,
                                        "the attribute '%s' means nothing without target: add it, or leave this out",
                                        of_target[i]);
        return true;
}

static bool check_dns(const xmlNode *dns, GError **error) {
        if (xml_attribute_is(dns, "enable", "no") && xml_child(dns, NULL))
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, xml_child(dns, NULL),
                                "nobody answers names where <dns> has enable='no'; leave one of the two out");
        for (xmlNode *forwarder = xml_child(dns, "forwarder"); forwarder; forwarder = xml_next(forwarder, "forwarder"))
                if (!forwarder->properties)
                        return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, forwarder, "it needs an addr or a domain");
        for (xmlNode *record = xml_child(dns, "srv"); record; record = xml_next(record, "srv"))
                if (!check_service(record, error))
                        return false;
        return check_twice(dns, "host", "ip", error);
}

/* Ports of guests */

static bool check_vlan(const xmlNode *element, GError **error) {
        const xmlNode *vlan = xml_child(element, "vlan"), *tag = xml_child(vlan, "tag"), *native = NULL;
        bool is_trunk = !xml_attribute_is(vlan, "trunk", "no");
        for (xmlNode *one = xml_child(vlan, "tag"); one; one = xml_next(one, "tag")) {
                bool is_native = xmlHasProp(one, (const xmlChar *) "nativeMode");
                if (is_native && native)
                        return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, one, "another tag is the native one");
                native = is_native ? one : native;
        }
        return !vlan || is_trunk || (!native && !xml_next(tag, "tag")) ||
               xml_fail(error, VIRTBUS_ERROR_INVALID_XML, vlan,
                        "trunk must be 'yes' where there are several tags, or a native one");
}

/* Which parameters a port of a type has; of one without a type any. */
static bool check_virtual_port(const xmlNode *element, GError **error) {
        static const struct {
                const char *type, *parameters;
        } types[] = {
                { "802.1Qbg", "managerid typeid typeidversion instanceid" },
                { "802.1Qbh", "profileid" },
                { "openvswitch", "interfaceid profileid" },
                { "midonet", "interfaceid" },
        };
        const xmlNode *port = xml_child(element, "virtualport"), *parameters = xml_child(port, "parameters");
        for (size_t i = 0; i < G_N_ELEMENTS(types); i++)
                for (const xmlAttr *one = parameters ? parameters->properties : NULL; one; one = one->next)
                        if (xml_attribute_is(port, "type", types[i].type) &&
                            !is_one_of((const char *) one->name, types[i].parameters))
                                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, parameters, "a port of type '%s' has only: %s",
                                                types[i].type, types[i].parameters);
        return true;
}

static bool check_port_groups(const xmlNode *root, GError **error) {
        const xmlNode *standard = NULL;
        for (xmlNode *group = xml_child(root, "portgroup"); group; group = xml_next(group, "portgroup")) {
                bool is_standard = xml_attribute_is(group, "default", "yes");
                if (is_standard && standard)
                        return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, group, "another group is the default one");
                standard = is_standard ? group : standard;
                if (!check_vlan(group, error) || !check_virtual_port(group, error))
                        return false;
        }
        return check_twice(root, "portgroup", "name", error);
}

bool document_check(const xmlNode *root, GError **error) {
        const char *mode = document_mode(root);
        g_autofree char *mac = xml_attribute_at(root, "mac", "address");
        if (!check_mode(root, mode, error) || !check_vlans(root, mode, error) || !check_forward(root, mode, error))
                return false;
        if (mac && *mac && !value_unicast_mac.check(&value_unicast_mac, mac))
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, xml_child(root, "mac"), "address is '%s'; it must be %s", mac,
                                value_unicast_mac.what);
        for (xmlNode *ip = xml_child(root, "ip"); ip; ip = xml_next(ip, "ip"))
                if (!check_ip(root, ip, error))
                        return false;
        for (xmlNode *route = xml_child(root, "route"); route; route = xml_next(route, "route"))
                if (!check_route(root, route, error))
                        return false;
        const xmlNode *port = xml_child(root, "virtualport");
        if (port && !xmlHasProp((xmlNode *) port, (const xmlChar *) "type"))
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, port,
                                "the attribute 'type' is missing, such as type='openvswitch'");
        return check_dns(xml_child(root, "dns"), error) && check_vlan(root, error) && check_virtual_port(root, error) &&
               check_port_groups(root, error);
}
