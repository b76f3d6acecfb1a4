/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "link/bandwidth.h"

#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <net/ethernet.h>
#include <netlink/netlink.h>
#include <netlink/route/class.h>
#include <netlink/route/link.h>
#include <netlink/route/qdisc.h>
#include <netlink/route/qdisc/htb.h>
#include <netlink/route/tc.h>
#include <string.h>

#include "errors.h"

#define RATE_UNIT UINT64_C(1000)
#define BURST_UNIT UINT64_C(1024)

/* The burst that a rate has where none is given: what comes in 10 ms, and one of the largest packets, at least. */
#define BURST_DEFAULT_FRACTION 100
#define PACKET_MAX 65536

/* The size of the table that the kernel wants with a policer's rate, of 256 numbers that it no longer reads. */
#define RATE_TABLE_BYTES 1024

typedef struct nl_sock NetlinkSocket;
typedef struct rtnl_link Link;
typedef struct rtnl_qdisc Qdisc;
typedef struct rtnl_class Class;
typedef struct nl_msg NetlinkMessage;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(NetlinkSocket, nl_socket_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Link, rtnl_link_put)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Qdisc, rtnl_qdisc_put)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Class, rtnl_class_put)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(NetlinkMessage, nlmsg_free)

static uint64_t attribute_number(const xmlNode *element, const char *name) {
        g_autofree char *text = xml_attribute(element, name);
        return text ? g_ascii_strtoull(text, NULL, 10) : 0;
}

static BandwidthRate rate_of(const xmlNode *element) {
        return (BandwidthRate){
                .average = attribute_number(element, "average"),
                .peak = attribute_number(element, "peak"),
                .burst = attribute_number(element, "burst"),
        };
}

Bandwidth bandwidth_of(const xmlNode *element) {
        return (Bandwidth){
                .inbound = rate_of(xml_child(element, "inbound")),
                .outbound = rate_of(xml_child(element, "outbound")),
        };
}

static uint64_t burst_bytes(const BandwidthRate *rate, uint64_t bytes_per_second) {
        uint64_t burst = rate->burst > 0 ? rate->burst * BURST_UNIT : bytes_per_second / BURST_DEFAULT_FRACTION;
        return CLAMP(burst, PACKET_MAX, BANDWIDTH_BURST_MAX * BURST_UNIT);
}

/* The queue of what the host sends: one class, which all packets are in. */
static int limit_sending(NetlinkSocket *socket, Link *link, const BandwidthRate *rate) {
        g_autoptr(Qdisc) qdisc = rtnl_qdisc_alloc();
        g_autoptr(Class) class = rtnl_class_alloc();
        uint64_t average = rate->average * RATE_UNIT, peak = rate->peak * RATE_UNIT;
        rtnl_tc_set_link(TC_CAST(qdisc), link);
        rtnl_tc_set_parent(TC_CAST(qdisc), TC_H_ROOT);
        rtnl_tc_set_handle(TC_CAST(qdisc), TC_HANDLE(1, 0));
        int r = rtnl_tc_set_kind(TC_CAST(qdisc), "htb");
        if (r >= 0)
                r = rtnl_htb_set_defcls(qdisc, TC_HANDLE(0, 1));
        if (r >= 0)
                r = rtnl_qdisc_add(socket, qdisc, NLM_F_CREATE | NLM_F_REPLACE);
        if (r < 0)
                return r;
        rtnl_tc_set_link(TC_CAST(class), link);
        rtnl_tc_set_parent(TC_CAST(class), TC_HANDLE(1, 0));
        rtnl_tc_set_handle(TC_CAST(class), TC_HANDLE(1, 1));
        r = rtnl_tc_set_kind(TC_CAST(class), "htb");
        if (r >= 0)
                r = rtnl_htb_set_rate64(class, average);
        if (r >= 0)
                r = rtnl_htb_set_ceil64(class, MAX(peak, average));
        if (r >= 0)
                r = rtnl_htb_set_rbuffer(class, (uint32_t) burst_bytes(rate, average));
        if (r >= 0)
                r = rtnl_htb_set_cbuffer(class, (uint32_t) burst_bytes(rate, MAX(peak, average)));
        return r < 0 ? r : rtnl_class_add(socket, class, NLM_F_CREATE | NLM_F_REPLACE);
}

/* A filter that every packet passes, with a policer as its action: libnl has none. linux/pkt_cls.h, TCA_MATCHALL_ACT and
 * TCA_POLICE_*. */
