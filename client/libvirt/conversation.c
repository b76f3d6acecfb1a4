/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "conversation.h"

#include <errno.h>
#include <glib-unix.h>
#include <unistd.h>

#include "local-socket.h"
#include "outbox.h"
#include "wire.h"
#include "xdr.h"

#define READ_SIZE 65536
#define FDS_MAX 32 /* that come with a call: libvirt's own limit */
#define PROTOCOL_VERSION 1
#define TOO_LONG "the answer is too long for libvirt's protocol: %u bytes"

/* A call that waits for others to be answered. */
typedef struct WaitingCall {
        PacketHeader header;
        GBytes *body;
} WaitingCall;

/* A call whose descriptors have not come yet. */
typedef struct AwaitedCall {
        const Procedure *procedure; /* NULL: there is none */
        uint32_t serial, n;
        GVariant *arguments;
        GUnixFDList *fds;
} AwaitedCall;

struct Conversation {
        int fd;
        const ConversationHandler *handler;
        void *data;
        PacketReader reader;
        guint on_readable, on_writable;
        Outbox outbox;
        GQueue waiting; /* WaitingCall */
        size_t n_waiting;
        AwaitedCall awaited;
        unsigned int n_calls;
        bool beginning, was_full, finishing, ended;
        bool gathers; /* what is answered at once to all that has been read is sent at once */
};

