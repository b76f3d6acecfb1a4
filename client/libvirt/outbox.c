/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "outbox.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define PARTS_MAX 64 /* messages that are sent at once */

typedef struct Item {
        GBytes *bytes;
        int fd; /* -1: none */
} Item;

static void item_free(void *data) {
        Item *item = data;
        g_bytes_unref(item->bytes);
        if (item->fd >= 0)
                close(item->fd);
        g_free(item);
}

void outbox_clear(Outbox *outbox) {
        g_queue_clear_full(&outbox->items, item_free);
        *outbox = (Outbox){ 0 };
}

static void add(Outbox *outbox, GBytes *bytes, int fd) {
        Item *item = g_new(Item, 1);
        *item = (Item){ bytes, fd };
        outbox->n_bytes += g_bytes_get_size(bytes);
        g_queue_push_tail(&outbox->items, item);
}

void outbox_add(Outbox *outbox, GBytes *message) {
        add(outbox, message, -1);
}

void outbox_add_fd(Outbox *outbox, int fd) {
        add(outbox, g_bytes_new_static("", 1), fd);
}

bool outbox_is_empty(const Outbox *outbox) {
        return outbox->items.length == 0;
}

static void forget_sent(Outbox *outbox, size_t n) {
        outbox->n_bytes -= n;
        n += outbox->n_first_sent;
        for (Item *first; (first = g_queue_peek_head(&outbox->items)) && n >= g_bytes_get_size(first->bytes);) {
                n -= g_bytes_get_size(first->bytes);
                item_free(g_queue_pop_head(&outbox->items));
        }
        outbox->n_first_sent = n;
}

static void attach(struct msghdr *message, void *control, size_t size, int fd) {
        message->msg_control = control;
        message->msg_controllen = size;
        struct cmsghdr *part = CMSG_FIRSTHDR(message);
        part->cmsg_level = SOL_SOCKET;
        part->cmsg_type = SCM_RIGHTS;
        part->cmsg_len = CMSG_LEN(sizeof fd);
        memcpy(CMSG_DATA(part), &fd, sizeof fd);
}

/* One descriptor, or what there is before the next one. */
static ssize_t send_some(const Outbox *outbox, int socket) {
        struct iovec parts[PARTS_MAX];
        struct msghdr message = { .msg_iov = parts };
        union {
                struct cmsghdr header;
                char space[CMSG_SPACE(sizeof(int))];
        } control = { 0 };
        size_t skipped = outbox->n_first_sent;
        const Item *first = outbox->items.head->data;
        for (GList *link = outbox->items.head; link && message.msg_iovlen < PARTS_MAX; link = link->next) {
                const Item *item = link->data;
                size_t size;
                const uint8_t *data = g_bytes_get_data(item->bytes, &size);
                if (item->fd >= 0 && item != first)
                        break;
                parts[message.msg_iovlen++] = (struct iovec){ (uint8_t *) data + skipped, size - skipped };
                skipped = 0;
                if (item->fd >= 0) {
                        attach(&message, control.space, sizeof control.space, item->fd);
                        break;
                }
        }
        return sendmsg(socket, &message, MSG_NOSIGNAL);
}

bool outbox_send(Outbox *outbox, int socket) {
        while (!outbox_is_empty(outbox)) {
                ssize_t n = send_some(outbox, socket);
                if (n < 0)
                        return errno == EAGAIN || errno == EINTR;
                forget_sent(outbox, (size_t) n);
        }
        return true;
}
