/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The bus that a client of a socket expects: one with the service on it, and nobody else. */

#include <stdbool.h>
#include <systemd/sd-bus.h>

#define PEER_BUS_NAME "org.freedesktop.DBus"

/* The service's unique name on a peer's connection. */
#define PEER_BUS_SERVICE ":peer.0"

typedef struct PeerBus {
        const char *name;   /* the client's own; borrowed */
        bool has_called;    /* before that it is not known which of both it is: nothing may come before Hello's answer */
        bool greeted;       /* it takes the connection for a bus */
        unsigned n_matches; /* then: it wants signals where there are any */
} PeerBus;

/* Whether a name on the connection is the service's. */
bool peer_bus_is_service(const char *name);

/* Answers a call of the bus. Returns a negative errno where it cannot be answered. */
int peer_bus_answer(PeerBus *self, sd_bus_message *call);

/* Whether the client wants signals, and may have them. */
bool peer_bus_is_heard(const PeerBus *self);
