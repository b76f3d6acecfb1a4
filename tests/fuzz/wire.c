/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a client of libvirt's protocol says. The first byte chooses: a body of some procedure, or bytes on a client's socket. */

#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "at-once.h"
#include "conversation.h"
#include "libvirt-errors.h"
#include "fuzz.h"
#include "streams.h"
#include "wire.h"

/* What can be read is written as something that is read as the same. */
static void check_body(const char *type, const uint8_t *data, size_t size) {
        g_autoptr(GError) error = NULL;
        g_autoptr(GByteArray) bytes = g_byte_array_new();
        g_autoptr(GVariant) value = wire_decode(type, data, size, &error);
        if (!value) {
                g_assert_true(error && g_utf8_validate(error->message, -1, NULL));
                return;
        }
        g_assert_true(wire_encode(type, value, bytes, &error));
        g_autoptr(GVariant) again = wire_decode(type, bytes->data, bytes->len, &error);
        g_assert_no_error(error);
        g_autoptr(GByteArray) twice = g_byte_array_new();
        g_assert_true(wire_encode(type, again, twice, &error));
        g_assert_cmpmem(twice->data, twice->len, bytes->data, bytes->len);
}

typedef struct Client {
        Conversation *conversation;
        Streams *streams;
        GPtrArray *procedures; /* of calls that are not answered */
        GArray *serials;
} Client;

/* Some are answered at once, some when all was said, and some open a stream. */
static void on_call(void *data, const Procedure *procedure, uint32_t serial, GVariant *arguments) {
        Client *client = data;
        g_autoptr(GError) error = NULL;
        g_assert_nonnull(arguments);
        if (procedure->stream && streams_check(client->streams, procedure, serial, &error)) {
                int pair[2];
                g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), ==, 0);
                streams_begin(client->streams, client->conversation, procedure, serial, pair[0]);
                close(pair[1]);
        }
        if (serial % 2) {
                g_ptr_array_add(client->procedures, (void *) procedure);
                g_array_append_val(client->serials, serial);
        } else {
                g_clear_error(&error);
                libvirt_error_set(&error, LIBVIRT_NO_SUPPORT, "no");
                conversation_fail(client->conversation, procedure, serial, error, LIBVIRT_FROM_RPC);
        }
}

static void on_stream(void *data, const PacketHeader *header, const uint8_t *body, size_t size) {
        Client *client = data;
        streams_take(client->streams, header, body, size);
}

static void on_drained(void *data) {
        Client *client = data;
        streams_drained(client->streams);
}

static void on_ended(void *data) {
        (void) data;
}

static Known *some_domains(void) {
        Known *known = known_new();
        GVariantDict properties;
        g_variant_dict_init(&properties, NULL);
        g_variant_dict_insert(&properties, "Name", "s", "a");
        g_variant_dict_insert(&properties, "UUID", "s", "00000000-0000-0000-0000-000000000000");
        known_put(known, g_strdup("/a"), g_variant_ref_sink(g_variant_dict_end(&properties)));
        return known;
}

/* What is answered at once is an answer of the procedure. */
static bool on_call_at_once(void *data, const Procedure *procedure, const uint8_t *body, size_t size, GByteArray *into) {
        static Known *known;
        unsigned int before = into->len;
        (void) data;
        if (!known)
                known = some_domains();
        bool answered = at_once_answer(known, procedure, body, size, into);
        g_autoptr(GVariant) reply =
                        answered ? wire_decode(procedure->reply, into->data + before, into->len - before, NULL) : NULL;
        g_assert_true(answered ? reply != NULL : into->len == before);
        return answered;
}

static void settle(void) {
        for (int i = 0; i < FUZZ_EVENTS_MAX && g_main_context_iteration(NULL, FALSE); i++)
                ;
}

static void converse(const uint8_t *data, size_t size) {
        static const ConversationHandler handler = { on_call, on_stream, on_drained, on_ended, on_call_at_once };
        Client client = { .streams = streams_new(),
                          .procedures = g_ptr_array_new(),
                          .serials = g_array_new(FALSE, FALSE, sizeof(uint32_t)) };
        g_autoptr(GError) error = g_error_new_literal(LIBVIRT_ERROR, LIBVIRT_NO_SUPPORT, "no");
        int pair[2];
        g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), ==, 0);
        client.conversation = conversation_new(pair[1], &handler, &client);
        for (ssize_t n; size > 0; data += n, size -= (size_t) n) {
                n = send(pair[0], data, size, MSG_DONTWAIT | MSG_NOSIGNAL);
                settle();
                if (n <= 0)
                        break;
        }
        for (unsigned int i = 0; i < client.serials->len; i++)
                conversation_fail(client.conversation, client.procedures->pdata[i], g_array_index(client.serials, uint32_t, i),
                                  error, LIBVIRT_FROM_RPC);
        settle();
        streams_free(client.streams);
        conversation_free(client.conversation);
        g_ptr_array_unref(client.procedures);
        g_array_unref(client.serials);
        close(pair[0]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        Bytes bytes = { data, size };
        fuzz_folder();
        signal(SIGPIPE, SIG_IGN);
        if (bytes_take(&bytes) % 2)
                converse(bytes.at, bytes.left);
        else {
                size_t place = (size_t) bytes_take(&bytes) << 8;
                const Procedure *procedure = &procedures[(place | bytes_take(&bytes)) % N_PROCEDURES];
                check_body(procedure->arguments, bytes.at, bytes.left);
                check_body(procedure->reply, bytes.at, bytes.left);
        }
        return 0;
}
