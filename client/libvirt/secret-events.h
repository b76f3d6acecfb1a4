/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What happens to secrets, told to those callbacks that a client has registered. */

#include "host-events.h"

typedef enum SecretEventKind {
        SECRET_EVENT_LIFECYCLE = 0,
        SECRET_EVENT_VALUE_CHANGED = 1,
        SECRET_EVENTS_MAX,
} SecretEventKind;

HostEvents *secret_events_new(GDBusConnection *bus, Conversation *conversation);

/* Usages by libvirt's numbers. */
#define SECRET_USAGES 6
extern const char *const secret_usages[SECRET_USAGES];

/* A secret as libvirt names it, (sis), of its properties. */
GVariant *secret_name(GVariant *properties);
