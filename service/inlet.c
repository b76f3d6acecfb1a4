/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "inlet.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "ahead.h"
#include "bounds.h"
#include "bus.h"
#include "local-socket.h"
#include "long-header.h"
#include "message-header.h"

#define FIELDS_BYTES_MAX (64u * 1024 * 1024)

/* How many bytes one read takes at most. */
#define PIECE_MAX (64u * 1024)
static uint8_t received[PIECE_MAX];

/* A body up to here waits to be handed on with its header: sd-bus reads such a message at once, not twice. Most are some
 * bytes. */
#define WHOLE_BODY_MAX 4096u

typedef enum Stage {
        STAGE_LINES, /* the authentication */
        STAGE_HEADER,
        STAGE_LONG_HEADER,
        STAGE_BODY,
} Stage;

struct Inlet {
        const InletRules *rules;
        void *data;
        void (*drained)(void *data); /* with its own data; or NULL */
        void *drained_data;
        unsigned n_references;
        sd_bus *bus;
        int socket, feed; /* what is read, and what sd-bus reads the other end of; -1 once the connection has ended */
        sd_event_source *readable, *deadline, *again;
        Ahead *ahead; /* NULL: nothing is read beyond a message */
        Stage stage;
        size_t line_bytes;   /* of the authentication so far */
        GByteArray *head;    /* the line or header so far */
        LongHeader *longer;  /* the header, where it is longer than is kept */
        LocalFds passed;     /* with what has been read of the message; lost: some could not be kept */
        bool timed;          /* the deadline runs: of the authentication, or of the message that has begun */
        bool waiting;        /* for leave to begin */
        bool discard;        /* the body is not handed on */
        bool more;           /* there was more to read than is read at once */
        bool came;           /* something, since it was asked last */
        bool whole;          /* it is handed on with the header, which is not yet */
        bool handled;        /* sd-bus has come to the message that it was given: there is no more to read for it */
        size_t body_left;    /* to be read */
        size_t read_at_once; /* bytes, since others had their turn */
        size_t let_in;       /* what END is told */
        InletMessage message;
};

static void let_go(Inlet *inlet) {
        if (inlet->let_in && inlet->rules->end)
                inlet->rules->end(inlet->data, inlet->let_in);
        inlet->let_in = 0;
}

/* sd-bus reads the end of the connection, and does what it does then. */
static void hang_up(Inlet *inlet) {
        inlet->readable = sd_event_source_disable_unref(inlet->readable);
        inlet->deadline = sd_event_source_disable_unref(inlet->deadline);
        inlet->again = sd_event_source_disable_unref(inlet->again);
        local_fds_close(&inlet->passed);
        if (inlet->ahead)
                ahead_clear(inlet->ahead);
        let_go(inlet);
        autofd_close(&inlet->feed);
        autofd_close(&inlet->socket);
        inlet->feed = inlet->socket = -1;
}

static void unref(Inlet *inlet) {
        if (--inlet->n_references > 0)
                return;
        g_byte_array_unref(inlet->head);
        g_clear_pointer(&inlet->longer, long_header_free);
        g_free(inlet->ahead);
        g_free(inlet);
}

Inlet *inlet_new(const InletRules *rules, void *data) {
        Inlet *inlet = g_new0(Inlet, 1);
        *inlet = (Inlet){ .rules = rules, .data = data, .n_references = 1, .socket = -1, .feed = -1 };
        inlet->head = g_byte_array_new();
        inlet->ahead = rules->client ? NULL : g_new0(Ahead, 1); /* who may put anything anywhere is read piece by piece */
        return inlet;
}

void inlet_free(Inlet *inlet) {
        hang_up(inlet);
        unref(inlet);
}

void inlet_on_drained(Inlet *inlet, void (*drained)(void *data), void *data) {
        inlet->drained = drained;
        inlet->drained_data = data;
}

const InletMessage *inlet_message(Inlet *inlet) {
        inlet->handled = true;
        return &inlet->message;
}

bool inlet_has_more(Inlet *inlet) {
        bool more = inlet->more || inlet->came;
        inlet->came = false;
        return more;
}

