/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Large answers that sd-bus has and the other side of a connection has not read yet: their bytes are charged to the user who
 * asked for them, until sd-bus has written them. */

#include <stdbool.h>
#include <systemd/sd-bus.h>

#include "quota.h"

typedef struct Outbox Outbox;

/* Of this connection. QUOTA is shared by all connections. */
Outbox *outbox_new(sd_bus *bus, Quota *quota);
void outbox_free(Outbox *outbox);

/* Whether an answer of about so many bytes may be made for USER: small ones always, and one where the user has none. */
bool outbox_has_room(Outbox *outbox, uid_t user, size_t bytes);

/* Tells that the answer was sent, and what its cookie is. */
void outbox_sent(Outbox *outbox, uid_t user, size_t bytes, uint64_t cookie);
