/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unread.h"

#include <string.h>

#include "bounds.h"
#include "bus.h"
#include "log.h"

struct Unread {
        sd_bus *bus;
        Quota *quota;
        Quota *signals; /* of what is charged there, too */
        void (*changed)(void *data, Caller *caller);
        void *data;
        void (*hears)(void *data, Caller *caller);
        void *hears_data;
        GQueue waiting; /* Caller: to be asked about */
        unsigned n_questions;
        sd_event_source *later; /* when those who are halted are asked about again */
        GQueue later_asked;     /* Caller: halted or deaf still, when they were asked about last */
        bool is_silent;         /* the bus daemon does not tell */
};

Unread *unread_new(sd_bus *bus, Quota *quota) {
        const Charge all = { .bytes = UNREAD_SIGNAL_BYTES_MAX }, each = { .bytes = UNREAD_SIGNAL_BYTES_PER_USER_MAX };
        Unread *unread = g_new0(Unread, 1);
        *unread = (Unread){ .bus = bus, .quota = quota, .signals = quota_new(&all, &each) };
        g_queue_init(&unread->waiting);
        g_queue_init(&unread->later_asked);
        return unread;
}

void unread_watch(Unread *unread, void (*changed)(void *data, Caller *caller), void *data) {
        unread->changed = changed;
        unread->data = data;
}

void unread_watch_missed(Unread *unread, void (*hears)(void *data, Caller *caller), void *data) {
        unread->hears = hears;
        unread->hears_data = data;
}

void unread_free(Unread *unread) {
        sd_event_source_disable_unref(unread->later);
        g_queue_clear_full(&unread->waiting, (GDestroyNotify) caller_unref);
        g_queue_clear_full(&unread->later_asked, (GDestroyNotify) caller_unref);
        quota_free(unread->signals);
        g_free(unread);
}

bool unread_is_known(const Unread *unread) {
        return !unread->is_silent;
}

static void charge(Quota *quota, const Caller *caller, size_t *charged, size_t bytes) {
        if (bytes > *charged)
                quota_take(quota, caller->account, &(Charge){ .bytes = bytes - *charged });
        else
                quota_give_back(quota, caller->account, &(Charge){ .bytes = *charged - bytes });
        *charged = bytes;
}

/* How many signals a connection of a user's may have unread at present. */
static size_t allowed(const Unread *unread, uid_t user) {
        if (!quota_has_room(unread->signals, user, &(Charge){ .bytes = 1 }, true))
                return UNREAD_BYTES_ASKED;
        return quota_of(unread->signals, user).bytes >= UNREAD_SIGNAL_BYTES_PER_USER_MANY ? UNREAD_SIGNAL_BYTES_LARGE_PART
                                                                                          : SIZE_MAX;
}

static void set_deaf(Unread *unread, Caller *caller) {
        bool deaf = !unread->is_silent && !caller->gone && caller->told >= allowed(unread, caller->account);
        if (deaf != caller->deaf)
                log_debug("%s of user %u %s", caller->name, (unsigned) caller->account,
                          deaf ? "does not read: it is sent no more signals" : "has read: it is sent signals again");
        caller->deaf = deaf;
        if (!caller->missed || deaf || caller->gone)
                return;
        caller->missed = false;
        if (unread->hears)
                unread->hears(unread->hears_data, caller);
}

/* Corrects what is charged: there are no more signals among it than that. */
static void set_bytes(Unread *unread, Caller *caller, size_t bytes) {
        charge(unread->quota, caller, &caller->unread, bytes);
        charge(unread->signals, caller, &caller->told, MIN(caller->told, bytes));
        set_deaf(unread, caller);
}

static void set_halted(Unread *unread, Caller *caller) {
        bool is_much = quota_of(unread->quota, caller->account).bytes >= UNREAD_BYTES_HALT ||
                       quota_is_exceeded(unread->quota, caller->account);
        bool halted = !unread->is_silent && !caller->gone && caller->unread >= UNREAD_BYTES_ASKED && is_much;
        if (halted == caller->halted)
                return;
        caller->halted = halted;
        if (unread->changed)
                unread->changed(unread->data, caller);
}

void unread_forget(Unread *unread, Caller *caller) {
        set_bytes(unread, caller, 0);
        set_halted(unread, caller);
}

/* Asking */

static void ask(Unread *unread);

static void ask_about(Unread *unread, Caller *caller) {
        if (caller->asked || caller->gone)
                return;
        caller->asked = true;
        g_queue_push_tail(&unread->waiting, caller_ref(caller));
        ask(unread);
}

static int on_later(sd_event_source *source, uint64_t usec, void *data);

static void wait_to_ask(Unread *unread) {
        if (!unread->later)
                sd_event_add_time_relative(sd_bus_get_event(unread->bus), &unread->later, CLOCK_MONOTONIC, UNREAD_INTERVAL, 0,
                                           on_later, unread);
        else {
                sd_event_source_set_time_relative(unread->later, UNREAD_INTERVAL);
                sd_event_source_set_enabled(unread->later, SD_EVENT_ONESHOT);
        }
}