bool inlet_is_closed(const Inlet *inlet) {
        struct pollfd other = { .fd = inlet->socket, .events = POLLRDHUP };
        return inlet->socket < 0 || poll(&other, 1, 0) > 0;
}

/* Reading */

/* Reads what there is, with descriptors. Returns how many bytes were read, 0 where there is nothing now, or a negative errno:
 * -ECONNRESET at the end. */
static ssize_t read_socket(Inlet *inlet, void *buffer, size_t size) {
        ssize_t n = local_socket_receive(inlet->socket, buffer, size, &inlet->passed, DESCRIPTORS_PER_MESSAGE_MAX, MSG_DONTWAIT,
                                         NULL);
        if (n == 0)
                return -ECONNRESET;
        return n == -EAGAIN || n == -EINTR ? 0 : n;
}

/* So, too; what was read ahead comes first. */
static ssize_t receive(Inlet *inlet, void *buffer, size_t size) {
        size_t ahead = inlet->ahead ? ahead_read(inlet->ahead, buffer, size) : 0;
        ssize_t n = ahead > 0 ? (ssize_t) ahead : read_socket(inlet, buffer, size);
        inlet->read_at_once += (size_t) MAX(n, 0);
        return n;
}

/* Once for each message: one that comes drop by drop has no more time than another. */
static void arm_deadline(Inlet *inlet, bool on) {
        if (!inlet->deadline || on == inlet->timed)
                return;
        inlet->timed = on;
        if (on)
                sd_event_source_set_time_relative(inlet->deadline, inlet->rules->timeout);
        sd_event_source_set_enabled(inlet->deadline, on ? SD_EVENT_ONESHOT : SD_EVENT_OFF);
}

/* Handing on */

/* Has sd-bus handle what it has been given. The connection may have ended then. */
static int process(Inlet *inlet) {
        int r;
        inlet->handled = false;
        do
                r = sd_bus_process(inlet->bus, NULL);
        while (r > 0 && inlet->feed >= 0 && !inlet->handled);
        return inlet->feed < 0 ? -ECANCELED : r;
}

