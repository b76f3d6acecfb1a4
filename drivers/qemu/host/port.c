/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/host/port.h"

#include <errno.h>
#include <netdb.h>
#include <sys/socket.h>

#include "bus.h"
#include "qemu/host/claims.h"

/* libvirt's range for displays. */
#define PORT_FIRST 5900
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

unsigned port_choose(const Connection *connection, const char *uuid, const char *alias, const char *address, GError **error) {
        for (unsigned port = PORT_FIRST; port <= PORT_LAST; port++) {
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
        virtbus_error_set(error, VIRTBUS_ERROR_RESOURCE_BUSY, "no port from %d to %d is free at %s", PORT_FIRST, PORT_LAST,
                          address);
        return 0;
}

/* It is free when its QEMU has ended. */
static bool give_back(const char *name, const char *note) {
        (void) name;
        (void) note;
        return true;
}

const ClaimKind port_claims = { "port", "port", give_back };
