/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lxc/guest/guest-links.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lxc/guest/guest-failure.h"

/* Names that are chosen for ends on the host, as for guests of QEMU: as many are tried. */
#define PREFIX "vnet"
#define NAMES_MAX 65536

/* That end has the card's address but for this first byte, so that a bridge never takes it for its own. */
#define HOST_FIRST_BYTE 0xfe

/* Room for what is asked, and answered; an answer may be longer: what is looked for in it comes first. */
#define REQUEST_BYTES 1024
#define ANSWER_BYTES 16384

typedef struct Request {
        struct nlmsghdr header;
        char rest[REQUEST_BYTES];
} Request;

static void *append(Request *request, const void *bytes, size_t size) {
        void *place = (char *) request + NLMSG_ALIGN(request->header.nlmsg_len);
        memcpy(place, bytes, size);
        request->header.nlmsg_len = NLMSG_ALIGN(request->header.nlmsg_len) + (uint32_t) size;
        return place;
}

static void begin(Request *request, uint16_t type, uint16_t flags, const void *head, size_t size) {
        *request = (Request){ .header = { .nlmsg_len = NLMSG_HDRLEN,
                                          .nlmsg_type = type,
                                          .nlmsg_flags = (uint16_t) (NLM_F_REQUEST | NLM_F_ACK | flags) } };
        append(request, head, size);
}

/* All that is put in is of bounded size: names, numbers and addresses, far less than there is room. */
static struct rtattr *put(Request *request, uint16_t type, const void *bytes, size_t size) {
        struct rtattr *attribute = append(request, &(struct rtattr){ (uint16_t) RTA_LENGTH(size), type }, sizeof *attribute);
        if (size > 0)
                append(request, bytes, size);
        return attribute;
}

static void put_text(Request *request, uint16_t type, const char *text) {
        put(request, type, text, strlen(text) + 1);
}

static void put_number(Request *request, uint16_t type, uint32_t number) {
        put(request, type, &number, sizeof number);
}

/* The attribute has all that was put in since. */
static void close_nest(const Request *request, struct rtattr *nest) {
        nest->rta_len = (uint16_t) ((const char *) request + request->header.nlmsg_len - (const char *) nest);
}

static const struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };

/* Connected to the kernel: the root of a container may send to any socket in its network, in the kernel's place, and so much that
 * there is no room for what the kernel says. */
static int open_socket(void) {
        int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
        if (fd >= 0 && connect(fd, (const struct sockaddr *) &kernel, sizeof kernel) == 0)
                return fd;
        guest_failure_set("the kernel cannot be asked for a network card");
        if (fd >= 0)
                close(fd);
        return -1;
}

/* What was sent before it was connected is left out. */
static ssize_t receive(int fd, char *bytes, size_t size) {
        struct sockaddr_nl sender = { 0 };
        ssize_t n;
        do {
                socklen_t length = sizeof sender;
                n = recvfrom(fd, bytes, size, 0, (struct sockaddr *) &sender, &length);
        } while (n < 0 ? errno == EINTR : sender.nl_pid != kernel.nl_pid);
        return n;
}

/* Does it: 0, or -1 with errno. ANSWER may be NULL: what comes before the end of it. */
static int ask(int fd, Request *request, void *answer, size_t size) {
        char bytes[ANSWER_BYTES] __attribute__((aligned(NLMSG_ALIGNTO)));
        if (send(fd, request, request->header.nlmsg_len, 0) < 0)
                return -1;
        for (;;) {
                ssize_t n = receive(fd, bytes, sizeof bytes);
                if (n < (ssize_t) NLMSG_HDRLEN) {
                        errno = n < 0 ? errno : EBADMSG;
                        return -1;
                }
                const struct nlmsghdr *header = (const void *) bytes;
                if (header->nlmsg_type == NLMSG_ERROR) {
                        errno = -((const struct nlmsgerr *) NLMSG_DATA(header))->error;
                        return errno == 0 ? 0 : -1;
                }
                if (answer)
                        memcpy(answer, bytes, (size_t) n < size ? (size_t) n : size);
        }
}

/* Finds one of the network that the socket is of; KIND: what it has to be, or NULL. 0 where there is none. */
static int find(int fd, const char *name, const char *kind) {
        struct {
                struct nlmsghdr header;
                struct ifinfomsg info;
                char rest[ANSWER_BYTES];
        } answer = { 0 };
        Request request;
        begin(&request, RTM_GETLINK, 0, &(struct ifinfomsg){ .ifi_family = AF_UNSPEC }, sizeof(struct ifinfomsg));
        put_text(&request, IFLA_IFNAME, name);
        if (ask(fd, &request, &answer, sizeof answer) < 0 || answer.header.nlmsg_type != RTM_NEWLINK)
                return 0;
        if (!kind)
                return answer.info.ifi_index;
        int left = (int) (answer.header.nlmsg_len < sizeof answer ? answer.header.nlmsg_len : sizeof answer) -
                   (int) NLMSG_LENGTH(sizeof answer.info);
        for (const struct rtattr *one = IFLA_RTA(&answer.info); RTA_OK(one, left); one = RTA_NEXT(one, left)) {
                int inner_left = (int) RTA_PAYLOAD(one);
                if ((one->rta_type & NLA_TYPE_MASK) != IFLA_LINKINFO)
                        continue;
                for (const struct rtattr *inner = RTA_DATA(one); RTA_OK(inner, inner_left); inner = RTA_NEXT(inner, inner_left))
                        if (inner->rta_type == IFLA_INFO_KIND && RTA_PAYLOAD(inner) == strlen(kind) + 1 &&
                            memcmp(RTA_DATA(inner), kind, strlen(kind) + 1) == 0)
                                return answer.info.ifi_index;
        }
        return 0;
}