static void waiting_call_free(WaitingCall *waiting) {
        g_bytes_unref(waiting->body);
        g_free(waiting);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(WaitingCall, waiting_call_free)

static void awaited_clear(AwaitedCall *awaited) {
        g_clear_pointer(&awaited->arguments, g_variant_unref);
        g_clear_object(&awaited->fds);
        awaited->procedure = NULL;
}

void conversation_free(Conversation *conversation) {
        if (!conversation)
                return;
        g_clear_handle_id(&conversation->on_readable, g_source_remove);
        g_clear_handle_id(&conversation->on_writable, g_source_remove);
        outbox_clear(&conversation->outbox);
        g_queue_clear_full(&conversation->waiting, (GDestroyNotify) waiting_call_free);
        packet_reader_clear(&conversation->reader);
        awaited_clear(&conversation->awaited);
        close(conversation->fd);
        g_free(conversation);
}

/* The handler is told from the event loop: whoever sends does not lose what it works with. */
static gboolean on_ended(void *data) {
        Conversation *conversation = data;
        conversation->on_readable = 0;
        conversation->handler->ended(conversation->data);
        return G_SOURCE_REMOVE;
}

static void end(Conversation *conversation) {
        if (conversation->ended)
                return;
        conversation->ended = true;
        g_clear_handle_id(&conversation->on_readable, g_source_remove);
        g_clear_handle_id(&conversation->on_writable, g_source_remove);
        conversation->on_readable = g_idle_add(on_ended, conversation);
}

static void end_if_finished(Conversation *conversation) {
        if (conversation->finishing && conversation->n_calls == 0 && outbox_is_empty(&conversation->outbox))
                end(conversation);
}

static gboolean on_writable(int fd, GIOCondition condition, void *data) {
        Conversation *conversation = data;
        (void) fd;
        (void) condition;
        bool sent = outbox_send(&conversation->outbox, conversation->fd), empty = outbox_is_empty(&conversation->outbox);
        if (!sent)
                end(conversation);
        else
                end_if_finished(conversation);
        if (conversation->ended)
                return G_SOURCE_CONTINUE;
        if (empty)
                conversation->on_writable = 0;
        if (conversation->was_full && !conversation_is_full(conversation)) {
                conversation->was_full = false;
                conversation->handler->drained(conversation->data);
        }
        return empty ? G_SOURCE_REMOVE : G_SOURCE_CONTINUE;
}

static void send_unsent(Conversation *conversation) {
        if ((conversation->on_writable == 0 && !outbox_send(&conversation->outbox, conversation->fd)) ||
            conversation->outbox.n_bytes > UNSENT_MAX)
                end(conversation);
        else if (conversation->on_writable == 0 && !outbox_is_empty(&conversation->outbox))
                conversation->on_writable = g_unix_fd_add(conversation->fd, G_IO_OUT, on_writable, conversation);
        conversation->was_full |= conversation_is_full(conversation);
}

static void send_packet(Conversation *conversation, GByteArray *packet) {
        GBytes *bytes = packet_end(packet);
        if (conversation->ended) {
                g_bytes_unref(bytes);
                return;
        }
        outbox_add(&conversation->outbox, bytes);
        if (!conversation->gathers || conversation_is_full(conversation))
                send_unsent(conversation);
}

bool conversation_is_full(const Conversation *conversation) {
        return conversation->outbox.n_bytes > UNSENT_STREAM_MAX;
}

static PacketHeader header_of(const Procedure *procedure, uint32_t serial, PacketType type, PacketStatus status) {
        return (PacketHeader){ procedure->program, PROTOCOL_VERSION, procedure->number, type, serial, status };
}

static void send_error(Conversation *conversation, const PacketHeader *header, const GError *error, LibvirtErrorDomain domain) {
        GByteArray *packet = packet_begin(header);
        g_assert_true(wire_encode(WIRE_ERROR, libvirt_error_body(error, domain), packet, NULL));
        send_packet(conversation, packet);
}

static void begin_call(Conversation *conversation, const Procedure *procedure, const PacketHeader *header, const uint8_t *body,
                       size_t size);

/* Begins the calls that wait, as many as may be at work; one that is answered at once makes room for the next, as is what is not
 * begun any more. */
static void begin_waiting(Conversation *conversation) {
        if (conversation->beginning)
                return;
        conversation->beginning = true;
        while (!conversation->ended && (conversation->n_calls < CALLS_MAX || conversation->finishing) &&
               !g_queue_is_empty(&conversation->waiting)) {
                g_autoptr(WaitingCall) next = g_queue_pop_head(&conversation->waiting);
                size_t size;
                const uint8_t *body = g_bytes_get_data(next->body, &size);
                conversation->n_waiting -= size + PACKET_HEADER_SIZE;
                begin_call(conversation, procedure_find(next->header.program, next->header.procedure), &next->header, body, size);
        }
        conversation->beginning = false;
}

static void call_ended(Conversation *conversation) {
        g_assert(conversation->n_calls > 0);
        conversation->n_calls--;
        begin_waiting(conversation);
        end_if_finished(conversation);
}

void conversation_fail(Conversation *conversation, const Procedure *procedure, uint32_t serial, const GError *error,
                       LibvirtErrorDomain domain) {
        PacketHeader header = header_of(procedure, serial, PACKET_REPLY, PACKET_ERROR);
        send_error(conversation, &header, error, domain);
        call_ended(conversation);
}

void conversation_answer(Conversation *conversation, const Procedure *procedure, uint32_t serial, GVariant *reply) {
        PacketHeader header = header_of(procedure, serial, PACKET_REPLY, PACKET_OK);
        g_autoptr(GError) error = NULL;
        GByteArray *packet = packet_begin(&header);
        bool fits = wire_encode(procedure->reply, reply, packet, &error);
        if (fits && packet->len > PACKET_MAX)
                fits = libvirt_error_set(&error, LIBVIRT_RPC, TOO_LONG, packet->len);
        if (fits) {
                send_packet(conversation, packet);
                call_ended(conversation);
        } else {
                g_byte_array_unref(packet);
                conversation_fail(conversation, procedure, serial, error, LIBVIRT_FROM_RPC);
        }
}

void conversation_answer_encoded(Conversation *conversation, const Procedure *procedure, uint32_t serial,
                                 const GByteArray *body) {
        PacketHeader header = header_of(procedure, serial, PACKET_REPLY, PACKET_OK);
        g_autoptr(GError) error = NULL;
        if (body->len > PACKET_MAX - PACKET_HEADER_SIZE - PACKET_LENGTH_SIZE) {
                libvirt_error_set(&error, LIBVIRT_RPC, TOO_LONG, body->len);
                conversation_fail(conversation, procedure, serial, error, LIBVIRT_FROM_RPC);
                return;
        }
        GByteArray *packet = packet_begin(&header);
        g_byte_array_append(packet, body->data, body->len);
        send_packet(conversation, packet);
        call_ended(conversation);
}

void conversation_answer_fds(Conversation *conversation, const Procedure *procedure, uint32_t serial, const int *fds, size_t n) {
        PacketHeader header = header_of(procedure, serial, PACKET_REPLY_WITH_FDS, PACKET_OK);
        GByteArray *packet = packet_begin(&header);
        xdr_put_word(packet, (uint32_t) n);
        bool gathered = conversation->gathers;
        conversation->gathers = true; /* the descriptors follow */
        send_packet(conversation, packet);
        conversation->gathers = gathered;
        for (size_t i = 0; i < n; i++)
                if (conversation->ended)
                        close(fds[i]);
                else
                        outbox_add_fd(&conversation->outbox, fds[i]);
        if (!conversation->ended && !gathered)
                send_unsent(conversation);
        call_ended(conversation);
}

void conversation_event(Conversation *conversation, ProcedureIndex event, GVariant *body) {
        PacketHeader header = header_of(&procedures[event], 0, PACKET_EVENT, PACKET_OK);
        GByteArray *packet = packet_begin(&header);
        /* What is over a limit cannot be told; the object can still be asked. */
        if (wire_encode(procedures[event].arguments, body, packet, NULL))
                send_packet(conversation, packet);
        else
                g_byte_array_unref(packet);
}

void conversation_stream(Conversation *conversation, const Procedure *procedure, uint32_t serial, const uint8_t *data,
                         size_t size) {
        PacketHeader header = header_of(procedure, serial, PACKET_STREAM, PACKET_CONTINUE);
        GByteArray *packet = packet_begin(&header);
        g_assert(size <= PACKET_STREAM_MAX);
        g_byte_array_append(packet, data, size);
        send_packet(conversation, packet);
}

void conversation_stream_end(Conversation *conversation, const Procedure *procedure, uint32_t serial) {
        PacketHeader header = header_of(procedure, serial, PACKET_STREAM, PACKET_OK);
        send_packet(conversation, packet_begin(&header));
}

void conversation_stream_fail(Conversation *conversation, const Procedure *procedure, uint32_t serial, const GError *error) {
        PacketHeader header = header_of(procedure, serial, PACKET_STREAM, PACKET_ERROR);
        send_error(conversation, &header, error, LIBVIRT_FROM_STREAMS);
}

/* An error for what cannot be a call of ours. */
static void refuse(Conversation *conversation, const PacketHeader *call, LibvirtErrorCode code, const char *message) {
        PacketHeader header = *call;
        g_autoptr(GError) error = g_error_new_literal(LIBVIRT_ERROR, code, message);
        header.type = PACKET_REPLY;
        header.status = PACKET_ERROR;
        send_error(conversation, &header, error, LIBVIRT_FROM_RPC);
}

/* Answers what needs no more than what is known. */
static bool answer_at_once(Conversation *conversation, const Procedure *procedure, const PacketHeader *header,
                           const uint8_t *body, size_t size) {
        if (!conversation->handler->at_once)
                return false;
        PacketHeader reply = header_of(procedure, header->serial, PACKET_REPLY, PACKET_OK);
        GByteArray *packet = packet_begin(&reply);
        bool answered = conversation->handler->at_once(conversation->data, procedure, body, size, packet);
        if (answered)
                send_packet(conversation, packet);
        else
                g_byte_array_unref(packet);
        return answered;
}

static void begin_call(Conversation *conversation, const Procedure *procedure, const PacketHeader *header, const uint8_t *body,
                       size_t size) {
        g_autoptr(GError) error = NULL;
        if (conversation->finishing)
                libvirt_error_set(&error, LIBVIRT_OPERATION_ABORTED, "%s was not begun: virtbus-libvirt ends", procedure->name);
        else if (answer_at_once(conversation, procedure, header, body, size))
                return;
        g_autoptr(GVariant) arguments = error ? NULL : wire_decode(procedure->arguments, body, size, &error);
        conversation->n_calls++;
        if (arguments)
                conversation->handler->call(conversation->data, procedure, header->serial, arguments);
        else
                conversation_fail(conversation, procedure, header->serial, error, LIBVIRT_FROM_RPC);
}

static void take_call(Conversation *conversation, const PacketHeader *header, const uint8_t *body, size_t size) {
        const Procedure *procedure = procedure_find(header->program, header->procedure);
        if (header->version != PROTOCOL_VERSION)
                refuse(conversation, header, LIBVIRT_RPC, "the message is of an unknown version of the protocol");
        else if (!procedure)
                refuse(conversation, header, LIBVIRT_NO_SUPPORT, "virtbus does not know this procedure");
        else if (conversation->n_waiting + size + PACKET_HEADER_SIZE > CALLS_WAITING_MAX && conversation->n_calls >= CALLS_MAX)
                refuse(conversation, header, LIBVIRT_RPC, "too many calls are waiting for their answers; wait for some of them");
        else if (conversation->n_calls < CALLS_MAX && g_queue_is_empty(&conversation->waiting))
                begin_call(conversation, procedure, header, body, size);
        else {
                WaitingCall *waiting = g_new(WaitingCall, 1);
                *waiting = (WaitingCall){ *header, g_bytes_new(body, size) };
                conversation->n_waiting += size + PACKET_HEADER_SIZE;
                g_queue_push_tail(&conversation->waiting, waiting);
                begin_waiting(conversation);
        }
}

/* Its descriptors follow it, each with a byte. */
static void await_fds(Conversation *conversation, const Procedure *procedure, const PacketHeader *header, uint32_t n,
                      const uint8_t *body, size_t size) {
        g_autoptr(GError) error = NULL;
        GVariant *arguments = wire_decode(procedure->arguments, body, size, &error);
        conversation->n_calls++;
        if (arguments)
                conversation->awaited = (AwaitedCall){ procedure, header->serial, n, arguments, g_unix_fd_list_new() };
        else
                conversation_fail(conversation, procedure, header->serial, error, LIBVIRT_FROM_RPC);
}

/* Those of a call that is refused are let go of when they come. */
static void take_call_with_fds(Conversation *conversation, const PacketHeader *header, const uint8_t *body, size_t size) {
        const ConversationHandler *handler = conversation->handler;
        uint32_t n = size >= XDR_WORD ? xdr_word(body) : FDS_MAX + 1;
        const Procedure *procedure = procedure_find(header->program, header->procedure);
        if (n > FDS_MAX) {
                end(conversation);
                return;
        }
        packet_reader_skip(&conversation->reader, n);
        if (header->version != PROTOCOL_VERSION || !procedure || !handler->takes_fds || !handler->takes_fds(procedure))
                refuse(conversation, header, LIBVIRT_NO_SUPPORT, "virtbus takes no descriptors with this call");
        else if (conversation->n_calls >= CALLS_MAX)
                refuse(conversation, header, LIBVIRT_RPC, "too many calls are waiting for their answers; wait for some of them");
        else
                await_fds(conversation, procedure, header, n, body + XDR_WORD, size - XDR_WORD);
}

/* What has come with the bytes that were read last: of the call that waits for them, or nobody's. */
static void take_fds(Conversation *conversation, LocalFds *fds) {
        GUnixFDList *wanted = conversation->awaited.procedure ? conversation->awaited.fds : NULL;
        for (unsigned i = 0; wanted && i < fds->n && (uint32_t) g_unix_fd_list_get_length(wanted) < conversation->awaited.n; i++)
                g_unix_fd_list_append(wanted, fds->list[i], NULL);
        local_fds_close(fds);
}

/* Makes the call whose descriptors have all come. Returns whether there was one. */
static bool begin_awaited(Conversation *conversation) {
        AwaitedCall call = conversation->awaited;
        if (conversation->ended || !call.procedure || packet_reader_is_skipping(&conversation->reader))
                return false;
        conversation->awaited = (AwaitedCall){ 0 };
        if ((uint32_t) g_unix_fd_list_get_length(call.fds) == call.n)
                conversation->handler->call_with_fds(conversation->data, call.procedure, call.serial, call.arguments, call.fds);
        else {
                g_autoptr(GError) error = NULL;
                libvirt_error_set(&error, LIBVIRT_RPC, "%s: its descriptors have not come: they pass on this machine alone",
                                  call.procedure->name);
                conversation_fail(conversation, call.procedure, call.serial, error, LIBVIRT_FROM_RPC);
        }
        awaited_clear(&call);
        return true;
}

static void answer_ping(Conversation *conversation, const PacketHeader *ping) {
        PacketHeader header = *ping;
        header.procedure = KEEPALIVE_PONG;
        send_packet(conversation, packet_begin(&header));
}

static void take_packet(Conversation *conversation, const PacketHeader *header, const uint8_t *body, size_t size) {
        if (header->program == KEEPALIVE_PROGRAM) {
                if (header->procedure == KEEPALIVE_PING)
                        answer_ping(conversation, header);
        } else if (header->type == PACKET_STREAM || header->type == PACKET_STREAM_HOLE)
                conversation->handler->stream(conversation->data, header, body, size);
        else if (header->type == PACKET_CALL)
                take_call(conversation, header, body, size);
        else if (header->type == PACKET_CALL_WITH_FDS)
                take_call_with_fds(conversation, header, body, size);
        else
                end(conversation); /* anything else is not said by clients */
}

static gboolean on_readable(int fd, GIOCondition condition, void *data) {
        Conversation *conversation = data;
        uint8_t buffer[READ_SIZE];
        (void) condition;
        LocalFds fds = { .n = 0 };
        ssize_t n = local_socket_receive(fd, buffer, sizeof buffer, &fds, LOCAL_SOCKET_FDS_MAX, 0, NULL);
        if (n == -EAGAIN || n == -EINTR)
                return G_SOURCE_CONTINUE;
        if (n <= 0) {
                local_fds_close(&fds);
                end(conversation);
                return G_SOURCE_CONTINUE;
        }
        packet_reader_feed(&conversation->reader, buffer, (size_t) n);
        PacketHeader header;
        const uint8_t *body;
        size_t size;
        int r = 0;
        conversation->gathers = true;
        do {
                while (!conversation->ended && !conversation->finishing && !conversation->awaited.procedure &&
                       (r = packet_reader_next(&conversation->reader, &header, &body, &size)) > 0)
                        take_packet(conversation, &header, body, size);
                take_fds(conversation, &fds);
        } while (begin_awaited(conversation));
        conversation->gathers = false;
        if (!conversation->ended)
                send_unsent(conversation);
        end_if_finished(conversation);
        if (r < 0)
                end(conversation);
        return G_SOURCE_CONTINUE;
}

void conversation_finish(Conversation *conversation) {
        conversation->finishing = true;
        if (conversation->ended)
                return;
        g_clear_handle_id(&conversation->on_readable, g_source_remove);
        begin_waiting(conversation);
        end_if_finished(conversation);
}

/* GLib watches a source that may not recurse anew around each dispatch, and wakes itself up for both: three system calls more for
 * each call of a client. Nothing here runs the loop within it. */
static void watch_calls(Conversation *conversation) {
        g_autoptr(GSource) source = g_unix_fd_source_new(conversation->fd, G_IO_IN);
        g_source_set_can_recurse(source, TRUE);
        g_source_set_callback(source, G_SOURCE_FUNC(on_readable), conversation, NULL);
        conversation->on_readable = g_source_attach(source, NULL);
}

Conversation *conversation_new(int fd, const ConversationHandler *handler, void *data) {
        Conversation *conversation = g_new0(Conversation, 1);
        conversation->fd = fd;
        conversation->handler = handler;
        conversation->data = data;
        packet_reader_init(&conversation->reader);
        g_unix_set_fd_nonblocking(fd, TRUE, NULL);
        watch_calls(conversation);
        return conversation;
}
