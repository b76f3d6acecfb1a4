/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Every limit of virtbusd. A caller that goes over one gets org.virtbus1.Error.LimitExceeded (or Timeout). */

#define SECOND 1000000ULL /* microseconds */

/* How long a driver may take for a call, if --call-timeout says nothing else. Below the 25 seconds that D-Bus libraries
 * wait, so that a caller reads our error rather than its own. */
#define CALL_TIMEOUT (20 * SECOND)

/* How long a driver may take to be activated and to send all its objects. */
#define ATTACH_TIMEOUT (15 * SECOND)

/* How long polkit may take where no person is asked, and where one may have to type a password. */
#define AUTHORITY_TIMEOUT (10 * SECOND)
#define AUTHORITY_INTERACTIVE_TIMEOUT (300 * SECOND)

/* Calls of one caller that are not answered yet. */
#define CALLS_PER_CALLER_MAX 256

/* Connections without a bus, and those of one user; answers that one may leave unread before it may call again, and messages
 * before it is cut off. */
#define PEERS_MAX 128
#define PEERS_PER_USER_MAX 16
#define PEER_UNREAD_ANSWERS_MAX 16
#define PEER_UNREAD_MAX 4096

/* Messages of one such connection that are handled before others get their turn. */
#define PEER_MESSAGES_AT_ONCE 64

/* Calls that wait for one driver, and what their arguments may add up to. */
#define CALLS_PER_DRIVER_MAX 1024
#define CALL_BYTES_PER_DRIVER_MAX (64 * 1024 * 1024)

/* The arguments of one call: a domain document of 1 MiB and its options. */
#define CALL_BYTES_MAX (2 * 1024 * 1024)

/* A driver's answer. */
#define REPLY_BYTES_MAX (16 * 1024 * 1024)

/* Decisions of polkit that are kept for one caller. */
#define DECISIONS_PER_CALLER_MAX 1024

/* Objects that one driver may publish, and the properties of one object. */
#define OBJECTS_PER_DRIVER_MAX 1000000
#define OBJECT_BYTES_MAX (256 * 1024)

/* Drivers that are known. */
#define DRIVERS_MAX 64

/* A driver that ends sooner than this after it was attached is not activated again until someone needs it. */
#define DRIVER_STABLE_AFTER (2 * SECOND)

/* A driver that has failed once may be tried again at once; after that it is left alone for this long, twice as long after each
 * further failure, up to the maximum. It is tried when something is asked of it. */
#define DRIVER_RETRY_DELAY (1 * SECOND)
#define DRIVER_RETRY_DELAY_MAX (60 * SECOND)
