/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What happens to domains, told by libvirt's events to those callbacks that a client has registered. */

#include "callbacks.h"
#include "conversation.h"
#include "domains.h"

#define EVENTS_MAX 27 /* kinds of events of domains */
typedef struct Events Events;

Events *events_new(Conversation *conversation);
void events_free(Events *events);

/* Those of the domains. */
Callbacks *events_callbacks(Events *events);

/* What hears of changes: DATA is the Events. */
extern const DomainsListener events_listener;
