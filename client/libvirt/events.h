/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What happens to domains, told by libvirt's events to those callbacks that a client has registered. */

#include "callbacks.h"
#include "conversation.h"
#include "procedures.h"

#define EVENTS_MAX 27 /* kinds of events of domains */
typedef struct Events Events;

Events *events_new(Conversation *conversation);
void events_free(Events *events);

/* Those of the domains. */
Callbacks *events_callbacks(Events *events);

/* How what is told is put together: libvirt has two ways and an exception. */
typedef enum EventLayout {
        LAYOUT_NESTED,      /* (number (domain ...)) */
        LAYOUT_FLAT,        /* (number domain ...) */
        LAYOUT_WITH_REASON, /* (number reason (domain ...)) */
} EventLayout;

/* Tells all callbacks of a KIND of a domain, by its properties. BODY: what follows the domain, which is taken. */
void events_tell(Events *events, int32_t kind, ProcedureIndex procedure, EventLayout layout, GVariant *properties,
                 GVariant *const *body, size_t n);