/* On the host */

static void put_mtu(Request *request, const GuestCard *card) {
        if (card->mtu > 0)
                put_number(request, IFLA_MTU, card->mtu);
}

static int make_pair(int fd, const GuestCard *card, const char *name, int master, int pid) {
        const struct ifinfomsg info = { .ifi_family = AF_UNSPEC };
        unsigned char address[sizeof card->mac];
        Request request;
        memcpy(address, card->mac, sizeof address);
        address[0] = HOST_FIRST_BYTE;
        begin(&request, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &info, sizeof info);
        put_text(&request, IFLA_IFNAME, name);
        put(&request, IFLA_ADDRESS, address, sizeof address);
        put_mtu(&request, card);
        if (master > 0)
                put_number(&request, IFLA_MASTER, (uint32_t) master);
        struct rtattr *link = put(&request, IFLA_LINKINFO, NULL, 0);
        put_text(&request, IFLA_INFO_KIND, "veth");
        struct rtattr *data = put(&request, IFLA_INFO_DATA, NULL, 0), *peer = put(&request, VETH_INFO_PEER, &info, sizeof info);
        put_text(&request, IFLA_IFNAME, card->inside);
        put(&request, IFLA_ADDRESS, card->mac, sizeof card->mac);
        put_mtu(&request, card);
        put_number(&request, IFLA_NET_NS_PID, (uint32_t) pid);
        close_nest(&request, peer);
        close_nest(&request, data);
        close_nest(&request, link);
        return ask(fd, &request, NULL, 0);
}

/* CARD: NULL, or its largest packets are set, too. */
static int raise_link(int fd, int index, const GuestCard *card) {
        const struct ifinfomsg info = { .ifi_family = AF_UNSPEC, .ifi_index = index, .ifi_flags = IFF_UP, .ifi_change = IFF_UP };
        Request request;
        begin(&request, RTM_NEWLINK, 0, &info, sizeof info);
        if (card)
                put_mtu(&request, card);
        return ask(fd, &request, NULL, 0);
}

/* The container may say there that it is a router: the host would believe it. */
static void trust_nobody(const char *name) {
        char path[64 + IF_NAMESIZE];
        snprintf(path, sizeof path, "/proc/sys/net/ipv6/conf/%s/accept_ra", name);
        int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
        if (fd >= 0 && write(fd, "0", 1) < 0)
                errno = 0; /* where there is no IPv6, nothing is believed */
        if (fd >= 0)
                close(fd);
}

static bool make_veth(int fd, GuestCard *card, int pid) {
        int master = *card->lower ? find(fd, card->lower, "bridge") : 0, r = -1;
        errno = 0;
        if (*card->lower && master == 0)
                return guest_failure_set("network card '%s': there is no bridge '%s' on this machine", card->inside, card->lower);
        bool is_chosen = !*card->host;
        for (unsigned i = 0; r < 0 && i < NAMES_MAX; i++) {
                if (is_chosen)
                        snprintf(card->host, sizeof card->host, PREFIX "%u", i);
                r = make_pair(fd, card, card->host, master, pid);
                if (r < 0 && (!is_chosen || errno != EEXIST))
                        break;
        }
        if (r < 0)
                return guest_failure_set("network card '%s' cannot be made, with '%s' on the host", card->inside, card->host);
        card->index = find(fd, card->host, NULL);
        trust_nobody(card->host);
        return (card->index > 0 && (card->is_down || card->is_port || raise_link(fd, card->index, NULL) == 0)) ||
               guest_failure_set("network card '%s': '%s' on the host cannot be set up", card->inside, card->host);
}

static bool make_macvlan(int fd, const GuestCard *card, int pid) {
        const struct ifinfomsg info = { .ifi_family = AF_UNSPEC };
        int lower = find(fd, card->lower, NULL);
        Request request;
        if (lower == 0)
                return guest_failure_set("network card '%s': there is no interface '%s' on this machine", card->inside,
                                         card->lower);
        begin(&request, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &info, sizeof info);
        put_text(&request, IFLA_IFNAME, card->inside);
        put(&request, IFLA_ADDRESS, card->mac, sizeof card->mac);
        put_mtu(&request, card);
        put_number(&request, IFLA_LINK, (uint32_t) lower);
        put_number(&request, IFLA_NET_NS_PID, (uint32_t) pid);
        struct rtattr *link = put(&request, IFLA_LINKINFO, NULL, 0);
        put_text(&request, IFLA_INFO_KIND, "macvlan");
        struct rtattr *data = put(&request, IFLA_INFO_DATA, NULL, 0);
        put_number(&request, IFLA_MACVLAN_MODE, card->mode);
        close_nest(&request, data);
        close_nest(&request, link);
        return ask(fd, &request, NULL, 0) == 0 ||
               guest_failure_set("network card '%s' cannot be made on '%s'", card->inside, card->lower);
}

