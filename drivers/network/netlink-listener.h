/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Listens to what the kernel tells groups of netlink's. */

#include <glib.h>
#include <netlink/msg.h>
#include <netlink/socket.h>
#include <systemd/sd-event.h>

/* How many groups one may listen to. */
#define NETLINK_GROUPS_MAX 8

typedef struct NetlinkListener NetlinkListener;

/* MESSAGE: one of them. LOST: the kernel had more to tell than there was room for. */
typedef struct NetlinkEvents {
        const char *what;                         /* is watched, for an error */
        int protocol, groups[NETLINK_GROUPS_MAX]; /* 0: no more */
        void (*message)(void *data, struct nlmsghdr *header);
        void (*lost)(void *data);
} NetlinkEvents;

/* Has a socket hear the kernel alone: whoever may change the network may send messages to it, too, such as a dnsmasq that its
 * guest has taken over. */
void netlink_hear_kernel_alone(struct nl_sock *socket);

/* What an attribute says; NULL where it is missing or not a whole text. */
const char *netlink_text(const struct nlattr *attribute);

NetlinkListener *netlink_listener_new(sd_event *event, const NetlinkEvents *events, void *data, GError **error);
void netlink_listener_free(NetlinkListener *listener);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(NetlinkListener, netlink_listener_free)
