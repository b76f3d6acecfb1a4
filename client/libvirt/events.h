/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What happens to domains, told by libvirt's events to those callbacks that a client has registered. */

#include "conversation.h"
#include "domains.h"

#define EVENTS_MAX 27 /* kinds of events of domains */
/* Callbacks of one client. */
#define CALLBACKS_MAX 1024

typedef struct Events Events;

Events *events_new(Conversation *conversation);
void events_free(Events *events);

/* Registers a callback for a kind of events, of one domain by its UUID or of all where that is NULL. Returns its number, or -1
 * where there
 * are too many. */
int32_t events_register(Events *events, int32_t kind, const char *uuid);

/* Returns whether there was one of that number. */
bool events_deregister(Events *events, int32_t number);

/* What hears of changes: DATA is the Events. */
extern const DomainsListener events_listener;
