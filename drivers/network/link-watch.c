/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "network/link-watch.h"

#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <sys/epoll.h>

#include "errors.h"

/* Room for what the kernel tells while this program is at something else, in bytes: some thousand interfaces. */
#define BUFFER_SIZE (4 << 20)

struct LinkWatch {
        struct nl_sock *socket;
        sd_event_source *source;
        const LinkListener *listener;
        void *data;
};

/* A port that leaves its bridge is told in the same way, by the bridge's family. */
static int on_message(struct nl_msg *message, void *data) {
        const LinkWatch *watch = data;
        struct nlmsghdr *header = nlmsg_hdr(message);
        if (header->nlmsg_type != RTM_DELLINK || !nlmsg_valid_hdr(header, sizeof(struct ifinfomsg)))
                return NL_OK;
        const struct ifinfomsg *link = nlmsg_data(header);
        const struct nlattr *name = nlmsg_find_attr(header, sizeof *link, IFLA_IFNAME);
        if (link->ifi_family == AF_UNSPEC)
                watch->listener->gone(watch->data, link->ifi_index, name ? nla_get_string(name) : "");
        return NL_OK;
}

static int on_readable(sd_event_source *source, int fd, uint32_t events, void *data) {
        const LinkWatch *watch = data;
        (void) source;
        (void) fd;
        (void) events;
        int r = nl_recvmsgs_default(watch->socket);
        if (r < 0 && r != -NLE_AGAIN)
                watch->listener->lost(watch->data);
        return 0;
}

LinkWatch *link_watch_new(sd_event *event, const LinkListener *listener, void *data, GError **error) {
        g_autoptr(LinkWatch) watch = g_new0(LinkWatch, 1);
        *watch = (LinkWatch){ .socket = nl_socket_alloc(), .listener = listener, .data = data };
        int r = watch->socket ? nl_connect(watch->socket, NETLINK_ROUTE) : -NLE_NOMEM;
        if (r >= 0)
                r = nl_socket_set_nonblocking(watch->socket);
        if (r >= 0)
                r = nl_socket_set_buffer_size(watch->socket, BUFFER_SIZE, 0);
        if (r >= 0)
                r = nl_socket_add_memberships(watch->socket, RTNLGRP_LINK, 0);
        if (r < 0) {
                virtbus_error_set(error, VIRTBUS_ERROR_HYPERVISOR_FAILED, "netlink cannot be used: %s", nl_geterror(r));
                return NULL;
        }
        nl_socket_disable_seq_check(watch->socket);
        nl_socket_modify_cb(watch->socket, NL_CB_VALID, NL_CB_CUSTOM, on_message, watch);
        r = sd_event_add_io(event, &watch->source, nl_socket_get_fd(watch->socket), EPOLLIN, on_readable, watch);
        if (r >= 0)
                return g_steal_pointer(&watch);
        virtbus_error_set_errno(error, -r, "the host's interfaces cannot be watched");
        return NULL;
}

void link_watch_free(LinkWatch *watch) {
        sd_event_source_disable_unref(watch->source);
        if (watch->socket)
                nl_socket_free(watch->socket);
        g_free(watch);
}
