/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "network/netlink-listener.h"

#include <netlink/netlink.h>
#include <string.h>
#include <sys/epoll.h>

#include "errors.h"

/* Room for what the kernel tells while this program is at something else, in bytes: some thousand interfaces or rules. */
#define BUFFER_SIZE (4 << 20)

struct NetlinkListener {
        struct nl_sock *socket;
        sd_event_source *source;
        const NetlinkEvents *events;
        void *data;
};

static int check_sender(struct nl_msg *message, void *data) {
        (void) data;
        return nlmsg_get_src(message)->nl_pid == 0 ? NL_OK : NL_SKIP;
}

void netlink_hear_kernel_alone(struct nl_sock *socket) {
        nl_socket_modify_cb(socket, NL_CB_MSG_IN, NL_CB_CUSTOM, check_sender, NULL);
}

const char *netlink_text(const struct nlattr *attribute) {
        return attribute && memchr(nla_data(attribute), 0, (size_t) MAX(nla_len(attribute), 0)) ? nla_get_string(attribute)
                                                                                                : NULL;
}

static int on_message(struct nl_msg *message, void *data) {
        const NetlinkListener *listener = data;
        listener->events->message(listener->data, nlmsg_hdr(message));
        return NL_OK;
}

static int on_readable(sd_event_source *source, int fd, uint32_t events, void *data) {
        const NetlinkListener *listener = data;
        (void) source;
        (void) fd;
        (void) events;
        int r = nl_recvmsgs_default(listener->socket);
        if (r < 0 && r != -NLE_AGAIN)
                listener->events->lost(listener->data);
        return 0;
}

NetlinkListener *netlink_listener_new(sd_event *event, const NetlinkEvents *events, void *data, GError **error) {
        g_autoptr(NetlinkListener) listener = g_new0(NetlinkListener, 1);
        *listener = (NetlinkListener){ .socket = nl_socket_alloc(), .events = events, .data = data };
        int r = listener->socket ? nl_connect(listener->socket, events->protocol) : -NLE_NOMEM;
        if (r >= 0)
                r = nl_socket_set_nonblocking(listener->socket);
        if (r >= 0)
                r = nl_socket_set_buffer_size(listener->socket, BUFFER_SIZE, 0);
        for (size_t i = 0; i < NETLINK_GROUPS_MAX && events->groups[i] > 0 && r >= 0; i++)
                r = nl_socket_add_memberships(listener->socket, events->groups[i], 0);
        if (r < 0) {
                virtbus_error_set(error, VIRTBUS_ERROR_HYPERVISOR_FAILED, "%s cannot be watched: %s", events->what,
                                  nl_geterror(r));
                return NULL;
        }
        nl_socket_disable_seq_check(listener->socket);
        netlink_hear_kernel_alone(listener->socket);
        nl_socket_modify_cb(listener->socket, NL_CB_VALID, NL_CB_CUSTOM, on_message, listener);
        r = sd_event_add_io(event, &listener->source, nl_socket_get_fd(listener->socket), EPOLLIN, on_readable, listener);
        if (r >= 0)
                return g_steal_pointer(&listener);
        virtbus_error_set_errno(error, -r, "%s cannot be watched", events->what);
        return NULL;
}

void netlink_listener_free(NetlinkListener *listener) {
        sd_event_source_disable_unref(listener->source);
        if (listener->socket)
                nl_socket_free(listener->socket);
        g_free(listener);
}
