/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "backlog.h"

#include <time.h>

#include "bounds.h"
#include "bus.h"

/* A call, or what goes on with one that is charged elsewhere. */
typedef struct Item {
        sd_bus_message *call;
        Charge charge;
        BacklogResume resume;
        void *data;
} Item;

typedef struct Line Line;

/* The calls of one connection. */
typedef struct Waiting {
        Line *line;
        GList link; /* in the line */
        Caller *caller;
        GQueue resumed, items;
} Waiting;

/* The connections of one user, those on the bus or those without. */
struct Line {
        uid_t account;
        bool ready, direct; /* not ready: they are not taken now */
        uint64_t spent;     /* microseconds that the service has worked for it, if it had been there from the beginning */
        GQueue waiting;     /* the next one first */
};

struct Backlog {
        sd_bus *bus;
        Quota *quota;
        BacklogTake take;
        void *data;
        bool (*has_more)(void *data); /* with its own data; or NULL */
        void *more_data;
        sd_event_source *turn, *written;
        GQueue lines;   /* those that have nothing any more too, while it counts what was spent */
        uint64_t clock; /* what the line had spent that was taken from last */
        unsigned n_items;
        bool in_turn, ended;
};

Backlog *backlog_new(sd_bus *bus, unsigned descriptors, BacklogTake take, void *data) {
        const Charge all = {
                .calls = BACKLOG_CALLS_MAX,
                .bytes = BACKLOG_BYTES_MAX,
                .descriptors = MIN(BACKLOG_DESCRIPTORS_MAX, descriptors / 8),
        };
        const Charge each = {
                .calls = BACKLOG_CALLS_PER_USER_MAX,
                .bytes = BACKLOG_BYTES_PER_USER_MAX,
                .descriptors = BACKLOG_DESCRIPTORS_PER_USER_MAX,
        };
        Backlog *backlog = g_new0(Backlog, 1);
        *backlog = (Backlog){ .bus = bus, .quota = quota_new(&all, &each), .take = take, .data = data };
        g_queue_init(&backlog->lines);
        return backlog;
}

static void item_free(Backlog *backlog, const Line *line, Item *item) {
        quota_give_back(backlog->quota, line->account, &item->charge);
        backlog->n_items--;
        sd_bus_message_unref(item->call);
        g_free(item);
}

/* Ends what has no calls any more. */
static void waiting_free(Waiting *waiting) {
        g_queue_unlink(&waiting->line->waiting, &waiting->link);
        waiting->caller->waiting = NULL;
        caller_unref(waiting->caller);
        g_free(waiting);
}

/* What has waited comes before what nobody has looked at. The last one ends what it is taken from. */
static Item *pop(Waiting *waiting) {
        Item *item = g_queue_pop_head(g_queue_is_empty(&waiting->resumed) ? &waiting->items : &waiting->resumed);
        if (g_queue_is_empty(&waiting->resumed) && g_queue_is_empty(&waiting->items))
                waiting_free(waiting);
        return item;
}

/* What goes on may end the caller's other calls. */
void backlog_forget(Backlog *backlog, Caller *caller) {
        caller_ref(caller); /* the last reference may be that of what waits */
        for (Waiting *waiting; (waiting = caller->waiting);) {
                Line *line = waiting->line;
                Item *item = pop(waiting);
                if (item->resume)
                        item->resume(item->data);
                item_free(backlog, line, item);
        }
        caller_unref(caller);
}

void backlog_free(Backlog *backlog) {
        Line *line;
        sd_event_source_disable_unref(backlog->turn);
        sd_event_source_disable_unref(backlog->written);
        while ((line = g_queue_pop_head(&backlog->lines))) {
                while (!g_queue_is_empty(&line->waiting))
                        backlog_forget(backlog, ((Waiting *) g_queue_peek_head(&line->waiting))->caller);
                g_free(line);
        }
        quota_free(backlog->quota);
        g_free(backlog);
}

/* Adding */

