/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Every limit of virtbusd. A caller that goes over one gets org.virtbus1.Error.LimitExceeded (or Timeout). */

#include "local-socket.h"

#define SECOND 1000000ULL /* microseconds */

/* How long a driver may take for a call, if --call-timeout says nothing else. Below the 25 seconds that D-Bus libraries
 * wait, so that a caller reads our error rather than its own. */
#define CALL_TIMEOUT (20 * SECOND)

/* How long a driver may take to be activated, and how long it may pause while it sends its objects. */
#define ATTACH_TIMEOUT (15 * SECOND)

/* How long polkit may take where no person is asked, and where one may have to type a password. */
#define AUTHORITY_TIMEOUT (10 * SECOND)
#define AUTHORITY_INTERACTIVE_TIMEOUT (300 * SECOND)

/* Questions to polkit that are out at the same time, and those of one user; the same for those that a person may have to answer.
 * With those to the bus they are below the 128 answers that dbus-daemon lets a connection wait for. */
#define QUESTIONS_MAX 64
#define QUESTIONS_PER_USER_MAX 4
#define DIALOGS_MAX 32
#define DIALOGS_PER_USER_MAX 4

/* How often a question is asked that the bus refuses. */
#define QUESTION_TRIES_MAX 8

/* Callers whose user the bus is asked for at the same time. */
#define IDENTIFICATIONS_MAX 16

/* Calls of one caller that are not answered yet; of one user, and of all. */
#define CALLS_PER_CALLER_MAX 256
#define CALLS_PER_USER_MAX 512
#define CALLS_MAX 8192

/* What is kept of them: their messages, and what goes with each. */
#define KEPT_BYTES_PER_USER_MAX (16 * 1024 * 1024)
#define KEPT_BYTES_MAX (48 * 1024 * 1024)
#define KEPT_BYTES_PER_CALL 2048
/* A call of no more bytes, of a caller with no other, is modest: see quota.h. */
#define MODEST_CALL_BYTES (16 * 1024)

/* The descriptors that came with them; of all at most a quarter of what the process may have. */
#define DESCRIPTORS_PER_USER_MAX 256
#define DESCRIPTORS_MAX 2048

/* What the process raises its own limit to, where it may; and what it takes for it where it cannot be told. */
#define PROCESS_DESCRIPTORS_MAX 65536
#define FALLBACK_DESCRIPTORS 1024

/* Descriptors of one message. */
#define DESCRIPTORS_PER_MESSAGE_MAX LOCAL_SOCKET_FDS_MAX

/* Connections without a bus, and those of one user; answers that one may leave unread before it may call again, and messages
 * before it is cut off. A connection has five descriptors. */
#define PEERS_MAX 128
#define PEERS_PER_USER_MAX 16
#define PEER_DESCRIPTORS 5
#define PEER_UNREAD_ANSWERS_MAX 16
#define PEER_UNREAD_MAX 4096

/* Clients of libvirt's protocol, and those of one user. Each has the descriptors of a connection, its socket, and while they are
 * handed on one more of each. */
#define LIBVIRT_CLIENTS_MAX 1024
#define LIBVIRT_CLIENTS_PER_USER_MAX 512
#define LIBVIRT_CLIENT_DESCRIPTORS (PEER_DESCRIPTORS + 3)

/* How long such a connection may take to authenticate itself, and for a message to come whole. */
#define PEER_TIMEOUT (30 * SECOND)

/* A line of its authentication, and all of it. */
#define AUTHENTICATION_LINE_MAX 512
#define AUTHENTICATION_BYTES_MAX 4096

/* A message's header: what it is called by. A path of a thousand names has room in it. */
#define HEADER_BYTES_MAX (64 * 1024)

/* Pieces of messages of one connection that are read before others get their turn, and calls that have come whole: a message is
 * two or three, of 64 KiB at most each. Bytes count too: who sends megabytes is read by some hundred microseconds. */
#define INLET_STEPS_AT_ONCE 128
#define INLET_BYTES_AT_ONCE (128 * 1024)

