/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/monitor/event-flow.h"

#include <string.h>

#define SECOND UINT64_C(1000000)

typedef struct Waiting {
        char *name, *text; /* TEXT: its arguments */
        JsonObject *arguments;
} Waiting;

struct EventFlow {
        sd_event *event;
        EventTake take;
        void *data;
        unsigned allowed;    /* events, now */
        uint64_t allowed_at; /* when that was so */
        GQueue waiting;      /* Waiting, in the order in which they were told last */
        sd_event_source *later;
        bool *freed; /* set while a callback may free us */
};

EventFlow *event_flow_new(sd_event *event, EventTake take, void *data) {
        EventFlow *flow = g_new0(EventFlow, 1);
        *flow = (EventFlow){ .event = sd_event_ref(event), .take = take, .data = data, .allowed = EVENTS_AT_ONCE };
        g_queue_init(&flow->waiting);
        return flow;
}

static void waiting_free(Waiting *waiting) {
        if (waiting->arguments)
                json_object_unref(waiting->arguments);
        g_free(waiting->name);
        g_free(waiting->text);
        g_free(waiting);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Waiting, waiting_free)

void event_flow_free(EventFlow *flow) {
        if (flow->freed)
                *flow->freed = true;
        sd_event_source_disable_unref(flow->later);
        g_queue_clear_full(&flow->waiting, (GDestroyNotify) waiting_free);
        sd_event_unref(flow->event);
        g_free(flow);
}

static void allow_more(EventFlow *flow) {
        uint64_t at = 0;
        sd_event_now(flow->event, CLOCK_MONOTONIC, &at);
        uint64_t more = (at - flow->allowed_at) / (SECOND / EVENTS_PER_SECOND);
        if (more == 0)
                return;
        flow->allowed = (unsigned) MIN(flow->allowed + more, EVENTS_AT_ONCE);
        flow->allowed_at = at;
}

/* Passes on what may be; false where the flow was freed. */
static bool pass_on(EventFlow *flow) {
        bool freed = false, *outer = flow->freed;
        flow->freed = &freed;
        while (!freed && flow->allowed > 0 && !g_queue_is_empty(&flow->waiting)) {
                g_autoptr(Waiting) next = g_queue_pop_head(&flow->waiting);
                flow->allowed--;
                flow->take(flow->data, next->name, next->arguments);
        }
        if (freed && outer)
                *outer = true;
        if (!freed)
                flow->freed = outer;
        return !freed;
}

static int on_later(sd_event_source *source, uint64_t usec, void *data);

/* Passes on what may be, and sees to what may not yet. */
static void go_on(EventFlow *flow) {
        allow_more(flow);
        if (flow->freed || !pass_on(flow) || g_queue_is_empty(&flow->waiting) || flow->later)
                return;
        sd_event_add_time_relative(flow->event, &flow->later, CLOCK_MONOTONIC, SECOND / EVENTS_PER_SECOND, 0, on_later, flow);
}

static int on_later(sd_event_source *source, uint64_t usec, void *data) {
        EventFlow *flow = data;
        (void) source;
        (void) usec;
        flow->later = sd_event_source_disable_unref(flow->later);
        go_on(flow);
        return 0;
}

/* Forgets an event that waits already: it has been told again. */
static void forget(EventFlow *flow, const Waiting *told) {
        for (GList *link = flow->waiting.head; link; link = link->next) {
                Waiting *waiting = link->data;
                if (strcmp(waiting->name, told->name) != 0 || strcmp(waiting->text, told->text) != 0)
                        continue;
                g_queue_delete_link(&flow->waiting, link);
                waiting_free(waiting);
                return;
        }
}

void event_flow_told(EventFlow *flow, const char *name, JsonObject *arguments) {
        Waiting *told = g_new(Waiting, 1);
        *told = (Waiting){
                .name = g_strdup(name),
                .text = arguments ? json_text(arguments) : g_strdup(""),
                .arguments = arguments ? json_object_ref(arguments) : NULL,
        };
        forget(flow, told);
        g_queue_push_tail(&flow->waiting, told);
        if (g_queue_get_length(&flow->waiting) > EVENTS_WAITING_MAX)
                waiting_free(g_queue_pop_head(&flow->waiting));
        go_on(flow);
}
