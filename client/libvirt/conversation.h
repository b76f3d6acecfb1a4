/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What is said on the socket of one client: messages in and out, PINGs answered, calls counted. It knows no bus. */

#include <gio/gunixfdlist.h>
#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "libvirt-errors.h"
#include "packet.h"
#include "procedures.h"

/* Calls that are at work at once; more wait in a queue. libvirtd has 5; clients with several threads have more under way, and the
 * service has room for 512 of one user, which all its clients share. */
#define CALLS_MAX 32
/* Bytes of calls that wait; a call that comes when there are more is refused. */
#define CALLS_WAITING_MAX 1048576
/* Bytes that wait to be sent. A stream is not read from then on, so that a slow client costs no memory. */
#define UNSENT_STREAM_MAX 1048576
/* Bytes that wait to be sent at which a client that does not read is given up: an answer of the largest size, and events. */
#define UNSENT_MAX (2 * PACKET_MAX)

typedef struct Conversation Conversation;

typedef struct ConversationHandler {
        /* A call; it is answered by conversation_answer or conversation_fail, in any order. ARGUMENTS is borrowed. */
        void (*call)(void *data, const Procedure *procedure, uint32_t serial, GVariant *arguments);
        /* A message of a stream. */
        void (*stream)(void *data, const PacketHeader *header, const uint8_t *body, size_t size);
        /* What waited to be sent is less than UNSENT_STREAM_MAX again. */
        void (*drained)(void *data);
        /* The client has gone, or has said what nobody can understand. The last that is called. */
        void (*ended)(void *data);
        /* A call that may be answered without asking anybody: appends the body of the answer, or returns false for the call to be
         * made. BODY is what the client sent. NULL: there are none. */
        bool (*at_once)(void *data, const Procedure *procedure, const uint8_t *body, size_t size, GByteArray *into);
        /* Whether a procedure takes descriptors; and a call of one, as CALL, with them (borrowed). NULL: none does. */
        bool (*takes_fds)(const Procedure *procedure);
        void (*call_with_fds)(void *data, const Procedure *procedure, uint32_t serial, GVariant *arguments, GUnixFDList *fds);
} ConversationHandler;

/* Takes the socket, and begins to read it. */
Conversation *conversation_new(int fd, const ConversationHandler *handler, void *data);
void conversation_free(Conversation *conversation);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Conversation, conversation_free)

/* Answers a call; an answer over libvirt's limits becomes an error. Takes a floating REPLY. */
void conversation_answer(Conversation *conversation, const Procedure *procedure, uint32_t serial, GVariant *reply);

/* The same with a body as the protocol has it, all of whose lists are within libvirt's limits. */
void conversation_answer_encoded(Conversation *conversation, const Procedure *procedure, uint32_t serial, const GByteArray *body);

/* Answers a call with nothing but descriptors, which are taken. */
void conversation_answer_fds(Conversation *conversation, const Procedure *procedure, uint32_t serial, const int *fds, size_t n);

/* Answers a call with an error of LIBVIRT_ERROR. */
void conversation_fail(Conversation *conversation, const Procedure *procedure, uint32_t serial, const GError *error,
                       LibvirtErrorDomain domain);

/* Says something by itself. Takes a floating BODY. */
void conversation_event(Conversation *conversation, ProcedureIndex event, GVariant *body);

/* Sends a message of a call's stream: data (PACKET_CONTINUE; none of it is the end of data), its end (PACKET_OK), or an error. */
void conversation_stream(Conversation *conversation, const Procedure *procedure, uint32_t serial, const uint8_t *data,
                         size_t size);
void conversation_stream_end(Conversation *conversation, const Procedure *procedure, uint32_t serial);
void conversation_stream_fail(Conversation *conversation, const Procedure *procedure, uint32_t serial, const GError *error);

/* Whether a stream should wait before it sends more. */
bool conversation_is_full(const Conversation *conversation);

/* Ends when all calls that were begun are answered, and what waits is sent. Nothing more is read or begun: calls that wait are
 * answered with LIBVIRT_OPERATION_ABORTED. */
void conversation_finish(Conversation *conversation);
