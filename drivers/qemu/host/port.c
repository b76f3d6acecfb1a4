/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/host/port.h"

#include <errno.h>
#include <linux/filter.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "bus.h"
#include "qemu/host/claims.h"

#define PORT_LAST 65535

/* Whether nobody listens there. An address that is not written in numbers is not looked up: that may take its time. Where QEMU
 * could not listen for another reason, as at an address that this machine has not, no other port is better: it says so. */
static bool is_free(const char *address, unsigned port) {
        struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE, .ai_socktype = SOCK_STREAM }, *found;
        char text[8];
        int on = 1;
        g_snprintf(text, sizeof text, "%u", port);
        if (getaddrinfo(address, text, &hints, &found) != 0 && getaddrinfo(NULL, text, &hints, &found) != 0)
                return true;
        g_autofd int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        bool free = fd < 0 || (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
                               (bind(fd, found->ai_addr, found->ai_addrlen) == 0 || errno != EADDRINUSE));
        freeaddrinfo(found);
        return free;
}

unsigned port_choose(const Connection *connection, const char *uuid, const char *alias, const char *address, unsigned first,
                     GError **error) {
        for (unsigned port = first; port <= PORT_LAST; port++) {
                g_autoptr(GError) failure = NULL;
                char name[8];
                g_snprintf(name, sizeof name, "%u", port);
                const Claim claim = { .kind = &port_claims, .name = name, .uuid = uuid, .alias = alias };
                if (!is_free(address, port))
                        continue;
                if (claim_take(connection, &claim, &failure))
                        return port;
                if (!g_error_matches(failure, VIRTBUS_ERROR, VIRTBUS_ERROR_RESOURCE_BUSY)) {
                        g_propagate_error(error, g_steal_pointer(&failure));
                        return 0;
                }
        }
        virtbus_error_set(error, VIRTBUS_ERROR_RESOURCE_BUSY, "no port from %u to %d is free at %s", first, PORT_LAST, address);
        return 0;
}

/* Who has a socket of the host's network can close what it is, and connect it to whoever listens there. So neither this one, nor
 * one that it accepts, hears what answers that (SYN and ACK in the 14th byte of TCP's header): no connection of theirs comes
 * about. */
static bool only_accepts(int fd) {
        struct sock_filter steps[] = {
                BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 13),          BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0x12),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x12, 0, 1), BPF_STMT(BPF_RET | BPF_K, 0),
                BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
        };
        const struct sock_fprog program = { .len = G_N_ELEMENTS(steps), .filter = steps };
        int on = 1;
        return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) == 0 &&
               setsockopt(fd, SOL_SOCKET, SO_LOCK_FILTER, &on, sizeof on) == 0;
}

/* As QEMU would: at "::" for both versions of IP, and also where connections of a former display have not wholly ended. */
static bool listen_at(int fd, const struct addrinfo *place) {
        int on = 1, off = 0;
        return setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
               (place->ai_family != AF_INET6 || setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off) == 0) &&
               bind(fd, place->ai_addr, place->ai_addrlen) == 0 && listen(fd, PORT_BACKLOG) == 0;
}

int port_listen(const char *address, unsigned port, GError **error) {
        struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE, .ai_socktype = SOCK_STREAM }, *found;
        char text[8];
        g_snprintf(text, sizeof text, "%u", port);
        if (getaddrinfo(address, text, &hints, &found) != 0)
                return -1;
        g_autofd int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        bool can_be_given = fd >= 0 && only_accepts(fd), listens = can_be_given && listen_at(fd, found);
        int failure = errno;
        freeaddrinfo(found);
        if (!can_be_given || listens)
                return listens ? steal_fd(&fd) : -1;
        virtbus_error_set(error, failure == EADDRINUSE ? VIRTBUS_ERROR_RESOURCE_BUSY : VIRTBUS_ERROR_INVALID_ARGUMENT,
                          "its display cannot listen at port %u of %s: %s; %s", port, address, g_strerror(failure),
                          failure == EADDRINUSE ? "choose another port, or autoport='yes'"
                                                : "choose an address that this host has");
        return -1;
}

/* It is free when its QEMU has ended. */
static bool give_back(const char *name, const char *note) {
        (void) name;
        (void) note;
        return true;
}

const ClaimKind port_claims = { "port", "port", give_back };