static int add_policer(NetlinkSocket *socket, int link, const BandwidthRate *rate) {
        static const uint8_t table[RATE_TABLE_BYTES];
        g_autoptr(NetlinkMessage) message = nlmsg_alloc_simple(RTM_NEWTFILTER, NLM_F_CREATE | NLM_F_EXCL);
        uint64_t bytes = rate->average * RATE_UNIT;
        struct tcmsg header = {
                .tcm_family = AF_UNSPEC,
                .tcm_ifindex = link,
                .tcm_parent = TC_H_MAKE(TC_H_INGRESS, 0),
                .tcm_info = TC_H_MAKE(1 << 16, htons(ETH_P_ALL)),
        };
        struct tc_police police = {
                .action = TC_ACT_SHOT,
                .mtu = PACKET_MAX,
                .rate = { .rate = (uint32_t) MIN(bytes, UINT32_MAX), .cell_log = 8, .linklayer = TC_LINKLAYER_ETHERNET },
        };
        /* The kernel's time for that many bytes, in units of 64 ns: PSCHED_SHIFT. */
        police.burst = (uint32_t) MIN(burst_bytes(rate, bytes) * (G_GUINT64_CONSTANT(1000000000) / 64) / bytes, UINT32_MAX);
        int r = nlmsg_append(message, &header, sizeof header, NLMSG_ALIGNTO);
        if (r >= 0)
                r = nla_put_string(message, TCA_KIND, "matchall");
        struct nlattr *options = nla_nest_start(message, TCA_OPTIONS), *actions = nla_nest_start(message, TCA_MATCHALL_ACT),
                      *action = nla_nest_start(message, 1);
        if (r >= 0)
                r = nla_put_string(message, TCA_ACT_KIND, "police");
        struct nlattr *details = nla_nest_start(message, TCA_ACT_OPTIONS);
        if (!options || !actions || !action || !details)
                return -NLE_NOMEM;
        if (r >= 0)
                r = nla_put(message, TCA_POLICE_TBF, sizeof police, &police);
        if (r >= 0)
                r = nla_put(message, TCA_POLICE_RATE, sizeof table, table);
        if (r >= 0 && bytes > UINT32_MAX)
                r = nla_put_u64(message, TCA_POLICE_RATE64, bytes);
        if (r < 0)
                return r;
        nla_nest_end(message, details);
        nla_nest_end(message, action);
        nla_nest_end(message, actions);
        nla_nest_end(message, options);
        r = nl_send_auto(socket, message);
        return r < 0 ? r : nl_wait_for_ack(socket);
}

static int limit_receiving(NetlinkSocket *socket, Link *link, const BandwidthRate *rate) {
        g_autoptr(Qdisc) qdisc = rtnl_qdisc_alloc();
        rtnl_tc_set_link(TC_CAST(qdisc), link);
        rtnl_tc_set_parent(TC_CAST(qdisc), TC_H_INGRESS);
        rtnl_tc_set_handle(TC_CAST(qdisc), TC_H_MAKE(TC_H_INGRESS, 0));
        int r = rtnl_tc_set_kind(TC_CAST(qdisc), "ingress");
        if (r >= 0)
                r = rtnl_qdisc_add(socket, qdisc, NLM_F_CREATE | NLM_F_EXCL);
        return r < 0 ? r : add_policer(socket, rtnl_link_get_ifindex(link), rate);
}

/* Takes away what was set; a link that has nothing is fine. */
static void clear(NetlinkSocket *socket, Link *link, uint32_t parent) {
        g_autoptr(Qdisc) qdisc = rtnl_qdisc_alloc();
        rtnl_tc_set_link(TC_CAST(qdisc), link);
        rtnl_tc_set_parent(TC_CAST(qdisc), parent);
        (void) rtnl_qdisc_delete(socket, qdisc);
}

bool bandwidth_set(const char *interface, bool direct, const Bandwidth *bandwidth, GError **error) {
        g_autoptr(NetlinkSocket) socket = nl_socket_alloc();
        g_autoptr(Link) link = NULL;
        const BandwidthRate *sending = direct ? &bandwidth->outbound : &bandwidth->inbound,
                            *receiving = direct ? &bandwidth->inbound : &bandwidth->outbound;
        int r = nl_connect(socket, NETLINK_ROUTE);
        if (r >= 0)
                r = rtnl_link_get_kernel(socket, 0, interface, &link);
        if (r >= 0) {
                clear(socket, link, TC_H_ROOT);
                clear(socket, link, TC_H_INGRESS);
        }
        if (r >= 0 && sending->average > 0)
                r = limit_sending(socket, link, sending);
        if (r >= 0 && receiving->average > 0)
                r = limit_receiving(socket, link, receiving);
        return r >= 0 ||
               virtbus_error_set(error, VIRTBUS_ERROR_HYPERVISOR_FAILED,
                                 "the bandwidth of interface '%s' cannot be limited: %s; the kernel needs sch_htb, sch_ingress, "
                                 "cls_matchall and act_police",
                                 interface, nl_geterror(r));
}
