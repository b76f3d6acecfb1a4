/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "streams.h"

#include <errno.h>
#include <glib-unix.h>
#include <string.h>
#include <unistd.h>

#define READ_SIZE 65536

typedef struct Stream {
        Streams *streams;
        Conversation *conversation;
        const Procedure *procedure;
        uint32_t serial;
        int fd;
        guint on_readable, on_writable;
        GByteArray *waiting; /* to be written */
        bool at_end;         /* there is nothing more to read */
        bool finishing;      /* the client has sent all: it is answered when that is written */
} Stream;

struct Streams {
        GPtrArray *all;
};

static void stream_free(void *data) {
        Stream *stream = data;
        g_clear_handle_id(&stream->on_readable, g_source_remove);
        g_clear_handle_id(&stream->on_writable, g_source_remove);
        g_byte_array_unref(stream->waiting);
        close(stream->fd);
        g_free(stream);
}

Streams *streams_new(void) {
        Streams *streams = g_new0(Streams, 1);
        streams->all = g_ptr_array_new_with_free_func(stream_free);
        return streams;
}

void streams_free(Streams *streams) {
        if (!streams)
                return;
        g_ptr_array_unref(streams->all);
        g_free(streams);
}

static Stream *find(const Streams *streams, uint32_t program, int32_t procedure, uint32_t serial) {
        for (unsigned int i = 0; i < streams->all->len; i++) {
                Stream *stream = streams->all->pdata[i];
                if (stream->procedure->program == program && stream->procedure->number == procedure && stream->serial == serial)
                        return stream;
        }
        return NULL;
}

bool streams_check(const Streams *streams, const Procedure *procedure, uint32_t serial, GError **error) {
        if (find(streams, procedure->program, procedure->number, serial))
                return libvirt_error_set(error, LIBVIRT_RPC, "there is a stream of this serial number already");
        if (streams->all->len >= STREAMS_MAX)
                return libvirt_error_set(error, LIBVIRT_RPC, "there are %d streams already; close one first", STREAMS_MAX);
        return true;
}

static void fail(Stream *stream, LibvirtErrorCode code, const char *message) {
        g_autoptr(GError) error = g_error_new_literal(LIBVIRT_ERROR, code, message);
        conversation_stream_fail(stream->conversation, stream->procedure, stream->serial, error);
        g_ptr_array_remove_fast(stream->streams->all, stream);
}

static gboolean on_readable(int fd, GIOCondition condition, void *data) {
        Stream *stream = data;
        uint8_t buffer[READ_SIZE];
        (void) condition;
        if (conversation_is_full(stream->conversation)) {
                stream->on_readable = 0;
                return G_SOURCE_REMOVE;
        }
        ssize_t n = read(fd, buffer, sizeof buffer);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return G_SOURCE_CONTINUE;
        /* A terminal that nobody holds open any more, and a socket whose other end has gone, have no more to say. */
        if (n < 0 && errno != EIO && errno != ECONNRESET) {
                fail(stream, LIBVIRT_SYSTEM_ERROR, g_strerror(errno));
                return G_SOURCE_CONTINUE;
        }
        conversation_stream(stream->conversation, stream->procedure, stream->serial, buffer, n > 0 ? (size_t) n : 0);
        if (n > 0)
                return G_SOURCE_CONTINUE;
        stream->at_end = true;
        stream->on_readable = 0;
        return G_SOURCE_REMOVE;
}

static void listen_to(Stream *stream) {
        if (stream->on_readable == 0 && !stream->at_end)
                stream->on_readable = g_unix_fd_add(stream->fd, G_IO_IN, on_readable, stream);
}

static void finish(Stream *stream) {
        conversation_stream_end(stream->conversation, stream->procedure, stream->serial);
        g_ptr_array_remove_fast(stream->streams->all, stream);
}

/* Returns false where the stream has ended by that. */
static bool write_waiting(Stream *stream) {
        while (stream->waiting->len > 0) {
                ssize_t n = write(stream->fd, stream->waiting->data, stream->waiting->len);
                if (n < 0 && (errno == EAGAIN || errno == EINTR))
                        return true;
                if (n < 0) {
                        fail(stream, LIBVIRT_SYSTEM_ERROR, g_strerror(errno));
                        return false;
                }
                g_byte_array_remove_range(stream->waiting, 0, (unsigned int) n);
        }
        if (!stream->finishing)
                return true;
        finish(stream);
        return false;
}

static gboolean on_writable(int fd, GIOCondition condition, void *data) {
        Stream *stream = data;
        (void) fd;
        (void) condition;
        if (!write_waiting(stream) || stream->waiting->len > 0)
                return G_SOURCE_CONTINUE;
        stream->on_writable = 0;
        return G_SOURCE_REMOVE;
}

static void write_on(Stream *stream) {
        if (stream->on_writable == 0 && write_waiting(stream) && stream->waiting->len > 0)
                stream->on_writable = g_unix_fd_add(stream->fd, G_IO_OUT, on_writable, stream);
}

void streams_begin(Streams *streams, Conversation *conversation, const Procedure *procedure, uint32_t serial, int fd) {
        Stream *stream = g_new0(Stream, 1);
        stream->streams = streams;
        stream->conversation = conversation;
        stream->procedure = procedure;
        stream->serial = serial;
        stream->fd = fd;
        stream->waiting = g_byte_array_new();
        g_unix_set_fd_nonblocking(fd, TRUE, NULL);
        g_ptr_array_add(streams->all, stream);
        listen_to(stream);
}

void streams_take(Streams *streams, const PacketHeader *header, const uint8_t *body, size_t size) {
        Stream *stream = find(streams, header->program, header->procedure, header->serial);
        /* One that has ended here, while this was on its way. */
        if (!stream)
                return;
        if (header->type == PACKET_STREAM_HOLE)
                fail(stream, LIBVIRT_NO_SUPPORT, "this stream has no holes");
        else if (header->status == PACKET_ERROR)
                finish(stream); /* the client has given it up, and waits for a word */
        else if (header->status == PACKET_OK) {
                stream->finishing = true;
                write_on(stream);
        } else if (header->status != PACKET_CONTINUE || stream->finishing)
                fail(stream, LIBVIRT_RPC, "the stream is at its end, or its message is of an unknown kind");
        else if (stream->waiting->len + size > STREAM_WAITING_MAX)
                fail(stream, LIBVIRT_RPC, "the other end of the stream does not take in what is sent");
        else {
                g_byte_array_append(stream->waiting, body, (unsigned int) size);
                write_on(stream);
        }
}

void streams_drained(Streams *streams) {
        for (unsigned int i = 0; i < streams->all->len; i++)
                listen_to(streams->all->pdata[i]);
}
