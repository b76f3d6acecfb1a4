/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What dnsmasq runs when something becomes of a lease, as its own user: tells the networks' driver so, by one datagram, and
 * ends. dnsmasq(8), --dhcp-script, says what it is told. Where the driver reads nothing it waits, as dnsmasq then does with what
 * else it would tell, but not with guests; where the driver is gone it ends: the next one reads dnsmasq's file.
 *
 * Usage: virtbus-lease-helper add|old|del IDENTITY ADDRESS [NAME], with the socket's path in VIRTBUS_LEASES and the network's
 * UUID in VIRTBUS_NETWORK. */

#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "local-socket.h"
#include "network/lease.h"

/* Of the dnsmasq that has started it. */
static void give_up_capabilities(void) {
        struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
        const struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = { 0 };
        prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
        syscall(SYS_capset, &header, none);
}

/* Whoever is told to end ends well; the driver reads dnsmasq's file for what it has not heard. */
static void end(int number) {
        (void) number;
        _exit(EXIT_SUCCESS);
}

static const char *known(const char *name) {
        const char *value = getenv(name);
        return value ? value : "";
}

/* What finds no place is left out. */
static size_t write_message(char *message, size_t size, const char *const *fields) {
        size_t used = 0;
        for (size_t i = 0; i < LEASE_N_FIELDS; i++) {
                size_t length = strlen(fields[i]), left = size - used - (LEASE_N_FIELDS - i);
                if (length <= left)
                        memcpy(message + used, fields[i], length);
                used += length <= left ? length : 0;
                message[used++] = '\0';
        }
        return used;
}

int main(int argc, char *argv[]) {
        struct sockaddr_un address;
        const char *path = known("VIRTBUS_LEASES"), *action = argc > 1 ? argv[1] : "";
        char message[LEASE_MESSAGE_BYTES_MAX];
        signal(SIGTERM, end);
        give_up_capabilities();
        if (argc < 4 || (strcmp(action, "add") != 0 && strcmp(action, "old") != 0 && strcmp(action, "del") != 0))
                return EXIT_SUCCESS; /* what else dnsmasq tells, now or one day */
        const char *const fields[LEASE_N_FIELDS] = {
                [LEASE_FIELD_FORMAT] = LEASE_MESSAGE_FORMAT,
                [LEASE_FIELD_NETWORK] = known("VIRTBUS_NETWORK"),
                [LEASE_FIELD_ACTION] = action,
                [LEASE_FIELD_ADDRESS] = argv[3],
                [LEASE_FIELD_IDENTITY] = argv[2],
                [LEASE_FIELD_MAC] = known("DNSMASQ_MAC"),
                [LEASE_FIELD_IAID] = known("DNSMASQ_IAID"),
                [LEASE_FIELD_CLIENT] = known("DNSMASQ_CLIENT_ID"),
                [LEASE_FIELD_NAME] = argc > 4 ? argv[4] : "",
                [LEASE_FIELD_UNTIL] = known("DNSMASQ_LEASE_EXPIRES"),
        };
        size_t size = write_message(message, sizeof message, fields);
        int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (fd < 0 || local_socket_address(path, &address) < 0)
                return EXIT_FAILURE;
        return sendto(fd, message, size, 0, (const struct sockaddr *) &address, sizeof address) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
