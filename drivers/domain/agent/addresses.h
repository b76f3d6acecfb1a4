/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The addresses of a guest's network card, as somebody knows them. */

#include "domain/agent/guest-object.h"

/* How many of one card are told. */
#define ADDRESSES_MAX 256

typedef struct Address {
        char *text;
        uint32_t prefix; /* 0: not known */
} Address;

/* An empty list; adding to it: TEXT must be an IPv4 or IPv6 address; other texts are left out. */
GArray *addresses_new(void);
void addresses_add(GArray *addresses, const char *text, uint32_t prefix);

/* Answers the call; the list is taken. */
void addresses_reply(Call *call, GArray *addresses);

/* Asks the agent for those of the card with this address, and answers. OBJECT is NULL where there is no channel. */
void addresses_ask_agent(const Domain *domain, GuestObject *object, const char *mac, Call *call);
