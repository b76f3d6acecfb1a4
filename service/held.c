/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "held.h"

#include "bounds.h"
#include "decisions.h"

typedef struct Held {
        sd_bus_message *message;
        size_t bytes;
        bool is_answer, always;
        unsigned n_scopes;
        uint64_t scopes[SCOPES_MAX]; /* any of which lets hear it: the object may be gone by then */
} Held;

static void held_free(Held *held) {
        sd_bus_message_unref(held->message);
        g_free(held);
}

static Held *hold(Caller *caller, sd_bus_message *message, size_t bytes) {
        Held *held = g_new0(Held, 1);
        *held = (Held){ .message = sd_bus_message_ref(message), .bytes = bytes };
        g_queue_push_tail(&caller->held_back, held);
        return held;
}

void held_signal(Caller *caller, const Object *object, bool always, sd_bus_message *signal, size_t bytes) {
        if (caller->held_bytes + bytes + MESSAGE_BYTES > HELD_SIGNAL_BYTES_MAX) {
                caller->lost_held = true;
                return;
        }
        Held *held = hold(caller, signal, bytes);
        caller->held_bytes += bytes + MESSAGE_BYTES;
        held->n_scopes = always ? 0 : decisions_scopes(caller, object, held->scopes);
        held->always = held->n_scopes == 0;
}

bool held_answer(Caller *caller, sd_bus_message *answer, size_t bytes) {
        if (g_queue_is_empty(&caller->held_back))
                return false;
        hold(caller, answer, bytes)->is_answer = true;
        return true;
}

static bool may_hear(const Caller *caller, const Held *held) {
        for (unsigned i = 0; i < held->n_scopes; i++)
                if (scopes_have(caller->hears, held->scopes[i]))
                        return true;
        return held->always;
}

bool held_release(Caller *caller, HeldSend signal, HeldSend answer, void *data) {
        GQueue queue = caller->held_back;
        bool lost = caller->lost_held;
        Held *held;
        g_queue_init(&caller->held_back); /* answers are not held again */
        caller->held_bytes = 0;
        caller->lost_held = false;
        while ((held = g_queue_pop_head(&queue))) {
                if (held->is_answer)
                        answer(data, caller, held->message, held->bytes);
                else if (may_hear(caller, held))
                        signal(data, caller, held->message, held->bytes);
                else
                        lost = true;
                held_free(held);
        }
        return lost;
}

void held_clear(Caller *caller) {
        g_queue_clear_full(&caller->held_back, (GDestroyNotify) held_free);
        caller->held_bytes = 0;
        caller->lost_held = false;
}