bool backlog_has_room(const Backlog *backlog, const Caller *caller, const Charge *charge) {
        const Waiting *waiting = caller->waiting;
        return quota_has_room(backlog->quota, waiting ? waiting->line->account : caller->account, charge, !waiting);
}

static void go_on(Backlog *backlog) {
        if (backlog->turn)
                sd_event_source_set_enabled(backlog->turn, SD_EVENT_ON);
}

static bool is_ready(const Caller *caller) {
        return caller->identified && !caller->halted;
}

/* The line of a caller; who was not there begins where the others are. */
static Line *take_line(Backlog *backlog, const Caller *caller) {
        for (GList *link = backlog->lines.head; link; link = link->next) {
                Line *line = link->data;
                if (line->account == caller->account && line->ready == is_ready(caller) && line->direct == caller->direct) {
                        line->spent = MAX(line->spent, g_queue_is_empty(&line->waiting) ? backlog->clock : 0);
                        return line;
                }
        }
        Line *line = g_new0(Line, 1);
        *line = (Line){
                .account = caller->account,
                .ready = is_ready(caller),
                .direct = caller->direct,
                .spent = backlog->clock,
        };
        g_queue_init(&line->waiting);
        g_queue_push_tail(&backlog->lines, line);
        return line;
}

static Waiting *take_waiting(Backlog *backlog, Caller *caller) {
        Waiting *waiting = caller->waiting;
        if (waiting)
                return waiting;
        waiting = g_new0(Waiting, 1);
        *waiting = (Waiting){ .line = take_line(backlog, caller), .caller = caller_ref(caller) };
        g_queue_init(&waiting->resumed);
        g_queue_init(&waiting->items);
        waiting->link.data = waiting;
        g_queue_push_tail_link(&waiting->line->waiting, &waiting->link);
        return caller->waiting = waiting;
}

void backlog_resume(Backlog *backlog, Caller *caller, BacklogResume resume, void *data) {
        if (caller->gone || backlog->in_turn || backlog->ended) {
                resume(data);
                return;
        }
        Item *item = g_new(Item, 1);
        *item = (Item){ .resume = resume, .data = data };
        g_queue_push_tail(&take_waiting(backlog, caller)->resumed, item);
        backlog->n_items++;
        go_on(backlog);
}

void backlog_add(Backlog *backlog, Caller *caller, sd_bus_message *call, const Charge *charge) {
        Waiting *waiting = take_waiting(backlog, caller);
        Item *item = g_new(Item, 1);
        *item = (Item){ .call = sd_bus_message_ref(call), .charge = *charge };
        g_queue_push_tail(&waiting->items, item);
        quota_take(backlog->quota, waiting->line->account, charge);
        backlog->n_items++;
        go_on(backlog);
}

void backlog_changed(Backlog *backlog, Caller *caller) {
        Waiting *waiting = caller->waiting;
        if (!waiting || (waiting->line->ready == is_ready(caller) && waiting->line->account == caller->account))
                return;
        Line *before = waiting->line, *line = take_line(backlog, caller);
        for (GList *link = waiting->items.head; link; link = link->next) {
                const Charge *charge = &((Item *) link->data)->charge;
                quota_take(backlog->quota, line->account, charge);
                quota_give_back(backlog->quota, before->account, charge);
        }
        g_queue_unlink(&before->waiting, &waiting->link);
        g_queue_push_tail_link(&line->waiting, &waiting->link);
        waiting->line = line;
        go_on(backlog);
}

/* Taking */

typedef enum Which {
        TAKE_ALL,
        TAKE_READY,
        TAKE_DIRECT, /* of those, who are not on the bus */
} Which;

static bool is_wanted(const Line *line, Which which) {
        return which == TAKE_ALL || (line->ready && (which == TAKE_READY || line->direct));
}

/* The line that it is the turn of. Lines that have nothing are forgotten where those that come would begin no earlier. */
static Line *next_line(Backlog *backlog, Which which) {
        Line *next = NULL;
        for (GList *link = backlog->lines.head, *following; link; link = following) {
                Line *line = link->data;
                following = link->next;
                if (g_queue_is_empty(&line->waiting)) {
                        if (line->spent <= backlog->clock) {
                                g_queue_delete_link(&backlog->lines, link);
                                g_free(line);
                        }
                } else if (is_wanted(line, which) && (!next || line->spent < next->spent))
                        next = line;
        }
        return next;
}