/* However many do not read, the bus daemon is asked no more often. */
static int on_later(sd_event_source *source, uint64_t usec, void *data) {
        Unread *unread = data;
        (void) source;
        (void) usec;
        for (unsigned n = 0; n < UNREAD_QUESTIONS_MAX && !g_queue_is_empty(&unread->later_asked); n++) {
                g_autoptr(Caller) caller = g_queue_pop_head(&unread->later_asked);
                caller->asked_later = false;
                ask_about(unread, caller);
        }
        if (!g_queue_is_empty(&unread->later_asked))
                wait_to_ask(unread);
        return 0;
}

/* The bus daemon does not tell when something is read: it is asked again after a while. */
static void ask_later(Unread *unread, Caller *caller) {
        if (caller->asked_later)
                return;
        caller->asked_later = true;
        g_queue_push_tail(&unread->later_asked, caller_ref(caller));
        if (g_queue_get_length(&unread->later_asked) == 1)
                wait_to_ask(unread);
}

/* Reads OutgoingBytes of a connection's statistics; false where there is none. */
static bool read_outgoing(sd_bus_message *reply, uint32_t *bytes) {
        const char *name, *contents;
        if (sd_bus_message_enter_container(reply, 'a', "{sv}") <= 0)
                return false;
        while (sd_bus_message_enter_container(reply, 'e', "sv") > 0) {
                if (sd_bus_message_read_basic(reply, 's', &name) <= 0 || sd_bus_message_peek_type(reply, NULL, &contents) <= 0)
                        return false;
                if (strcmp(name, "OutgoingBytes") == 0)
                        return strcmp(contents, "u") == 0 && sd_bus_message_read(reply, "v", "u", bytes) > 0;
                if (sd_bus_message_skip(reply, "v") < 0 || sd_bus_message_exit_container(reply) < 0)
                        return false;
        }
        return false;
}

typedef struct Question {
        Unread *unread;
        Caller *caller;
} Question;

static void end_question(void *data) {
        Question *question = data;
        caller_unref(question->caller);
        g_free(question);
}

static int on_statistics(sd_bus_message *reply, void *data, sd_bus_error *unused) {
        Question *question = data;
        Unread *unread = question->unread;
        Caller *caller = question->caller;
        const sd_bus_error *error = sd_bus_message_get_error(reply);
        uint32_t outgoing = 0;
        (void) unused;
        unread->n_questions--;
        caller->asked = false;
        bool late = sd_bus_error_has_name(error, SD_BUS_ERROR_NO_REPLY);
        bool told = !error && read_outgoing(reply, &outgoing);
        if (late && !caller->gone) { /* nothing is known that was not known before */
                log_warning("the bus daemon has not said how much %s has left unread; it is asked again", caller->name);
                ask_later(unread, caller);
                ask(unread);
                return 0;
        }
        /* The bus daemon does not know the name of a caller that has left. */
        if (!told && !caller->gone && !sd_bus_error_has_name(error, SD_BUS_ERROR_NAME_HAS_NO_OWNER))
                unread->is_silent = true;
        if (caller->gone || !told)
                set_bytes(unread, caller, 0);
        else /* what others have sent it counts for nothing here */
                set_bytes(unread, caller, MIN(caller->unread, outgoing + caller->sent_since));
        set_halted(unread, caller);
        if (caller->halted && caller->called_since)
                ask_about(unread, caller);
        else if (caller->halted || caller->deaf)
                ask_later(unread, caller);
        ask(unread);
        return 0;
}

static void ask(Unread *unread) {
        while (unread->n_questions < UNREAD_QUESTIONS_MAX && !g_queue_is_empty(&unread->waiting)) {
                g_autoptr(sd_bus_message) message = NULL;
                sd_bus_slot *slot = NULL;
                Question *question = g_new(Question, 1);
                *question = (Question){ .unread = unread, .caller = g_queue_pop_head(&unread->waiting) };
                question->caller->sent_since = 0;
                question->caller->called_since = false;
                int r = sd_bus_message_new_method_call(unread->bus, &message, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                                                       "org.freedesktop.DBus.Debug.Stats", "GetConnectionStats");
                if (r >= 0)
                        r = sd_bus_message_append(message, "s", question->caller->name);
                if (r >= 0)
                        r = sd_bus_call_async(unread->bus, &slot, message, on_statistics, question, UNREAD_ANSWER_TIMEOUT);
                if (r < 0) {
                        question->caller->asked = false;
                        end_question(question);
                        continue;
                }
                slot_leave(slot, end_question);
                unread->n_questions++;
        }
}

void unread_called(Unread *unread, Caller *caller) {
        caller->called_since = true;
        if (caller->halted)
                ask_about(unread, caller);
}

void unread_told(Unread *unread, Caller *caller, size_t bytes) {
        if (!unread->is_silent && !caller->gone)
                charge(unread->signals, caller, &caller->told, caller->told + bytes);
        unread_sent(unread, caller, bytes);
}

void unread_sent(Unread *unread, Caller *caller, size_t bytes) {
        if (unread->is_silent || caller->gone)
                return;
        caller->sent_since += bytes;
        set_bytes(unread, caller, caller->unread + bytes);
        set_halted(unread, caller);
        if (caller->unread >= UNREAD_BYTES_ASKED)
                ask_about(unread, caller);
}