bool guest_links_make(const GuestPlan *plan, int pid) {
        int fd = plan->n_cards > 0 ? open_socket() : -1;
        bool fine = plan->n_cards == 0 || fd >= 0;
        for (size_t i = 0; fine && i < plan->n_cards; i++) {
                GuestCard *card = plan->cards + i;
                fine = card->mode > 0 ? make_macvlan(fd, card, pid) : make_veth(fd, card, pid);
        }
        if (fd >= 0)
                close(fd);
        return fine;
}

void guest_links_remove(const GuestPlan *plan) {
        int fd = open_socket();
        for (size_t i = 0; fd >= 0 && i < plan->n_cards; i++) {
                Request request;
                begin(&request, RTM_DELLINK, 0, &(struct ifinfomsg){ .ifi_index = plan->cards[i].index },
                      sizeof(struct ifinfomsg));
                if (plan->cards[i].index > 0 && ask(fd, &request, NULL, 0) < 0)
                        break; /* it is gone with its container */
        }
        if (fd >= 0)
                close(fd);
}

/* In the container */

typedef struct Address {
        unsigned char bytes[sizeof(struct in6_addr)];
        size_t size;
        uint8_t family;
} Address;

static bool read_address(const char *text, Address *address) {
        address->family = strchr(text, ':') ? AF_INET6 : AF_INET;
        address->size = address->family == AF_INET6 ? sizeof(struct in6_addr) : sizeof(struct in_addr);
        return inet_pton(address->family, text, address->bytes) == 1;
}

static bool add_address(int fd, int index, const GuestAddress *given) {
        Address address, peer;
        Request request;
        errno = EINVAL;
        if (!read_address(given->address, &address) || (given->gateway && !read_address(given->gateway, &peer)))
                return false;
        const struct ifaddrmsg head = { .ifa_family = address.family,
                                        .ifa_prefixlen = (uint8_t) given->prefix,
                                        .ifa_index = (uint32_t) index };
        begin(&request, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, &head, sizeof head);
        put(&request, IFA_LOCAL, address.bytes, address.size);
        put(&request, IFA_ADDRESS, given->gateway ? peer.bytes : address.bytes, address.size);
        if (address.family == AF_INET && !given->gateway && given->prefix < 31) {
                uint32_t all;
                memcpy(&all, address.bytes, sizeof all);
                all |= htonl(given->prefix == 0 ? UINT32_MAX : UINT32_MAX >> given->prefix);
                put(&request, IFA_BROADCAST, &all, sizeof all);
        }
        return ask(fd, &request, NULL, 0) == 0;
}

static bool add_route(int fd, int index, const GuestAddress *given) {
        Address to, by;
        Request request;
        errno = EINVAL;
        if (!read_address(given->address, &to) || (given->gateway && !read_address(given->gateway, &by)))
                return false;
        const struct rtmsg head = { .rtm_family = to.family,
                                    .rtm_dst_len = (uint8_t) given->prefix,
                                    .rtm_table = RT_TABLE_MAIN,
                                    .rtm_protocol = RTPROT_BOOT,
                                    .rtm_scope = given->gateway ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK,
                                    .rtm_type = RTN_UNICAST };
        begin(&request, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, &head, sizeof head);
        if (given->prefix > 0)
                put(&request, RTA_DST, to.bytes, to.size);
        if (given->gateway)
                put(&request, RTA_GATEWAY, by.bytes, by.size);
        put_number(&request, RTA_OIF, (uint32_t) index);
        if (given->metric > 0)
                put_number(&request, RTA_PRIORITY, given->metric);
        return ask(fd, &request, NULL, 0) == 0;
}

static bool set_up(int fd, const GuestPlan *plan, size_t number) {
        const GuestCard *card = plan->cards + number;
        int index = find(fd, card->inside, NULL);
        if (index == 0 || raise_link(fd, index, card) < 0)
                return guest_failure_set("network card '%s' cannot be set up in the container", card->inside);
        for (size_t i = 0; i < plan->n_addresses; i++) {
                const GuestAddress *given = plan->addresses + i;
                if (given->card == number && !(given->is_route ? add_route : add_address)(fd, index, given))
                        return guest_failure_set("network card '%s' cannot have the %s %s/%u", card->inside,
                                                 given->is_route ? "route" : "address", given->address, given->prefix);
        }
        return true;
}

bool guest_links_enter(const GuestPlan *plan) {
        int fd = plan->n_cards > 0 ? open_socket() : -1;
        bool fine = plan->n_cards == 0 || fd >= 0;
        for (size_t i = 0; fine && i < plan->n_cards; i++)
                fine = set_up(fd, plan, i);
        if (fd >= 0)
                close(fd);
        return fine;
}
