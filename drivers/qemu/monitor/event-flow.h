/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Keeps a guest from flooding the bus and the log with what its QEMU tells: so many events are passed on as they come; where
 * there are more, each that waits is passed on once, after a while, in the order in which it was told last. So the last word
 * is always the last that QEMU has said, and an operation that waits for an event gets it. */

#include "base/json.h"
#include <systemd/sd-event.h>

/* Events that are passed on at once, and in a second after that; different ones that wait: where there are more, the oldest is
 * lost. */
#define EVENTS_AT_ONCE 200
#define EVENTS_PER_SECOND 50
#define EVENTS_WAITING_MAX 64

typedef struct EventFlow EventFlow;

/* Takes an event, and may free the flow. ARGUMENTS may be NULL. */
typedef void (*EventTake)(void *data, const char *name, JsonObject *arguments);

EventFlow *event_flow_new(sd_event *event, EventTake take, void *data);
void event_flow_free(EventFlow *flow);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EventFlow, event_flow_free)

/* QEMU has told this. */
void event_flow_told(EventFlow *flow, const char *name, JsonObject *arguments);
