/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What virtbusd sends to virtbus-libvirt for each client of libvirt's protocol that it has accepted: one message on a socket of
 * type SOCK_SEQPACKET, with two descriptors: the client's socket, and a connection to virtbusd on which whoever calls is that
 * client, with its rights and no others. Nothing is sent back. */

#include <stdint.h>

/* Where virtbus-libvirt listens, unless options say something else. */
#define LIBVIRT_GATEWAY_PATH "/run/virtbus/libvirt-gateway"

#define LIBVIRT_CLIENT_VERSION 1

typedef enum LibvirtClientFd {
        LIBVIRT_CLIENT_SOCKET,
        LIBVIRT_CLIENT_BUS,
        LIBVIRT_CLIENT_FDS,
} LibvirtClientFd;

typedef struct LibvirtClient {
        uint32_t version;   /* LIBVIRT_CLIENT_VERSION */
        uint32_t uid;       /* the client's, as the kernel has told it */
        uint32_t read_only; /* it has come by the socket for reading */
} LibvirtClient;
