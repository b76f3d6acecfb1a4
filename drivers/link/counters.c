/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "link/counters.h"

#include <netlink/netlink.h>
#include <netlink/route/link.h>

#include "domain/statistics.h"

typedef struct nl_sock NetlinkSocket;
typedef struct rtnl_link Link;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(NetlinkSocket, nl_socket_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Link, rtnl_link_put)

/* What the host receives from a guest's card, the guest has sent. */
static const struct {
        const char *name;
        rtnl_link_stat_id_t id;
} counters[] = {
        { "rx_bytes", RTNL_LINK_TX_BYTES },   { "rx_packets", RTNL_LINK_TX_PACKETS }, { "rx_errors", RTNL_LINK_TX_ERRORS },
        { "rx_drops", RTNL_LINK_TX_DROPPED }, { "tx_bytes", RTNL_LINK_RX_BYTES },     { "tx_packets", RTNL_LINK_RX_PACKETS },
        { "tx_errors", RTNL_LINK_RX_ERRORS }, { "tx_drops", RTNL_LINK_RX_DROPPED },
};

void counters_collect(Domain *domain) {
        g_autoptr(NetlinkSocket) socket = NULL;
        for (guint i = 0; i < domain->live->devices->len; i++) {
                const DeviceDefinition *device = domain->live->devices->pdata[i];
                g_autoptr(Link) link = NULL;
                if (device->device_class != DEVICE_NETWORK_INTERFACE || !device->target[0])
                        continue;
                if (!socket && (!(socket = nl_socket_alloc()) || nl_connect(socket, NETLINK_ROUTE) < 0))
                        return;
                if (rtnl_link_get_kernel(socket, 0, device->target, &link) < 0)
                        continue;
                g_autofree char *group = g_strdup_printf("interface.%s", device->alias);
                statistics_begin(domain, group);
                for (size_t k = 0; k < G_N_ELEMENTS(counters); k++)
                        statistics_set(domain, counters[k].name, rtnl_link_get_stat(link, counters[k].id));
        }
}
