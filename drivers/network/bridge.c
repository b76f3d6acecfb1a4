/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "network/bridge.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/route/addr.h>
#include <netlink/route/link.h>
#include <netlink/route/nexthop.h>
#include <netlink/route/route.h>
#include <string.h>

#include "bus.h"
#include "errors.h"
#include "log.h"
#include "network/document-check.h"
#include "network/value.h"

typedef struct nl_sock NetlinkSocket;
typedef struct nl_msg NetlinkMessage;
typedef struct nl_cache NetlinkCache;
typedef struct nl_addr NetlinkAddress;
typedef struct rtnl_link Link;
typedef struct rtnl_addr LinkAddress;
typedef struct rtnl_route Route;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(NetlinkSocket, nl_socket_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(NetlinkMessage, nlmsg_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(NetlinkCache, nl_cache_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(NetlinkAddress, nl_addr_put)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Link, rtnl_link_put)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LinkAddress, rtnl_addr_put)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Route, rtnl_route_put)

/* The kernel counts a bridge's times in hundredths of a second. */
#define TICKS_PER_SECOND 100

/* How the addresses of virtual cards begin. */
#define CARD_PREFIX "52:54:00"

/* What is being made. */
typedef struct Making {
        const NetworkDefinition *definition;
        const xmlNode *root;
        NetlinkSocket *socket;
        int index; /* of the bridge */
} Making;

static bool fail(const Making *making, GError **error, const char *what, int r) {
        return virtbus_error_set(error, VIRTBUS_ERROR_HYPERVISOR_FAILED, "bridge '%s': %s: %s", making->definition->bridge, what,
                                 nl_geterror(r));
}

static NetlinkSocket *connect_kernel(GError **error) {
        g_autoptr(NetlinkSocket) socket = nl_socket_alloc();
        int r = socket ? nl_connect(socket, NETLINK_ROUTE) : -NLE_NOMEM;
        if (r >= 0)
                return g_steal_pointer(&socket);
        virtbus_error_set(error, VIRTBUS_ERROR_HYPERVISOR_FAILED, "netlink cannot be used: %s", nl_geterror(r));
        return NULL;
}

bool bridge_is_needed(const NetworkDefinition *definition) {
        return document_mode_has_bridge(definition->mode);
}

/* The bridge itself */

char *bridge_card(const NetworkDefinition *definition) {
        char *given = xml_attribute_at(xmlDocGetRootElement(definition->document), "mac", "address");
        g_autofree char *digest = g_compute_checksum_for_string(G_CHECKSUM_SHA256, definition->uuid, -1);
        if (given && *given)
                return given;
        g_free(given);
        return g_strdup_printf(CARD_PREFIX ":%.2s:%.2s:%.2s", digest, digest + 2, digest + 4);
}

static NetlinkAddress *card_of(const NetworkDefinition *definition) {
        g_autofree char *text = bridge_card(definition);
        NetlinkAddress *address = NULL;
        return nl_addr_parse(text, AF_LLC, &address) < 0 ? NULL : address;
}

static bool is_bridge(Link *link) {
        const char *type = rtnl_link_get_type(link);
        return type && strcmp(type, "bridge") == 0;
}

/* The interface of the bridge's name; NULL where there is none. */
static Link *find_link(NetlinkSocket *socket, const char *name) {
        Link *link = NULL;
        return rtnl_link_get_kernel(socket, 0, name, &link) < 0 ? NULL : link;
}

static bool is_ours(Link *link, const NetworkDefinition *definition) {
        g_autoptr(NetlinkAddress) card = card_of(definition);
        NetlinkAddress *its = rtnl_link_get_addr(link);
        return is_bridge(link) && its && card && nl_addr_cmp(its, card) == 0;
}

/* What only root can write on it. */
static char *mark_of(const NetworkDefinition *definition) {
        return g_strdup_printf("virtbus network %s", definition->uuid);
}

static bool is_marked(Link *link, const NetworkDefinition *definition) {
        g_autofree char *mark = mark_of(definition);
        return is_ours(link, definition) && g_strcmp0(rtnl_link_get_ifalias(link), mark) == 0;
}

/* The kernel reads the delay before it switches STP on: one that STP does not allow becomes the least that it does, as libvirt's
 * does. All of that in one message: there is never a bridge that is not known to be ours. */
