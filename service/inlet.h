/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Stands between a socket and sd-bus: reads the messages of the other side and hands them on, one at a time.
 *
 * sd-bus allocates what the header of a message asks for, up to 128 MiB, takes descriptors until there are none left, ends a
 * connection that had more of them than this process can have, keeps those of a message that it cannot read, and does not tell
 * how large a message was. Here all of that is known and bounded before sd-bus has it: a body that is too large is left out, of a
 * header that is too large is left what an answer needs, and the message goes on so; what is not a message, or has descriptors
 * and is not a call that sd-bus reads, ends a client's connection.
 *
 * sd-bus writes to the socket itself. */

#include <glib.h>
#include <stdbool.h>
#include <systemd/sd-bus.h>

typedef struct Inlet Inlet;

/* A message, while sd-bus handles it. */
typedef struct InletMessage {
        size_t bytes;         /* that are kept for it */
        unsigned descriptors; /* that came with it */
        bool cut;             /* body and descriptors were left out: there were too many, or none could be had */
        bool long_header;     /* then: the header was too long, and is what long-header.h makes of it */
} InletMessage;

typedef struct InletRules {
        bool client;       /* a client, who authenticates itself here; else a bus */
        size_t header_max; /* of a message with a larger header, a call is handed on to be refused, and others are left out */
        size_t body_max;
        uint64_t timeout; /* for the authentication, and for a message to come whole: then the connection ends. 0: none */
        /* Takes a line of a client's authentication, without its end, which it may change. */
        void (*line)(void *data, GString *line);
        /* Whether so many bytes may come now; false has the inlet wait for inlet_resume and ask again. What was let in is ended:
         * the message is there, or does not come any more. */
        bool (*begin)(void *data, size_t bytes);
        void (*end)(void *data, size_t bytes);
} InletRules;

/* DATA is for the rules, which are not copied. Rules without functions let everything in. */
Inlet *inlet_new(const InletRules *rules, void *data);
void inlet_free(Inlet *inlet);

/* Takes SOCKET over, for BUS, which has not been started: that reads from the inlet. Returns 0 or a negative errno. */
int inlet_connect(Inlet *inlet, sd_bus *bus, int socket);

/* Begins to read, and bounds what the kernel keeps of what is written. The bus is started and attached to an event loop.
 * Returns 0 or a negative errno. */
int inlet_start(Inlet *inlet);

/* Has DRAINED called in the event loop each time that all was read which there was. */
void inlet_on_drained(Inlet *inlet, void (*drained)(void *data), void *data);

/* Goes on where BEGIN has said false. */
void inlet_resume(Inlet *inlet);

/* Whether the other side has closed the connection, read or not. */
bool inlet_is_closed(const Inlet *inlet);

/* Whether there was more when it last stopped reading, to let others have their turn, or something has come since this was asked
 * last: a bus daemon that has much for us writes it in small pieces, and more may be on its way. */
bool inlet_has_more(Inlet *inlet);

/* The message that sd-bus is handling. Who asks has it whole. */
const InletMessage *inlet_message(Inlet *inlet);
