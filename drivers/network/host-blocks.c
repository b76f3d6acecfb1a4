/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "network/host-blocks.h"

#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <string.h>

#include "errors.h"

typedef struct nl_sock NetlinkSocket;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(NetlinkSocket, nl_socket_free)

typedef struct Reading {
        HostBlockEach each;
        void *data;
} Reading;

static bool read_subnet(int family, const struct nlattr *address, unsigned prefix, Subnet *subnet) {
        *subnet = (Subnet){ { .family = family }, prefix };
        if (!address || (family != AF_INET && family != AF_INET6) ||
            (unsigned) nla_len(address) * 8 != address_bits(&subnet->address) || prefix > address_bits(&subnet->address))
                return false;
        memcpy(subnet->address.bytes, nla_data(address), (size_t) nla_len(address));
        return true;
}

static bool is_of_every_link(const Subnet *subnet) {
        bool is_link_local = subnet->address.family == AF_INET6 && subnet->address.bytes[0] == 0xfe &&
                             (subnet->address.bytes[1] & 0xc0) == 0x80;
        return is_link_local || address_is_multicast(&subnet->address);
}

static void tell(const Reading *reading, HostBlock *block, unsigned index) {
        if (index > 0)
                if_indextoname(index, block->interface);
        if (block->subnet.prefix > 0 && !is_of_every_link(&block->subnet))
                reading->each(reading->data, block);
}

static void read_route(const Reading *reading, struct nlmsghdr *header) {
        const struct rtmsg *route = nlmsg_data(header);
        const struct nlattr *index = nlmsg_find_attr(header, sizeof *route, RTA_OIF);
        HostBlock block = { 0 };
        if (route->rtm_type == RTN_UNICAST && route->rtm_table != RT_TABLE_LOCAL && !(route->rtm_flags & RTM_F_CLONED) &&
            read_subnet(route->rtm_family, nlmsg_find_attr(header, sizeof *route, RTA_DST), route->rtm_dst_len, &block.subnet))
                tell(reading, &block, index ? nla_get_u32(index) : 0);
}

/* Of a link between two, RTA_ADDRESS is the other's. */
static void read_address(const Reading *reading, struct nlmsghdr *header) {
        const struct ifaddrmsg *address = nlmsg_data(header);
        const struct nlattr *local = nlmsg_find_attr(header, sizeof *address, IFA_LOCAL);
        HostBlock block = { .is_address = true };
        if (!local)
                local = nlmsg_find_attr(header, sizeof *address, IFA_ADDRESS);
        if (address->ifa_scope != RT_SCOPE_HOST && read_subnet(address->ifa_family, local, address->ifa_prefixlen, &block.subnet))
                tell(reading, &block, address->ifa_index);
}

static int on_message(struct nl_msg *message, void *data) {
        struct nlmsghdr *header = nlmsg_hdr(message);
        if (header->nlmsg_type == RTM_NEWROUTE && nlmsg_valid_hdr(header, sizeof(struct rtmsg)))
                read_route(data, header);
        else if (header->nlmsg_type == RTM_NEWADDR && nlmsg_valid_hdr(header, sizeof(struct ifaddrmsg)))
                read_address(data, header);
        return NL_OK;
}

bool host_blocks_each(HostBlockEach each, void *data, GError **error) {
        static const int questions[] = { RTM_GETADDR, RTM_GETROUTE };
        Reading reading = { each, data };
        g_autoptr(NetlinkSocket) socket = nl_socket_alloc();
        int r = socket ? nl_connect(socket, NETLINK_ROUTE) : -NLE_NOMEM;
        if (r >= 0)
                r = nl_socket_modify_cb(socket, NL_CB_VALID, NL_CB_CUSTOM, on_message, &reading);
        for (size_t i = 0; i < G_N_ELEMENTS(questions) && r >= 0; i++) {
                struct rtmsg all = { .rtm_family = AF_UNSPEC };
                r = nl_send_simple(socket, questions[i], NLM_F_DUMP, &all, sizeof all);
                if (r >= 0)
                        r = nl_recvmsgs_default(socket);
        }
        return r >= 0 || virtbus_error_set(error, VIRTBUS_ERROR_HYPERVISOR_FAILED,
                                           "the host's addresses and routes cannot be read: %s", nl_geterror(r));
}