/* Calls that have come and were not looked at yet, of all and of one user; and what they have with them. The bus daemon lets one
 * connection wait for 128 answers, and one user have 256 connections: whoever has so many calls on their way does not read. */
#define BACKLOG_CALLS_MAX 12288
#define BACKLOG_CALLS_PER_USER_MAX 4096
#define BACKLOG_BYTES_MAX (24 * 1024 * 1024)
#define BACKLOG_BYTES_PER_USER_MAX (8 * 1024 * 1024)
#define BACKLOG_DESCRIPTORS_MAX 1024
#define BACKLOG_DESCRIPTORS_PER_USER_MAX 256

/* Calls that are taken of it before the event loop goes on, and for how long; one, while more has come than is read yet. */
#define BACKLOG_TURN_CALLS 16
#define BACKLOG_TURN_TIME (SECOND / 1000)

/* What the kernel keeps of what the other side of a connection has not read: what is kept there goes out in order, and counts for
 * nobody. A bus daemon reads 2 KiB at a time, and serves everybody in between: all that is kept for it is what the next answer
 * waits for, whoever that one is for. */
#define OUTPUT_BUFFER_BYTES (16 * 1024)
#define BUS_OUTPUT_BUFFER_BYTES (4 * 1024)

/* Messages that wait to be written to the bus before nothing more is read from a driver that causes some. */
#define DRIVER_MESSAGES_AHEAD_MAX 64

/* Calls that wait for one driver, and what their arguments may add up to. */
#define CALLS_PER_DRIVER_MAX 4096
#define CALL_BYTES_PER_DRIVER_MAX (64 * 1024 * 1024)

/* Calls of one driver to others that are not answered yet; how many drivers one may come through; the arguments of one and its
 * answer. How long one may take is half of a call's time, so that who asks can still answer who asked it. */
#define ERRANDS_PER_DRIVER_MAX 256
#define ERRAND_DRIVERS_MAX 4
#define ERRAND_BYTES_MAX (64 * 1024)
#define ERRAND_REPLY_BYTES_MAX (1024 * 1024)

/* What a driver is answered while it has not read all that it was sent: who asks on and does not read has failed. */
#define DRIVER_UNREAD_BYTES_MAX (64 * 1024 * 1024)

/* The arguments of one call: a domain document of 1 MiB and its options. */
#define CALL_BYTES_MAX (2 * 1024 * 1024)

/* The body of a message. What is between the two is padding, and refused with its arguments. */
#define BODY_BYTES_MAX (CALL_BYTES_MAX + 64 * 1024)

/* A driver's answer. */
#define REPLY_BYTES_MAX (16 * 1024 * 1024)

/* An answer of ours. dbus-daemon ends the connection of who sends more than its max_message_size, by default 32 MiB on a
 * system bus. */
#define ANSWER_BYTES_MAX (32 * 1024 * 1024 - 64 * 1024)

/* A part of a list: about so many bytes, and so many objects that are looked at for it, which is about 10 ms of work; of so many
 * of them polkit may be asked whether they may be read, which it answers within AUTHORITY_TIMEOUT; and what may be said to be
 * wanted. */
#define PART_BYTES_MAX (1024 * 1024)
#define PART_OBJECTS_MAX 4096
#define PART_QUESTIONS_MAX 128
#define PART_INTERFACES_MAX 16

/* Answers that a user has not read yet, and those of all. Smaller ones are not looked at, but on connections without a bus, where
 * signals count too. */
#define UNREAD_BYTES_PER_USER_MAX (16 * 1024 * 1024)
#define UNREAD_BYTES_MAX (48 * 1024 * 1024)
#define SMALL_ANSWER_BYTES (16 * 1024)

/* What a caller on the bus is sent before the bus daemon is asked how much of it is unread. Who has that much unread, while
 * its user has so much that it is halted, has none of its calls taken until it has read. How often it is asked then, how long
 * its answer may take before it is asked again, and about how many callers at the same time. dbus-daemon drops answers to a
 * connection for which more than its max_outgoing_bytes wait, as while others flood that with large calls. */
