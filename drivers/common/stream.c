/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "stream.h"

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
        size_t n;      /* bytes that wait to be written to it */
        uint8_t buffer[STREAM_BUFFER_BYTES];
} Side;

struct Stream {
        Side sides[2];
        void (*ended)(void *data);
        void *data;
};

/* Reads from one side into the other's buffer. Returns false where the side has gone. */
static bool fill(Side *from, Side *to) {
        ssize_t n = read(from->fd, to->buffer + to->n, sizeof to->buffer - to->n);
        if (n > 0)
                to->n += (size_t) n;
        else if (n == 0)
                from->finished = true; /* a client may have ended its writing only */
        return n > 0 || (n == 0 ? from == &from->stream->sides[CLIENT] : errno == EAGAIN || errno == EINTR);
}

static bool drain(Side *side) {
        ssize_t n = write(side->fd, side->buffer, side->n);
        if (n < 0)
                return errno == EAGAIN || errno == EINTR;
        side->n -= (size_t) n;
        memmove(side->buffer, side->buffer + n, side->n);
        return true;
}

static void watch(Stream *stream) {
        for (size_t i = 0; i < 2; i++) {
                Side *side = &stream->sides[i], *other = &stream->sides[!i];
                uint32_t events = 0;
                if (!side->finished && other->n < sizeof other->buffer)
                        events |= EPOLLIN;
                if (side->n > 0)
                        events |= EPOLLOUT;
                sd_event_source_set_io_events(side->source, events);
        }
}

static int on_io(sd_event_source *source, int fd, uint32_t events, void *data) {
        Side *side = data;
        Stream *stream = side->stream;
        Side *other = side == &stream->sides[GUEST] ? &stream->sides[CLIENT] : &stream->sides[GUEST];
        bool alive = true;
        (void) source;
        (void) fd;
        if (events & EPOLLIN && other->n < sizeof other->buffer)
                alive = fill(side, other);
        else if (events & (EPOLLHUP | EPOLLERR))
                alive = false;
        if (alive && events & EPOLLOUT && side->n > 0)
                alive = drain(side);
        if (other->n > 0 && !drain(other))
                alive = false;
        if (alive)
                watch(stream);
        else
                stream->ended(stream->data);
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