static NetlinkMessage *bridge_message(const NetworkDefinition *definition) {
        const xmlNode *bridge = xml_child(xmlDocGetRootElement(definition->document), "bridge");
        g_autoptr(NetlinkAddress) card = card_of(definition);
        g_autoptr(NetlinkMessage) message = nlmsg_alloc_simple(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
        struct ifinfomsg header = { .ifi_family = AF_UNSPEC };
        g_autofree char *delay = xml_attribute(bridge, "delay");
        uint64_t seconds = 0;
        if (delay)
                value_number(delay, &seconds);
        if (!message || !card || nlmsg_append(message, &header, sizeof header, NLMSG_ALIGNTO) < 0)
                return NULL;
        bool fine = nla_put_string(message, IFLA_IFNAME, definition->bridge) >= 0 &&
                    nla_put_addr(message, IFLA_ADDRESS, card) >= 0 &&
                    (definition->mtu == 0 || nla_put_u32(message, IFLA_MTU, definition->mtu) >= 0);
        struct nlattr *information = fine ? nla_nest_start(message, IFLA_LINKINFO) : NULL;
        if (!information || nla_put_string(message, IFLA_INFO_KIND, "bridge") < 0)
                return NULL;
        struct nlattr *data = nla_nest_start(message, IFLA_INFO_DATA);
        if (!data || nla_put_u32(message, IFLA_BR_FORWARD_DELAY, (uint32_t) seconds * TICKS_PER_SECOND) < 0 ||
            nla_put_u32(message, IFLA_BR_STP_STATE, xml_attribute_is(bridge, "stp", "on")) < 0)
                return NULL;
        nla_nest_end(message, data);
        nla_nest_end(message, information);
        return g_steal_pointer(&message);
}

static bool fail_as_anothers(const NetworkDefinition *definition, GError **error) {
        return virtbus_error_set(error, VIRTBUS_ERROR_ALREADY_EXISTS,
                                 "interface '%s' of this host is not the one of network '%s': remove it (ip link delete %s), or "
                                 "give the network another bridge",
                                 definition->bridge, definition->name, definition->bridge);
}

bool bridge_check_free(const NetworkDefinition *definition, GError **error) {
        g_autoptr(NetlinkSocket) socket = connect_kernel(error);
        g_autoptr(Link) there = socket ? find_link(socket, definition->bridge) : NULL;
        return socket && (!there || is_marked(there, definition) || fail_as_anothers(definition, error));
}

bool bridge_is_anothers(const char *bridge, const char *uuid) {
        const NetworkDefinition named = { .uuid = (char *) uuid };
        g_autoptr(NetlinkSocket) socket = connect_kernel(NULL);
        g_autoptr(Link) there = socket ? find_link(socket, bridge) : NULL;
        g_autofree char *mark = mark_of(&named);
        return there && g_strcmp0(rtnl_link_get_ifalias(there), mark) != 0;
}

static bool make_link(Making *making, GError **error) {
        const NetworkDefinition *definition = making->definition;
        g_autoptr(Link) there = find_link(making->socket, definition->bridge);
        if (there && !is_ours(there, definition))
                return fail_as_anothers(definition, error);
        g_autoptr(NetlinkMessage) message = there ? NULL : bridge_message(definition);
        int r = there ? 0 : message ? nl_send_auto(making->socket, message) : -NLE_NOMEM;
        if (r >= 0 && !there)
                r = nl_wait_for_ack(making->socket);
        making->index = (int) if_nametoindex(definition->bridge);
        return r >= 0 || fail(making, error, "it cannot be made", r);
}

static bool set_up(const Making *making, GError **error) {
        g_autoptr(Link) link = rtnl_link_alloc(), change = rtnl_link_alloc();
        rtnl_link_set_ifindex(link, making->index);
        g_autofree char *mark = mark_of(making->definition);
        rtnl_link_set_flags(change, IFF_UP);
        rtnl_link_set_ifalias(change, mark);
        int r = rtnl_link_change(making->socket, link, change, 0);
        return r >= 0 || fail(making, error, "it cannot be set up", r);
}

/* What the kernel is told in files */

/* False with errno. */
static bool write_setting(const char *path, const char *value) {
        g_autofd int fd = open(path, O_WRONLY | O_CLOEXEC);
        return fd >= 0 && write(fd, value, strlen(value)) == (ssize_t) strlen(value);
}

static bool setting_is(const char *path, const char *value) {
        char text[16] = "";
        g_autofd int fd = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t n = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;
        return n > 0 && strcmp(g_strchomp(text), value) == 0;
}

static bool has_family(const NetworkDefinition *definition, int family) {
        bool has = false;
        for (size_t i = 0; i < definition->n_subnets; i++)
                has = has || definition->subnets[i].address.family == family;
        return has;
}

/* The bridge takes no addresses from what guests advertise; without IPv6 in the document it has none. */
static bool set_ipv6(const Making *making, GError **error) {
        bool is_used = has_family(making->definition, AF_INET6);
        const struct {
                const char *name, *value;
        } settings[] = {
                { "disable_ipv6", is_used || xml_attribute_is(making->root, "ipv6", "yes") ? "0" : "1" },
                { "accept_ra", "0" },
                { "autoconf", "0" },
        };
        for (size_t i = 0; i < G_N_ELEMENTS(settings); i++) {
                g_autofree char *path =
                                g_strdup_printf("/proc/sys/net/ipv6/conf/%s/%s", making->definition->bridge, settings[i].name);
                /* A kernel without IPv6 has no such files. */
                if (!write_setting(path, settings[i].value) && (errno != ENOENT || is_used))
                        return virtbus_error_set_errno(error, errno, "bridge '%s': cannot write %s", making->definition->bridge,
                                                       path);
        }
        return true;
}

/* An interface whose routes come from router advertisements loses them when this host forwards, unless it is told otherwise. */
static bool check_advertised(const Making *making, GError **error) {
        g_autoptr(NetlinkCache) routes = NULL;
        if (rtnl_route_alloc_cache(making->socket, AF_INET6, 0, &routes) < 0)
                return true;
        for (struct nl_object *object = nl_cache_get_first(routes); object; object = nl_cache_get_next(object)) {
                Route *route = (Route *) object;
                struct rtnl_nexthop *hop = rtnl_route_nexthop_n(route, 0);
                char name[IF_NAMESIZE];
                if (rtnl_route_get_protocol(route) != RTPROT_RA || !hop ||
                    !if_indextoname((unsigned) rtnl_route_nh_get_ifindex(hop), name))
                        continue;
                g_autofree char *path = g_strdup_printf("/proc/sys/net/ipv6/conf/%s/accept_ra", name);
                if (setting_is(path, "1"))
                        return virtbus_error_set(
                                        error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                        "network '%s' needs IPv6 forwarding, with which interface '%s' would lose the routes "
                                        "that it has from router advertisements: set net.ipv6.conf.%s.accept_ra to 2",
                                        making->definition->name, name, name);
        }
        return true;
}

static bool forward_family(const Making *making, int family, const char *path, GError **error) {
        if (!has_family(making->definition, family) || setting_is(path, "1"))
                return true;
        if (family == AF_INET6 && !check_advertised(making, error))
                return false;
        return write_setting(path, "1") || virtbus_error_set_errno(error, errno, "network '%s' needs forwarding: cannot write %s",
                                                                   making->definition->name, path);
}

static bool set_forwarding(const Making *making, GError **error) {
        return strcmp(making->definition->mode, "isolated") == 0 ||
               (forward_family(making, AF_INET, "/proc/sys/net/ipv4/ip_forward", error) &&
                forward_family(making, AF_INET6, "/proc/sys/net/ipv6/conf/all/forwarding", error));
}

/* Addresses */

static Address address_from(const NetlinkAddress *from) {
        Address address = { .family = nl_addr_get_family(from) };
        memcpy(address.bytes, nl_addr_get_binary_addr(from), MIN(nl_addr_get_len(from), sizeof address.bytes));
        return address;
}

static NetlinkAddress *address_to(const Address *address, unsigned prefix) {
        NetlinkAddress *to = nl_addr_build(address->family, address->bytes, address_bits(address) / 8);
        if (to)
                nl_addr_set_prefixlen(to, (int) prefix);
        return to;
}

/* The interface of the host that is in a block already; false where there is none. */
static bool find_user(const Making *making, NetlinkCache *addresses, const Subnet *block, char name[IF_NAMESIZE]) {
        for (struct nl_object *object = nl_cache_get_first(addresses); object; object = nl_cache_get_next(object)) {
                LinkAddress *its = (LinkAddress *) object;
                NetlinkAddress *local = rtnl_addr_get_local(its);
                if (!local || rtnl_addr_get_ifindex(its) == making->index || rtnl_addr_get_family(its) != block->address.family)
                        continue;
                Subnet subnet = { address_from(local), (unsigned) rtnl_addr_get_prefixlen(its) };
                if (subnets_overlap(&subnet, block) && if_indextoname((unsigned) rtnl_addr_get_ifindex(its), name))
                        return true;
        }
        return false;
}

static bool check_addresses(const Making *making, GError **error) {
        const NetworkDefinition *definition = making->definition;
        g_autoptr(NetlinkCache) addresses = NULL;
        char name[IF_NAMESIZE];
        int r = rtnl_addr_alloc_cache(making->socket, &addresses);
        if (r < 0)
                return fail(making, error, "the host's addresses cannot be read", r);
        for (size_t i = 0; i < definition->n_subnets; i++)
                if (find_user(making, addresses, &definition->subnets[i], name)) {
                        g_autofree char *text = address_text(&definition->subnets[i].address);
                        return virtbus_error_set(
                                        error, VIRTBUS_ERROR_ALREADY_EXISTS,
                                        "network '%s' cannot have %s/%u: interface '%s' of this host is in that block; give the "
                                        "network another one",
                                        definition->name, text, definition->subnets[i].prefix, name);
                }
        return true;
}

/* One of IPv6 is not looked for among guests before it is used: a bridge without guests would never end that. */
static int add_address(const Making *making, const Subnet *subnet) {
        g_autoptr(LinkAddress) address = rtnl_addr_alloc();
        g_autoptr(NetlinkAddress) local = address_to(&subnet->address, subnet->prefix);
        Address last = subnet_last(subnet);
        bool is_4 = subnet->address.family == AF_INET;
        g_autoptr(NetlinkAddress) broadcast = is_4 && subnet->prefix < 31 ? address_to(&last, 32) : NULL;
        rtnl_addr_set_ifindex(address, making->index);
        rtnl_addr_set_local(address, local);
        if (broadcast)
                rtnl_addr_set_broadcast(address, broadcast);
        if (!is_4)
                rtnl_addr_set_flags(address, IFA_F_NODAD);
        int r = rtnl_addr_add(making->socket, address, 0);
        return r == -NLE_EXIST ? 0 : r;
}

static bool add_addresses(const Making *making, GError **error) {
        const NetworkDefinition *definition = making->definition;
        for (size_t i = 0; i < definition->n_subnets; i++) {
                int r = add_address(making, &definition->subnets[i]);
                g_autofree char *text = address_text(&definition->subnets[i].address),
                                *what = g_strdup_printf("it cannot have address %s", text);
                if (r < 0)
                        return fail(making, error, what, r);
        }
        return true;
}

/* Routes */

static int add_route(const Making *making, const Subnet *block, const Address *gateway, uint32_t metric) {
        g_autoptr(Route) route = rtnl_route_alloc();
        g_autoptr(NetlinkAddress) destination = address_to(&block->address, block->prefix),
                                  way = address_to(gateway, address_bits(gateway));
        struct rtnl_nexthop *hop = rtnl_route_nh_alloc();
        rtnl_route_nh_set_ifindex(hop, making->index);
        rtnl_route_nh_set_gateway(hop, way);
        rtnl_route_add_nexthop(route, hop);
        rtnl_route_set_family(route, (uint8_t) block->address.family);
        rtnl_route_set_dst(route, destination);
        rtnl_route_set_protocol(route, RTPROT_STATIC);
        rtnl_route_set_scope(route, RT_SCOPE_UNIVERSE);
        rtnl_route_set_priority(route, metric);
        int r = rtnl_route_add(making->socket, route, NLM_F_REPLACE);
        return r == -NLE_EXIST ? 0 : r;
}

static bool add_routes(const Making *making, GError **error) {
        for (xmlNode *element = xml_child(making->root, "route"); element; element = xml_next(element, "route")) {
                Subnet block;
                Address gateway = document_read_address(element, "gateway");
                g_autofree char *metric = xml_attribute(element, "metric");
                uint64_t number = 1; /* as libvirt's */
                if (!document_read_subnet(element, &block, error))
                        return false;
                if (metric)
                        value_number(metric, &number);
                int r = add_route(making, &block, &gateway, (uint32_t) number);
                g_autofree char *text = address_text(&block.address),
                                *what = g_strdup_printf("the route to %s/%u cannot be added", text, block.prefix);
                if (r < 0)
                        return fail(making, error, what, r);
        }
        return true;
}

/* All of it */

bool bridge_make(const NetworkDefinition *definition, GError **error) {
        g_autoptr(NetlinkSocket) socket = connect_kernel(error);
        Making making = { .definition = definition,
                          .root = xmlDocGetRootElement(definition->document),
                          .socket = socket,
                          .index = (int) if_nametoindex(definition->bridge) };
        return socket && check_addresses(&making, error) && make_link(&making, error) && set_ipv6(&making, error) &&
               add_addresses(&making, error) && set_up(&making, error) && add_routes(&making, error) &&
               set_forwarding(&making, error);
}

bool bridge_delete(const NetworkDefinition *definition, GError **error) {
        g_autoptr(NetlinkSocket) socket = connect_kernel(error);
        g_autoptr(Link) link = socket ? find_link(socket, definition->bridge) : NULL;
        int r = link && is_ours(link, definition) ? rtnl_link_delete(socket, link) : 0;
        const Making making = { .definition = definition };
        return socket && (r >= 0 || r == -NLE_NODEV || fail(&making, error, "it cannot be deleted", r));
}

bool bridge_check_foreign(const char *name, GError **error) {
        g_autoptr(NetlinkSocket) socket = connect_kernel(error);
        g_autoptr(Link) link = socket ? find_link(socket, name) : NULL;
        return socket &&
               ((link && is_bridge(link)) || virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                                               "there is no bridge '%s' on this host: make it first", name));
}