static int hand_on(Inlet *inlet, const void *data, size_t size) {
        const uint8_t *at = data, *end = at + size;
        while (at < end) {
                ssize_t n = local_socket_send(inlet->feed, at, (size_t) (end - at), inlet->passed.list, inlet->passed.n,
                                              MSG_DONTWAIT);
                if (n < 0)
                        return (int) n; /* sd-bus has read all before: there is room */
                local_fds_close(&inlet->passed);
                at += n;
                int r = process(inlet);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* The authentication */

/* Reads up to the end of a line and not beyond, where a message may begin. */
static int read_line(Inlet *inlet) {
        char piece[AUTHENTICATION_LINE_MAX];
        size_t had = inlet->head->len;
        ssize_t n = recv(inlet->socket, piece, sizeof piece - had, MSG_PEEK | MSG_DONTWAIT);
        if (n <= 0)
                return n == 0 ? -ECONNRESET : errno == EAGAIN || errno == EINTR ? 0 : -errno;
        if (!inlet->rules->client && had == 0 && (piece[0] == 'l' || piece[0] == 'B')) { /* no line of a bus begins so */
                inlet->stage = STAGE_HEADER;
                return 1;
        }
        bool first = inlet->rules->client && inlet->line_bytes == 0;
        if (first && piece[0] != '\0') /* the very first byte is one */
                return -EBADMSG;
        g_byte_array_append(inlet->head, (const guint8 *) piece, (guint) n);
        size_t from = had > 0 ? had - 1 : 0;
        const guint8 *end = memmem(inlet->head->data + from, inlet->head->len - from, "\r\n", 2);
        size_t length = end ? (size_t) (end + 2 - inlet->head->data) : inlet->head->len;
        g_byte_array_set_size(inlet->head, (guint) length);
        n = recv(inlet->socket, piece, length - had, MSG_DONTWAIT); /* descriptors that came are gone */
        inlet->line_bytes += length - had;
        if (n != (ssize_t) (length - had))
                return -EIO;
        if (inlet->line_bytes > AUTHENTICATION_BYTES_MAX || (!end && length == sizeof piece))
                return -EBADMSG;
        if (!end)
                return 1;

        size_t skip = inlet->rules->client && inlet->line_bytes == length ? 1 : 0;
        g_autoptr(GString) line = g_string_new_len((const char *) inlet->head->data + skip, (gssize) (length - skip - 2));
        if (inlet->rules->line)
                inlet->rules->line(inlet->data, line);
        bool last = inlet->rules->client && g_string_equal(line, &(GString){ .str = (char *) "BEGIN", .len = 5 });
        g_string_append(line, "\r\n");
        if (skip)
                g_string_prepend_c(line, '\0');
        g_byte_array_set_size(inlet->head, 0);
        int r = hand_on(inlet, line->str, line->len);
        if (r >= 0 && last && sd_bus_is_ready(inlet->bus) > 0) {
                inlet->stage = STAGE_HEADER;
                arm_deadline(inlet, false);
        }
        return r < 0 ? r : 1;
}

/* Messages */

static void message_done(Inlet *inlet) {
        inlet->stage = STAGE_HEADER;
        inlet->discard = inlet->whole = inlet->passed.lost = false;
        inlet->message = (InletMessage){ 0 };
        g_byte_array_set_size(inlet->head, 0);
        arm_deadline(inlet, false);
}

/* The fixed part of a header is there: what is not one of a message is refused. */
static int check_header(Inlet *inlet) {
        const GByteArray *head = inlet->head;
        bool sane = (head->data[0] == 'l' || head->data[0] == 'B') && head->data[3] == 1 && message_header_fields_size(head) > 0;
        if (!sane)
                return -EBADMSG;
        if (message_header_size(head) <= inlet->rules->header_max)
                return 0;
        if (message_header_fields_size(head) > FIELDS_BYTES_MAX)
                return -EBADMSG;
        inlet->longer = long_header_new(head->data);
        inlet->discard = true;
        inlet->body_left = message_header_body_size(head);
        inlet->stage = STAGE_LONG_HEADER;
        return 0;
}

/* The message is handed on without body and descriptors. */
static void cut(Inlet *inlet) {
        inlet->message.cut = inlet->discard = true;
        inlet->message.bytes = inlet->head->len;
        inlet->message.descriptors = 0;
        local_fds_close(&inlet->passed);
        message_header_cut(inlet->head);
        let_go(inlet);
}

/* Hands a header on, and the descriptors with it. The kernel refuses those of a user who has too many on their way. */
static int hand_on_header(Inlet *inlet) {
        GByteArray *head = inlet->head;
        /* sd-bus may need a descriptor for its own work: it does that before it gets these, as a message without its
         * descriptors is lost. */
        int r = inlet->passed.n > 0 ? process(inlet) : 0;
        if (r >= 0)
                r = hand_on(inlet, head->data, head->len);
        if (r == -ETOOMANYREFS && inlet->passed.n > 0) {
                cut(inlet);
                r = hand_on(inlet, head->data, head->len);
        }
        return r;
}

/* The header is there whole. */
static int pass_header(Inlet *inlet) {
        GByteArray *head = inlet->head;
        size_t body = message_header_body_size(head);
        if (inlet->rules->client && inlet->passed.n > 0 && !inlet->passed.lost &&
            !message_header_is_call_with_descriptors(head, inlet->passed.n))
                return -EBADMSG;
        bool cuts = inlet->passed.lost || body > inlet->rules->body_max;
        inlet->message.bytes = head->len + (cuts ? 0 : body);
        if (inlet->rules->begin && !inlet->rules->begin(inlet->data, inlet->message.bytes)) {
                inlet->waiting = true;
                arm_deadline(inlet, false); /* it is not the other side that takes its time */
                return sd_event_source_set_io_events(inlet->readable, EPOLLRDHUP);
        }
        inlet->let_in = inlet->message.bytes;
        inlet->body_left = body;
        inlet->stage = STAGE_BODY;
        inlet->message.descriptors = inlet->passed.n;
        if (cuts)
                cut(inlet);
        else if (body == 0)
                let_go(inlet);
        inlet->whole = !cuts && body > 0 && body <= WHOLE_BODY_MAX && inlet->passed.n == 0;
        return inlet->whole ? 0 : hand_on_header(inlet);
}

/* A message begins: it and others are read at once, up to one with descriptors. Returns as receive does. */
static int read_ahead(Inlet *inlet) {
        Ahead *ahead = inlet->ahead;
        if (ahead->is_empty) { /* it is told when there is more */
                ahead->is_empty = false;
                return 0;
        }
        ssize_t n = read_socket(inlet, ahead->bytes, sizeof ahead->bytes);
        if (n <= 0)
                return (int) n;
        ahead_filled(ahead, (size_t) n, inlet->passed.list, inlet->passed.n, inlet->passed.lost);
        inlet->passed.n = 0;
        inlet->passed.lost = false;
        return 1;
}

static int begin_message(Inlet *inlet) {
        Ahead *ahead = inlet->ahead;
        int r = ahead_is_used_up(ahead) ? read_ahead(inlet) : 1;
        if (r > 0)
                inlet->passed.n = ahead_take_descriptors(ahead, inlet->passed.list, &inlet->passed.lost);
        return r;
}

static int read_header(Inlet *inlet) {
        GByteArray *head = inlet->head;
        int begun = inlet->ahead && head->len == 0 ? begin_message(inlet) : 1;
        if (begun <= 0)
                return begun;
        size_t had = head->len, wanted = had < MESSAGE_HEADER_FIXED_SIZE ? MESSAGE_HEADER_FIXED_SIZE : message_header_size(head);
        if (had < wanted) {
                g_byte_array_set_size(head, (guint) wanted);
                ssize_t n = receive(inlet, head->data + had, wanted - had);
                g_byte_array_set_size(head, (guint) (had + (size_t) MAX(n, 0)));
                if (n <= 0 || head->len < wanted)
                        return n < 0 ? (int) n : n > 0;
                if (wanted == MESSAGE_HEADER_FIXED_SIZE) {
                        int r = check_header(inlet);
                        return r < 0 ? r : 1;
                }
        }
        int r = pass_header(inlet);
        return r < 0 ? r : !inlet->waiting;
}

/* A header that is longer than is kept was read: a call is handed on, without body and descriptors. */
static int pass_long_header(Inlet *inlet) {
        g_autoptr(LongHeader) longer = g_steal_pointer(&inlet->longer);
        g_autoptr(GByteArray) head = long_header_shorten(longer);
        inlet->stage = STAGE_BODY;
        local_fds_close(&inlet->passed);
        if (!head)
                return 0;
        inlet->message = (InletMessage){ .bytes = head->len, .cut = true, .long_header = true };
        return hand_on(inlet, head->data, head->len);
}

static int read_long_header(Inlet *inlet) {
        size_t left = long_header_left(inlet->longer);
        ssize_t n = receive(inlet, received, MIN(sizeof received, left));
        if (n <= 0)
                return (int) n;
        if (!long_header_read(inlet->longer, received, (size_t) n))
                return -EBADMSG;
        int r = (size_t) n == left ? pass_long_header(inlet) : 0;
        return r < 0 ? r : 1;
}

static int hand_on_body(Inlet *inlet, const uint8_t *piece, size_t size) {
        if (inlet->discard)
                return 0;
        if (!inlet->whole)
                return hand_on(inlet, piece, size);
        g_byte_array_append(inlet->head, piece, (guint) size);
        return inlet->body_left > 0 ? 0 : hand_on(inlet, inlet->head->data, inlet->head->len);
}

/* Reads on in a body; 0 bytes are left of one that has been read. */
static int read_body(Inlet *inlet) {
        if (inlet->body_left > 0) {
                ssize_t n = receive(inlet, received, MIN(sizeof received, inlet->body_left));
                if (n <= 0)
                        return (int) n;
                local_fds_close(&inlet->passed); /* they come with a header */
                inlet->body_left -= (size_t) n;
                if (inlet->body_left == 0)
                        let_go(inlet);
                int r = hand_on_body(inlet, received, (size_t) n);
                if (r < 0)
                        return r;
        }
        if (inlet->body_left == 0)
                message_done(inlet);
        return 1;
}

static int step(Inlet *inlet) {
        switch (inlet->stage) {
        case STAGE_LINES:
                return read_line(inlet);
        case STAGE_HEADER:
                return read_header(inlet);
        case STAGE_LONG_HEADER:
                return read_long_header(inlet);
        case STAGE_BODY:
                return read_body(inlet);
        }
        return -EINVAL;
}

/* Events */

static void read_on(Inlet *inlet) {
        int r = 1;
        inlet->n_references++;
        inlet->read_at_once = 0;
        for (unsigned n = 0; r > 0 && n < INLET_STEPS_AT_ONCE && inlet->read_at_once < INLET_BYTES_AT_ONCE; n++) {
                r = step(inlet);
                inlet->came |= r > 0;
        }
        inlet->more = r > 0;
        if (r > 0 && inlet->ahead && !ahead_is_used_up(inlet->ahead))
                r = sd_event_source_set_enabled(inlet->again, SD_EVENT_ONESHOT); /* the socket may have nothing to tell */
        if (r < 0)
                hang_up(inlet);
        else if (!inlet->waiting && inlet->stage != STAGE_LINES && (inlet->stage != STAGE_HEADER || inlet->head->len > 0))
                arm_deadline(inlet, true);
        if (r == 0 && inlet->drained)
                inlet->drained(inlet->drained_data);
        unref(inlet);
}

static int on_readable(sd_event_source *source, int fd, uint32_t events, void *data) {
        Inlet *inlet = data;
        (void) source;
        (void) fd;
        (void) events;
        if (inlet->waiting) /* and the other side has gone */
                hang_up(inlet);
        else
                read_on(inlet);
        return 0;
}

static int on_deadline(sd_event_source *source, uint64_t usec, void *data) {
        (void) source;
        (void) usec;
        hang_up(data);
        return 0;
}

static int on_again(sd_event_source *source, void *data) {
        (void) source;
        read_on(data);
        return 0;
}

void inlet_resume(Inlet *inlet) {
        if (!inlet->waiting)
                return;
        inlet->waiting = false;
        if (sd_event_source_set_io_events(inlet->readable, EPOLLIN) < 0 ||
            sd_event_source_set_enabled(inlet->again, SD_EVENT_ONESHOT) < 0)
                hang_up(inlet);
}

int inlet_connect(Inlet *inlet, sd_bus *bus, int socket) {
        g_autofd int own = socket, output = fcntl(socket, F_DUPFD_CLOEXEC, 3);
        int pair[2], r = output < 0 ? -errno : 0;
        if (r >= 0 && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
                r = -errno;
        if (r < 0)
                return r;
        inlet->bus = bus;
        inlet->feed = pair[1];
        inlet->socket = steal_fd(&own);
        r = sd_bus_set_fd(bus, pair[0], output);
        if (r < 0)
                close(pair[0]);
        else
                steal_fd(&output);
        return r;
}

int inlet_start(Inlet *inlet) {
        sd_event *event = sd_bus_get_event(inlet->bus);
        /* sd-bus, as it was started, has made it megabytes */
        const int output = inlet->rules->client ? OUTPUT_BUFFER_BYTES : BUS_OUTPUT_BUFFER_BYTES;
        int r = setsockopt(inlet->socket, SOL_SOCKET, SO_SNDBUF, &output, sizeof output) < 0 ? -errno : 0;
        if (r >= 0)
                r = sd_event_add_io(event, &inlet->readable, inlet->socket, EPOLLIN, on_readable, inlet);
        if (r >= 0)
                r = sd_event_add_defer(event, &inlet->again, on_again, inlet);
        if (r >= 0)
                r = sd_event_source_set_enabled(inlet->again, SD_EVENT_OFF);
        if (r >= 0 && inlet->rules->timeout)
                r = sd_event_add_time_relative(event, &inlet->deadline, CLOCK_MONOTONIC, inlet->rules->timeout, 0, on_deadline,
                                               inlet);
        inlet->timed = inlet->deadline != NULL;
        return r;
}