#define UNREAD_BYTES_ASKED (64 * 1024)
#define UNREAD_BYTES_HALT (4 * 1024 * 1024)
#define UNREAD_INTERVAL (SECOND / 10)
#define UNREAD_ANSWER_TIMEOUT (3 * SECOND)
#define UNREAD_QUESTIONS_MAX 8

/* Signals that the connections of a user on the bus have not read, and those of all. Of a user who has more, a connection that
 * has UNREAD_BYTES_ASKED of them itself is sent no more of them until it has read: it misses what is told meanwhile, and is
 * told that. Before a user has that many, those connections that have a large part of them are sent no more, so that one which
 * does not read costs the user's others nothing. */
#define UNREAD_SIGNAL_BYTES_PER_USER_MANY (12 * 1024 * 1024)
#define UNREAD_SIGNAL_BYTES_LARGE_PART (4 * 1024 * 1024)
#define UNREAD_SIGNAL_BYTES_PER_USER_MAX (16 * 1024 * 1024)
#define UNREAD_SIGNAL_BYTES_MAX (48 * 1024 * 1024)

/* Signals that are held for a caller while polkit is asked anew what it may hear. Of more it is told that it missed some. */
#define HELD_SIGNAL_BYTES_MAX (256 * 1024)

/* What an answer is counted as beside what is in it. */
#define ANSWER_BYTES 256

/* What a message is beside its arguments, at least. */
#define MESSAGE_BYTES 1024

/* Decisions of polkit that are kept for one caller: those that allow, those that refuse, and what it hears of. */
#define DECISIONS_PER_CALLER_MAX 1024

/* Questions to polkit about single objects for one call that lists many, and how often they are begun anew because polkit has
 * said that something has changed. */
#define READ_QUESTIONS_MAX 512
#define READ_RESTARTS_MAX 3

/* Objects that one driver may publish, the properties of one object, or of a driver's part of one; all that is kept of them,
 * which is two million domains without devices; and an object's path, each name of which is looked for. */
#define OBJECTS_PER_DRIVER_MAX 1000000
#define OBJECT_BYTES_MAX (256 * 1024)
#define OBJECTS_BYTES_PER_DRIVER_MAX ((size_t) 1024 * 1024 * 1024)
#define OBJECT_PATH_BYTES_MAX 2048

/* Signals of a driver that are refused and told to the log each time that it is attached. */
#define REFUSALS_PER_DRIVER_LOGGED 32

/* How long the service goes on, once told to end, for others to read what they are answered. */
#define ENDING_TIMEOUT (2 * SECOND)

/* Drivers that are known. */
#define DRIVERS_MAX 64

/* URI schemes that one driver may name, and how long each is. */
#define SCHEMES_PER_DRIVER_MAX 16
#define SCHEME_BYTES_MAX 16

/* What one driver may have kept for its next start: how many descriptors, of how much memory each, by names of up to so much. */
#define DRIVER_KEPT_MAX 256
#define DRIVER_KEPT_BYTES_MAX 4096
#define DRIVER_KEPT_NAME_BYTES_MAX 255

/* Of the host that a URI names: as long as the DNS has names. */
#define URI_HOST_BYTES_MAX 255

/* Entries of the journal of operations: in each interval so many of one user's calls, and of all; when those are written, only
 * the least of each user. More users than that are counted as one. Below what journald takes of a service by default, 10,000
 * in 30 s. */
#define JOURNAL_INTERVAL (30 * SECOND)
#define JOURNAL_ENTRIES_PER_USER 1000
#define JOURNAL_ENTRIES_MAX 5000
#define JOURNAL_ENTRIES_LEAST 10
#define JOURNAL_USERS_MAX 100

/* A driver that ends sooner than this after it was attached is not activated again until someone needs it. */
#define DRIVER_STABLE_AFTER (2 * SECOND)

/* A driver that has failed once, or has ended that soon without having answered a call, may be tried again at once; after that
 * it is left alone for this long, twice as long after each further failure, up to the maximum. It is tried when something is
 * asked of it. */
#define DRIVER_RETRY_DELAY (1 * SECOND)
#define DRIVER_RETRY_DELAY_MAX (60 * SECOND)
