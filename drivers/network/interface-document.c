/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "network/interface-document.h"

#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <string.h>
#include <unistd.h>

#include "base/xml.h"
#include "network/interface-form.h"

/* The kernel counts a bridge's delay in these: USER_HZ. */
#define TICKS_A_SECOND 100

typedef struct nl_sock NetlinkSocket;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(NetlinkSocket, nl_socket_free)

/* What the kernel says of one of a kind: attributes of IFLA_INFO_DATA by their numbers, which are 0 where it says nothing. */
#define DETAILS_MAX 64

typedef struct Details {
        uint32_t values[DETAILS_MAX];
} Details;

static int on_details(struct nl_msg *message, void *data) {
        Details *details = data;
        struct nlattr *attributes[IFLA_MAX + 1] = { NULL }, *info[IFLA_INFO_MAX + 1] = { NULL };
        int rest;
        const struct nlattr *one;
        if (nlmsg_parse(nlmsg_hdr(message), sizeof(struct ifinfomsg), attributes, IFLA_MAX, NULL) < 0 ||
            !attributes[IFLA_LINKINFO] || nla_parse_nested(info, IFLA_INFO_MAX, attributes[IFLA_LINKINFO], NULL) < 0 ||
            !info[IFLA_INFO_DATA])
                return NL_OK;
        nla_for_each_nested(one, info[IFLA_INFO_DATA], rest) {
                uint32_t value = 0;
                if (nla_type(one) >= DETAILS_MAX || nla_len(one) > (int) sizeof value)
                        continue;
                memcpy(&value, nla_data(one), (size_t) nla_len(one)); /* a byte or two are the lowest, on this machine */
                details->values[nla_type(one)] = nla_len(one) == 1   ? nla_get_u8(one)
                                                 : nla_len(one) == 2 ? nla_get_u16(one)
                                                                     : value;
        }
        return NL_OK;
}

static Details read_details(const Interface *interface) {
        Details details = { 0 };
        struct ifinfomsg header = { .ifi_index = rtnl_link_get_ifindex(interface->link) };
        g_autoptr(NetlinkSocket) socket = nl_socket_alloc();
        if (nl_connect(socket, NETLINK_ROUTE) >= 0 &&
            nl_socket_modify_cb(socket, NL_CB_VALID, NL_CB_CUSTOM, on_details, &details) >= 0 &&
            nl_send_simple(socket, RTM_GETLINK, 0, &header, sizeof header) >= 0)
                (void) nl_recvmsgs_default(socket); /* it may have gone */
        return details;
}

/* What it is made of, or on */

static void add_part(xmlNode *parent, const Interface *interface);

static void add_members(xmlNode *parent, const Interface *interface) {
        g_autoptr(GPtrArray) members = interface_members(interface);
        for (guint i = 0; i < members->len && i < INTERFACE_MEMBERS_MAX; i++)
                add_part(parent, members->pdata[i]);
}

static void add_bridge(xmlNode *element, const Interface *interface, const Details *details) {
        char delay[G_ASCII_DTOSTR_BUF_SIZE];
        xmlNode *bridge = xml_add(element, "bridge", NULL);
        xml_set_attribute(bridge, "stp", details->values[IFLA_BR_STP_STATE] ? "on" : "off");
        g_ascii_formatd(delay, sizeof delay, "%g", (double) details->values[IFLA_BR_FORWARD_DELAY] / TICKS_A_SECOND);
        xml_set_attribute(bridge, "delay", delay);
        add_members(bridge, interface);
}

static void add_bond(xmlNode *element, const Interface *interface, const Details *details) {
        static const char *const modes[] = { "balance-rr", "active-backup", "balance-xor", "broadcast",
                                             "802.3ad",    "balance-tlb",   "balance-alb" };
        uint32_t mode = details->values[IFLA_BOND_MODE];
        xmlNode *bond = xml_add(element, "bond", NULL);
        if (mode < G_N_ELEMENTS(modes))
                xml_set_attribute(bond, "mode", modes[mode]);
        if (details->values[IFLA_BOND_MIIMON] > 0) {
                xmlNode *monitor = xml_add(bond, "miimon", NULL);
                xml_set_number(monitor, "freq", details->values[IFLA_BOND_MIIMON]);
                xml_set_number(monitor, "downdelay", details->values[IFLA_BOND_DOWNDELAY]);
                xml_set_number(monitor, "updelay", details->values[IFLA_BOND_UPDELAY]);
                xml_set_attribute(monitor, "carrier", details->values[IFLA_BOND_USE_CARRIER] ? "netif" : "ioctl");
        }
        add_members(bond, interface);
}

