/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>

#include "bus.h"
#include "errors.h"

/* A flood from a guest must not keep other work waiting. */
#define STREAM_PRIORITY (SD_EVENT_PRIORITY_NORMAL + 10)

enum { GUEST, CLIENT };

typedef struct Side {
        Stream *stream;
        int fd;
        sd_event_source *source;
        bool finished; /* nothing more can be read from it */
        bool broken;   /* nothing more can be written to it */
        size_t n;      /* bytes that wait to be written to it */
        uint8_t buffer[STREAM_BUFFER_BYTES];
} Side;

struct Stream {
        Side sides[2];
        void (*ended)(void *data);
        void *data;
        GHashTable *left; /* where it is kept once it was left */
};

static void break_side(Side *side) {
        side->broken = true;
        side->n = 0;
}

/* Reads from one side into the other's buffer. */
static void fill(Side *from, Side *to) {
        ssize_t n = read(from->fd, to->buffer + to->n, sizeof to->buffer - to->n);
        if (n > 0)
                to->n += (size_t) n;
        else if (n == 0 || (errno != EAGAIN && errno != EINTR))
                from->finished = true; /* a client may have ended its writing only */
        if (n < 0 && from->finished)
                break_side(from);
}

static void drain(Side *side) {
        ssize_t n = write(side->fd, side->buffer, side->n);
        if (n >= 0) {
                side->n -= (size_t) n;
                memmove(side->buffer, side->buffer + n, side->n);
        } else if (errno != EAGAIN && errno != EINTR)
                break_side(side);
}

/* Whether neither side can be given anything more of what the other has said. */
static bool is_over(const Stream *stream) {
        const Side *guest = &stream->sides[GUEST], *client = &stream->sides[CLIENT];
        return (guest->broken && client->broken) || (guest->finished && client->n == 0) ||
               (client->finished && client->broken && guest->n == 0);
}

static void watch(Stream *stream) {
        for (size_t i = 0; i < 2; i++) {
                Side *side = &stream->sides[i], *other = &stream->sides[!i];
                uint32_t events = 0;
                if (!side->finished && !other->broken && other->n < sizeof other->buffer)
                        events |= EPOLLIN;
                if (side->n > 0)
                        events |= EPOLLOUT;
                sd_event_source_set_io_events(side->source, events);
                /* That it has hung up is told again and again. */
                sd_event_source_set_enabled(side->source, events == 0 && side->broken ? SD_EVENT_OFF : SD_EVENT_ON);
        }
}

static int on_io(sd_event_source *source, int fd, uint32_t events, void *data) {
        Side *side = data;
        Stream *stream = side->stream;
        Side *other = side == &stream->sides[GUEST] ? &stream->sides[CLIENT] : &stream->sides[GUEST];
        (void) source;
        (void) fd;
        if (events & (EPOLLHUP | EPOLLERR))
                break_side(side);
        if (!side->finished && !other->broken && other->n < sizeof other->buffer)
                fill(side, other); /* of one that has hung up too: it may have said something before */
        if (side->n > 0)
                drain(side);
        if (other->n > 0)
                drain(other);
        if (is_over(stream))
                stream->ended(stream->data);
        else
                watch(stream);
        return 0;
}

Stream *stream_new(sd_event *event, int guest, int *client, void (*ended)(void *data), void *data, GError **error) {
        int pair[2] = { -1, -1 };
        Stream *stream = g_new0(Stream, 1);
        stream->ended = ended;
        stream->data = data;
        int r = fcntl(guest, F_SETFL, O_NONBLOCK) < 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0 ? -errno
                                                                                                                      : 0;
        if (r >= 0 && fcntl(pair[0], F_SETFL, O_NONBLOCK) < 0)
                r = -errno;
        const int fds[2] = { [GUEST] = guest, [CLIENT] = pair[0] };
        for (size_t i = 0; i < 2; i++) {
                stream->sides[i].stream = stream;
                stream->sides[i].fd = fds[i];
                if (r >= 0)
                        r = sd_event_add_io(event, &stream->sides[i].source, fds[i], EPOLLIN, on_io, &stream->sides[i]);
                if (r >= 0)
                        r = sd_event_source_set_priority(stream->sides[i].source, STREAM_PRIORITY);
        }
        if (r < 0) {
                virtbus_error_set_errno(error, -r, "the console's stream cannot be made");
                autofd_close(&pair[1]);
                stream_free(stream);
                return NULL;
        }
        *client = pair[1];
        return stream;
}

/* Takes in what the client wrote last: left unread, it would turn the end of the stream into an error for the client. */
static void drop_input(int fd) {
        uint8_t dropped[4096];
        shutdown(fd, SHUT_RDWR); /* so that it ends */
        while (recv(fd, dropped, sizeof dropped, MSG_DONTWAIT) > 0)
                ;
}

void stream_free(Stream *stream) {
        if (stream->sides[CLIENT].fd >= 0)
                drop_input(stream->sides[CLIENT].fd);
        for (size_t i = 0; i < 2; i++) {
                sd_event_source_disable_unref(stream->sides[i].source);
                autofd_close(&stream->sides[i].fd);
        }
        g_free(stream);
}

bool stream_is_deserted(const Stream *stream) {
        return stream->sides[CLIENT].broken;
}

static void on_left_ended(void *data) {
        Stream *stream = data;
        g_hash_table_remove(stream->left, stream);
}

void stream_leave(Stream *stream, GHashTable *left) {
        if (g_hash_table_size(left) >= STREAMS_LEFT_MAX || stream->sides[CLIENT].broken) {
                stream_free(stream);
                return;
        }
        stream->ended = on_left_ended;
        stream->data = stream;
        stream->left = left;
        g_hash_table_add(left, stream);
}
