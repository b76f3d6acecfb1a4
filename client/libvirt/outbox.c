/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "outbox.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "local-socket.h"

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

/* One descriptor, or what there is before the next one. */
static ssize_t send_some(const Outbox *outbox, int socket) {
        struct iovec parts[PARTS_MAX];
        size_t n_parts = 0;
        size_t skipped = outbox->n_first_sent;
        const Item *first = outbox->items.head->data;
        for (GList *link = outbox->items.head; link && n_parts < PARTS_MAX; link = link->next) {
                const Item *item = link->data;
                size_t size;
                const uint8_t *data = g_bytes_get_data(item->bytes, &size);
                if (item->fd >= 0 && item != first)
                        break;
                parts[n_parts++] = (struct iovec){ (uint8_t *) data + skipped, size - skipped };
                skipped = 0;
                if (item->fd >= 0)
                        break;
        }
        return local_socket_send_parts(socket, parts, n_parts, &first->fd, first->fd >= 0, 0);
}

bool outbox_send(Outbox *outbox, int socket) {
        while (!outbox_is_empty(outbox)) {
                ssize_t n = send_some(outbox, socket);
                if (n < 0)
                        return n == -EAGAIN || n == -EINTR;
                forget_sent(outbox, (size_t) n);
        }
        return true;
}