static void add_vlan(xmlNode *element, const Interface *interface, const Details *details) {
        xmlNode *vlan = xml_add(element, "vlan", NULL);
        xml_set_number(vlan, "tag", details->values[IFLA_VLAN_ID]);
        xml_set_attribute(xml_add(vlan, "interface", NULL), "name", *interface->lower ? interface->lower : "unknown");
}

static const struct {
        const char *type;
        void (*add)(xmlNode *element, const Interface *interface, const Details *details);
} kinds[] = { { "bridge", add_bridge }, { "bond", add_bond }, { "vlan", add_vlan } };

static void add_kind(xmlNode *element, const Interface *interface) {
        for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++)
                if (strcmp(interface_type(interface), kinds[i].type) == 0) {
                        Details details = read_details(interface);
                        kinds[i].add(element, interface, &details);
                }
}

/* Itself */

static void add_identity(xmlNode *element, const Interface *interface) {
        xml_set_attribute(element, "type", interface_type(interface));
        xml_set_attribute(element, "name", interface_name(interface));
}

/* Cards of other kinds have longer addresses, which no document has. */
static void add_mac(xmlNode *element, const Interface *interface) {
        const char *mac = interface->mac;
        if (strlen(mac) == strlen("00:00:00:00:00:00") && strcmp(interface_type(interface), "ethernet") == 0)
                xml_set_attribute(xml_add(element, "mac", NULL), "address", mac);
}

static void add_link(xmlNode *element, const Interface *interface) {
        if (strcmp(interface_type(interface), "bridge") != 0)
                xml_set_attribute(xml_add(element, "link", NULL), "state", interface_state(interface));
}

static void add_addresses(xmlNode *element, const Interface *interface) {
        g_autoptr(GArray) addresses = interface_addresses(interface);
        xmlNode *protocols[2] = { NULL };
        for (guint i = 0; i < addresses->len; i++) {
                const Subnet *subnet = &g_array_index(addresses, Subnet, i);
                bool is_6 = subnet->address.family == AF_INET6;
                g_autofree char *text = address_text(&subnet->address);
                if (!protocols[is_6]) {
                        protocols[is_6] = xml_add(element, "protocol", NULL);
                        xml_set_attribute(protocols[is_6], "family", is_6 ? "ipv6" : "ipv4");
                }
                xmlNode *ip = xml_add(protocols[is_6], "ip", NULL);
                xml_set_attribute(ip, "address", text);
                xml_set_number(ip, "prefix", subnet->prefix);
        }
}

/* A bridge is not a part of anything. */
static void add_part(xmlNode *parent, const Interface *interface) {
        if (strcmp(interface_type(interface), "bridge") == 0)
                return;
        xmlNode *element = xml_add(parent, "interface", NULL);
        add_identity(element, interface);
        add_link(element, interface);
        add_mac(element, interface);
        add_kind(element, interface);
}

char *interface_document(const Interface *interface) {
        g_autoptr(xmlDoc) document = xmlNewDoc((const xmlChar *) "1.0");
        xmlNode *root = xmlNewDocNode(document, NULL, (const xmlChar *) "interface", NULL);
        uint32_t mtu = rtnl_link_get_mtu(interface->link);
        xmlDocSetRootElement(document, root);
        add_identity(root, interface);
        add_mac(root, interface);
        if (mtu > 0)
                xml_set_number(xml_add(root, "mtu", NULL), "size", mtu);
        add_addresses(root, interface);
        add_link(root, interface);
        add_kind(root, interface);
        return xml_document_text(document);
}
