/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "network/link-watch.h"

#include <linux/if_link.h>
#include <linux/rtnetlink.h>

#include "network/netlink-listener.h"

struct LinkWatch {
        NetlinkListener *netlink;
        const LinkListener *listener;
        void *data;
};

/* A port that leaves its bridge is told in the same way, by the bridge's family. */
static void on_message(void *data, struct nlmsghdr *header) {
        const LinkWatch *watch = data;
        if (header->nlmsg_type != RTM_DELLINK || !nlmsg_valid_hdr(header, sizeof(struct ifinfomsg)))
                return;
        const struct ifinfomsg *link = nlmsg_data(header);
        const char *name = netlink_text(nlmsg_find_attr(header, sizeof *link, IFLA_IFNAME));
        if (link->ifi_family == AF_UNSPEC)
                watch->listener->gone(watch->data, link->ifi_index, name ? name : "");
}

static void on_lost(void *data) {
        const LinkWatch *watch = data;
        watch->listener->lost(watch->data);
}

LinkWatch *link_watch_new(sd_event *event, const LinkListener *listener, void *data, GError **error) {
        static const NetlinkEvents events = { "the host's interfaces", NETLINK_ROUTE, { RTNLGRP_LINK }, on_message, on_lost };
        LinkWatch *watch = g_new0(LinkWatch, 1);
        *watch = (LinkWatch){ .listener = listener, .data = data };
        watch->netlink = netlink_listener_new(event, &events, watch, error);
        if (!watch->netlink)
                g_clear_pointer(&watch, g_free);
        return watch;
}

void link_watch_free(LinkWatch *watch) {
        netlink_listener_free(watch->netlink);
        g_free(watch);
}
