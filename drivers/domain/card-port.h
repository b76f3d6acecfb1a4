/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The ports that a domain's cards are connected to, of networks (type 'network') or of the host ('bridge', 'ethernet',
 * 'direct'): asked for from the networks' driver (virtbus-network), on behalf of who starts the domain or attaches the card; a
 * domain that starts by itself has been allowed them before. A port ends with its descriptors, and so with QEMU, or with the
 * pair that it is an end of, and so with its container: nothing is to be given back. */

#include "domain/domain.h"

/* What is asked for, and what it is. */
typedef struct CardPort {
        const char *plug, *mode;  /* the type of its card; how it shares an interface, or "": constants */
        char *mac, *interface;    /* "": chosen */
        char *filter, *bandwidth; /* its <filterref>, its <bandwidth>, or "" */
        char *group;              /* of the network's ports, or "" */
        unsigned queues, mtu;     /* 0: as the network has it */
        unsigned pair;            /* the number of INTERFACE, an end of a pair that is connected in place of a tap; 0: a tap */
        bool isolated, existing;  /* the interface may be there already */
        char *uuid, *bridge;      /* a network's; else NULL */
        int *fds;                 /* of a tap, one for each queue; taken when QEMU gets them: -1 */
        int holder;               /* of a macvtap: the port lasts as long as QEMU has it; or -1 */
} CardPort;

void card_port_free(CardPort *port);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CardPort, card_port_free)

/* What it is connected to, for messages, by its network, its bridge, or ""; to be freed. */
char *card_port_place_text(const CardPort *port, const char *place);

/* One that is being asked for. */
typedef struct CardPortAsking CardPortAsking;
typedef void (*CardPortAsked)(void *data, const GError *error);

/* Asks for it, on behalf of a sender, or of the driver itself (NULL). PLACE is its network, its bridge, or ""; WHOSE needs it,
 * for messages. Calls DONE, later, which frees what this returns; PORT and the texts are borrowed until then. NULL with an
 * error. */
CardPortAsking *card_port_ask(Domain *domain, const char *on_behalf, CardPort *port, const char *place, const char *whose,
                              CardPortAsked done, void *data, GError **error);

/* Nobody wants it any more, or it is there: DONE is not called. */
void card_port_asking_free(CardPortAsking *asking);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CardPortAsking, card_port_asking_free)

/* Another filter, or bandwidth, of a card that is a port: what is at work, until DONE is called, which frees it. */
typedef struct PortChange PortChange;

/* Gives the port of the card OLD, as it is in the running document, the <filterref> and the <bandwidth> that NEW has, or none, as
 * far as they are others; where NEW is OLD, both. NULL with an error. */
PortChange *card_port_change(Domain *domain, const char *on_behalf, const xmlNode *old, const xmlNode *new, CardPortAsked done,
                             void *data, GError **error);

/* Whether one of them is another by now. */
bool port_change_has_begun(const PortChange *change);

void port_change_free(PortChange *change);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PortChange, port_change_free)
