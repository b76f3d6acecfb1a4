/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the bus daemon keeps for callers that do not read. dbus-daemon reads no more of a connection while too much of what came
 * from there is unread by others: whoever has the service answer and never reads would silence it for all. So what callers are
 * sent is charged to their users until the bus daemon says that it has been read, and of who has too much unread no call is taken
 * meanwhile; who has too many signals unread is sent no more of them, and is told so when it has read.
 *
 * A bus daemon that does not tell (dbus-broker, which bounds all that itself) is not asked again, and nothing is charged. */

#include <systemd/sd-bus.h>

#include "caller.h"

typedef struct Unread Unread;

/* CHANGED is told of callers that have been halted, or are no longer. QUOTA is charged. */
Unread *unread_new(sd_bus *bus, Quota *quota);
void unread_free(Unread *unread);
void unread_watch(Unread *unread, void (*changed)(void *data, Caller *caller), void *data);

/* HEARS is told of callers that missed signals while they were deaf, when they are not any more. */
void unread_watch_missed(Unread *unread, void (*hears)(void *data, Caller *caller), void *data);

/* Whether the bus daemon tells what is unread. */
bool unread_is_known(const Unread *unread);

/* Tells that so many bytes were sent to a caller on the bus. */
void unread_sent(Unread *unread, Caller *caller, size_t bytes);

/* Tells that a signal of so many bytes was sent to a caller on the bus. */
void unread_told(Unread *unread, Caller *caller, size_t bytes);

/* Tells that a caller has called: it may have read before. */
void unread_called(Unread *unread, Caller *caller);

/* Tells that a caller has left, or is known to be another user's now. */
void unread_forget(Unread *unread, Caller *caller);
