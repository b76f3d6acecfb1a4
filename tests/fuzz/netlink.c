/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the kernel tells of interfaces, addresses and nftables. The first byte says who hears it, the rest is messages as they
 * come from a socket: one that claims to be longer than what there is, or shorter than its own header, is the rest. */

#include <arpa/inet.h> /* before what the kernel has of the same */
#include <linux/netfilter.h>
#include <net/if.h>
#include <netlink/cache.h>
#include <netlink/handlers.h>
#include <string.h>

#include "fuzz.h"
#include "network/interfaces.h"
#include "network/link-watch.h"
#include "network/netlink-listener.h"
#include "network/nft-watch.h"

/* In place of sockets */

static const NetlinkEvents *listened;
static void *listener_data;
static const uint8_t *to_hear;
static size_t n_to_hear;
static struct nl_cache_mngr *manager;

NetlinkListener *__wrap_netlink_listener_new(sd_event *event, const NetlinkEvents *events, void *data, GError **error);
void __wrap_netlink_listener_free(NetlinkListener *listener);
int __wrap_nl_cache_mngr_alloc(struct nl_sock *socket, int protocol, int flags, struct nl_cache_mngr **result);
int __real_nl_cache_mngr_alloc(struct nl_sock *socket, int protocol, int flags, struct nl_cache_mngr **result);

NetlinkListener *__wrap_netlink_listener_new(sd_event *event, const NetlinkEvents *events, void *data, GError **error) {
        (void) event;
        (void) error;
        listened = events;
        listener_data = data;
        return (NetlinkListener *) &listened;
}

void __wrap_netlink_listener_free(NetlinkListener *listener) {
        (void) listener;
}

static int hear(struct nl_sock *socket, struct sockaddr_nl *from, unsigned char **bytes, struct ucred **who) {
        size_t size = n_to_hear;
        (void) socket;
        (void) who;
        *from = (struct sockaddr_nl){ .nl_family = AF_NETLINK };
        *bytes = size > 0 ? malloc(size) : NULL; /* libnl's to free */
        if (size > 0)
                memcpy(*bytes, to_hear, size);
        n_to_hear = 0;
        return (int) size;
}

int __wrap_nl_cache_mngr_alloc(struct nl_sock *socket, int protocol, int flags, struct nl_cache_mngr **result) {
        int r = __real_nl_cache_mngr_alloc(socket, protocol, flags, result);
        struct nl_cb *callbacks = nl_socket_get_cb(socket);
        nl_cb_overwrite_recv(callbacks, hear);
        nl_cb_put(callbacks);
        manager = *result;
        return r;
}

/* Whole messages, which are theirs alone: what lies behind one is a fault to read. */
static void tell_each(const uint8_t *data, size_t size) {
        while (size >= sizeof(struct nlmsghdr)) {
                struct nlmsghdr claimed;
                memcpy(&claimed, data, sizeof claimed);
                size_t length = claimed.nlmsg_len >= sizeof claimed && claimed.nlmsg_len <= size ? claimed.nlmsg_len : size;
                g_autofree struct nlmsghdr *message = g_memdup2(data, length);
                message->nlmsg_len = (uint32_t) length;
                listened->message(listener_data, message);
                size_t step = MIN(NLMSG_ALIGN(length), size);
                data += step;
                size -= step;
        }
}

/* Who hears */

static void on_gone(void *data, int index, const char *name) {
        (void) data;
        (void) index;
        g_assert_nonnull(name);
        g_free(g_strdup(name));
}

static void on_lost_links(void *data) {
        (void) data;
}

static void watch_links(sd_event *event, const uint8_t *data, size_t size) {
        static const LinkListener listener = { on_gone, on_lost_links };
        g_autoptr(LinkWatch) watch = link_watch_new(event, &listener, NULL, NULL);
        tell_each(data, size);
}

static void on_lost_rules(void *data, unsigned family) {
        (void) data;
        g_assert_true(family == NFPROTO_INET || family == NFPROTO_BRIDGE);
}

static void on_others(void *data) {
        (void) data;
}

static void watch_rules(sd_event *event, const uint8_t *data, size_t size) {
        static const NftListener listener = { on_lost_rules, on_others };
        g_autoptr(NftWatch) watch = nft_watch_new(event, &listener, NULL, NULL);
        tell_each(data, size);
}

/* Each has a document, which is text. */
static void read_all(const Interfaces *all) {
        static const char *const cards[] = { "", "00:00:00:00:00:00", "52:54:00:00:00:01" };
        for (size_t i = 0; i < G_N_ELEMENTS(cards); i++) {
                g_autoptr(GPtrArray) found = interfaces_with_mac(all, cards[i]);
                for (guint k = 0; k < found->len; k++) {
                        const Interface *interface = found->pdata[k];
                        g_autoptr(GArray) addresses = interface_addresses(interface);
                        g_autoptr(GPtrArray) members = interface_members(interface);
                        g_assert_true(*interface_state(interface) && *interface_type(interface));
                        g_assert_cmpuint(strlen(interface_name(interface)), <, IFNAMSIZ);
                }
        }
}

static void watch_interfaces(sd_event *event, const uint8_t *data, size_t size) {
        static const Vtable *const none[] = { NULL };
        static const InterfacesFace face = { none, none };
        g_autoptr(Objects) objects = objects_new();
        Interfaces *all = interfaces_open(event, objects, "/org/virtbus1/host", &face, NULL);
        if (!all)
                return; /* a machine without netlink */
        to_hear = data;
        n_to_hear = size;
        nl_cache_mngr_data_ready(manager);
        read_all(all);
        interfaces_close(all);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static void (*const hearers[])(sd_event * event, const uint8_t *data, size_t size) = { watch_links, watch_rules,
                                                                                               watch_interfaces };
        sd_event *event = NULL;
        (void) fuzz_folder();
        g_assert_cmpint(sd_event_new(&event), >=, 0);
        if (size > 0)
                hearers[data[0] % G_N_ELEMENTS(hearers)](event, data + 1, size - 1);
        sd_event_unref(event);
        return 0;
}