/* Of this process, whatever else the machine does. */
static uint64_t worked(void) {
        struct timespec time;
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
        return (uint64_t) time.tv_sec * SECOND + (uint64_t) time.tv_nsec / 1000;
}

static void take_from(Backlog *backlog, Line *line) {
        Waiting *waiting = g_queue_peek_head(&line->waiting);
        g_autoptr(Caller) caller = caller_ref(waiting->caller);
        const uint64_t began = worked();
        g_queue_unlink(&line->waiting, &waiting->link);
        g_queue_push_tail_link(&line->waiting, &waiting->link);
        Item *item = pop(waiting);
        backlog->clock = MAX(backlog->clock, line->spent);
        backlog->in_turn = true;
        if (item->resume)
                item->resume(item->data);
        else
                backlog->take(backlog->data, caller, item->call, &item->charge);
        backlog->in_turn = false;
        item_free(backlog, line, item);
        const uint64_t ended = worked(); /* a system call: not within MAX */
        line->spent += MAX(ended - began, 1);
}

bool backlog_take(Backlog *backlog) {
        Line *line = backlog->n_items > 0 ? next_line(backlog, bus_unwritten(backlog->bus) > 0 ? TAKE_DIRECT : TAKE_READY) : NULL;
        if (line)
                take_from(backlog, line);
        return line != NULL;
}

void backlog_end(Backlog *backlog) {
        Line *line;
        backlog->ended = true;
        while ((line = next_line(backlog, TAKE_ALL)))
                take_from(backlog, line);
}

/* What waits for the bus to read goes on. */
static int on_written(sd_event_source *source, void *data) {
        Backlog *backlog = data;
        if (bus_unwritten(backlog->bus) > 0)
                return 0;
        sd_event_source_set_enabled(source, SD_EVENT_OFF);
        return sd_event_source_set_enabled(backlog->turn, SD_EVENT_ON);
}

void backlog_read_first(Backlog *backlog, bool (*has_more)(void *data), void *data) {
        backlog->has_more = has_more;
        backlog->more_data = data;
}

/* The turn is over until something comes, or the bus has read. */
static int end_turn(Backlog *backlog, sd_event_source *source) {
        sd_event_source_set_enabled(source, SD_EVENT_OFF);
        return bus_unwritten(backlog->bus) > 0 ? sd_event_source_set_enabled(backlog->written, SD_EVENT_ON) : 0;
}

void backlog_drained(void *data) {
        Backlog *backlog = data;
        if (backlog->n_items == 1 && backlog_take(backlog) && backlog->n_items == 0 && backlog->turn)
                end_turn(backlog, backlog->turn);
}

static int on_turn(sd_event_source *source, void *data) {
        Backlog *backlog = data;
        const unsigned calls = backlog->has_more && backlog->has_more(backlog->more_data) ? 1 : BACKLOG_TURN_CALLS;
        const gint64 end = g_get_monotonic_time() + (gint64) BACKLOG_TURN_TIME;
        for (unsigned n = 0; n < calls && g_get_monotonic_time() < end; n++)
                if (!backlog_take(backlog))
                        return end_turn(backlog, source);
        return backlog->n_items == 0 ? end_turn(backlog, source) : 0;
}

int backlog_start(Backlog *backlog) {
        sd_event *event = sd_bus_get_event(backlog->bus);
        int r = sd_event_add_defer(event, &backlog->turn, on_turn, backlog);
        if (r >= 0)
                r = sd_event_source_set_enabled(backlog->turn, SD_EVENT_OFF);
        if (r >= 0)
                r = sd_event_add_post(event, &backlog->written, on_written, backlog);
        return r < 0 ? r : sd_event_source_set_enabled(backlog->written, SD_EVENT_OFF);
}
