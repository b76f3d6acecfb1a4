/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Messages that sd-bus holds and the other side of a connection has not read yet: their bytes are charged to that side's user,
 * until sd-bus has written it. Of the bus, which reads for everybody, that is large answers alone. */

#include <stdbool.h>
#include <systemd/sd-bus.h>

#include "quota.h"

typedef struct Outbox Outbox;

/* What is up to SMALL bytes is not looked at. QUOTA is shared by all connections. */
Outbox *outbox_new(sd_bus *bus, Quota *quota, size_t small);
void outbox_free(Outbox *outbox);

/* Whether a message of about so many bytes may be made for USER: small ones always, and one where the user has none. */
bool outbox_has_room(Outbox *outbox, uid_t user, size_t bytes);

/* How many bytes are charged for what the connection has not read. */
size_t outbox_bytes(const Outbox *outbox);

/* Tells that the message was sent, and what its cookie is. */
void outbox_sent(Outbox *outbox, uid_t user, size_t bytes, uint64_t cookie);
