/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "outbox.h"

#include "bus.h"

typedef struct Answer {
        uid_t user;
        size_t bytes;
        uint64_t cookie;
} Answer;

struct Outbox {
        sd_bus *bus;
        Quota *quota;
        size_t small, bytes;
        GQueue answers; /* Answer, in order of their cookies */
};

Outbox *outbox_new(sd_bus *bus, Quota *quota, size_t small) {
        Outbox *outbox = g_new0(Outbox, 1);
        *outbox = (Outbox){ .bus = bus, .quota = quota, .small = small };
        g_queue_init(&outbox->answers);
        return outbox;
}

/* Lets go of answers with a cookie of no more than this: the bus counts its messages up. */
static void let_go(Outbox *outbox, uint64_t cookie) {
        Answer *answer;
        while ((answer = g_queue_peek_head(&outbox->answers)) && answer->cookie <= cookie) {
                quota_give_back(outbox->quota, answer->user, &(Charge){ .bytes = answer->bytes });
                outbox->bytes -= answer->bytes;
                g_free(g_queue_pop_head(&outbox->answers));
        }
}

void outbox_free(Outbox *outbox) {
        let_go(outbox, UINT64_MAX);
        g_free(outbox);
}

size_t outbox_bytes(const Outbox *outbox) {
        return outbox->bytes;
}

bool outbox_has_room(Outbox *outbox, uid_t user, size_t bytes) {
        if (bytes <= outbox->small)
                return true;
        if (bus_unwritten(outbox->bus) == 0)
                let_go(outbox, UINT64_MAX);
        return quota_of(outbox->quota, user).bytes == 0 || quota_has_room(outbox->quota, user, &(Charge){ .bytes = bytes }, true);
}

void outbox_sent(Outbox *outbox, uid_t user, size_t bytes, uint64_t cookie) {
        uint64_t n = bus_unwritten(outbox->bus);
        if (n < cookie)
                let_go(outbox, cookie - n);
        if (bytes <= outbox->small || n == 0)
                return;
        Answer *answer = g_new(Answer, 1);
        *answer = (Answer){ .user = user, .bytes = bytes, .cookie = cookie };
        g_queue_push_tail(&outbox->answers, answer);
        outbox->bytes += bytes;
        quota_take(outbox->quota, user, &(Charge){ .bytes = bytes });
}
