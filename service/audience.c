/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "audience.h"

#include "bounds.h"
#include "bus.h"
#include "held.h"
#include "interfaces.h"
#include "log.h"
#include "paths.h"

typedef struct Sending {
        Audience *audience;
        const Object *object;
        GPtrArray *hearers; /* Caller, on the bus */
        GPtrArray *held;    /* Caller, of whom polkit is being asked what they may hear */
} Sending;

static bool may_hear(const Audience *audience, const Caller *caller, const Object *object) {
        return !caller->gone && caller->identified &&
               (authority_trusts(audience->authority, caller) || decisions_let_hear(caller, object));
}

static int send_copy(Audience *audience, const char *name, sd_bus_message *signal) {
        g_autoptr(sd_bus_message) copy = NULL;
        int r = sd_bus_message_rewind(signal, true);
        if (r >= 0)
                r = sd_bus_message_new_signal(peers_bus(audience->peers), &copy, sd_bus_message_get_path(signal),
                                              sd_bus_message_get_interface(signal), sd_bus_message_get_member(signal));
        if (r >= 0)
                r = sd_bus_message_set_destination(copy, name);
        if (r >= 0)
                r = sd_bus_message_copy(copy, signal, true);
        return r < 0 ? r : sd_bus_send(NULL, copy, NULL);
}

static int send_on_bus(Audience *audience, Caller *caller, sd_bus_message *signal, size_t bytes) {
        if (caller->deaf) {
                caller->missed = true;
                return 0;
        }
        int r = send_copy(audience, caller->name, signal);
        if (r >= 0)
                caller_was_told(caller, ANSWER_BYTES + bytes);
        return r;
}

/* True where polkit is being asked what a caller may hear. */
static bool is_reviewed(const Audience *audience, const Caller *caller) {
        return caller->review && !authority_trusts(audience->authority, caller);
}

static void find_hearer(Caller *caller, void *data) {
        Sending *sending = data;
        if (!may_hear(sending->audience, caller, sending->object))
                return;
        if (is_reviewed(sending->audience, caller))
                g_ptr_array_add(sending->held, caller_ref(caller));
        else if (!caller->direct) /* see below */
                g_ptr_array_add(sending->hearers, caller_ref(caller));
}

static bool peer_may_hear(const Caller *caller, void *data) {
        const Sending *sending = data;
        return !is_reviewed(sending->audience, caller) && may_hear(sending->audience, caller, sending->object);
}

/* The signal itself, which is built once: copying takes longer. */
static int send_itself(Audience *audience, const char *name, sd_bus_message *signal) {
        int r = sd_bus_message_set_destination(signal, name);
        return r < 0 ? r : sd_bus_send(peers_bus(audience->peers), signal, NULL);
}

/* When nobody on the bus may hear a signal, it goes to the bus daemon itself, which ignores it, and gives it to nobody else. The
 * bus shows it to its monitors, such as busctl monitor, which are root's, and which have read nothing. */
#define TO_MONITORS "org.freedesktop.DBus"

/* To one on the bus and to nobody else, as where one program manages all: most signals go so. */
static int send_to_only_one(const Sending *sending, sd_bus_message *signal, size_t bytes) {
        Caller *caller = sending->hearers->len > 0 ? sending->hearers->pdata[0] : NULL;
        if (!caller)
                return send_itself(sending->audience, TO_MONITORS, signal);
        if (caller->deaf) {
                caller->missed = true;
                return 0;
        }
        int r = send_itself(sending->audience, caller->name, signal);
        if (r >= 0)
                caller_was_told(caller, ANSWER_BYTES + bytes);
        return r;
}

static int send_to_each(Sending *sending, sd_bus_message *signal, size_t bytes) {
        Audience *audience = sending->audience;
        bool ends = sd_bus_message_is_signal(signal, "org.freedesktop.DBus.ObjectManager", "InterfacesRemoved") > 0;
        int result = sd_bus_message_seal(signal, 1, 0); /* it is not sent itself */
        if (result < 0)
                return result;
        for (guint i = 0; i < sending->held->len; i++)
                held_signal(sending->held->pdata[i], sending->object, ends, signal, bytes);
        for (guint i = 0; i < sending->hearers->len; i++) {
                int r = send_on_bus(audience, sending->hearers->pdata[i], signal, bytes);
                if (r < 0)
                        result = r;
        }
        if (sending->hearers->len == 0)
                result = send_copy(audience, TO_MONITORS, signal);
        peers_signal(audience->peers, signal, bytes, peer_may_hear, sending);
        return result;
}

int audience_signal(Audience *audience, const Object *object, sd_bus_message *signal, size_t bytes) {
        if (object_is_public(object) || authority_is_of_user(audience->authority)) {
                int r = sd_bus_send(peers_bus(audience->peers), signal, NULL);
                peers_signal(audience->peers, signal, bytes, NULL, NULL);
                return r;
        }
        g_autoptr(GPtrArray) hearers = g_ptr_array_new_with_free_func((GDestroyNotify) caller_unref),
                             held = g_ptr_array_new_with_free_func((GDestroyNotify) caller_unref);
        Sending sending = { .audience = audience, .object = object, .hearers = hearers, .held = held };
        callers_each(audience->callers, find_hearer, &sending);
        if (hearers->len <= 1 && held->len == 0 && !peers_hear(audience->peers, peer_may_hear, &sending))
                return send_to_only_one(&sending, signal, bytes);
        return send_to_each(&sending, signal, bytes);
}

typedef struct Search {
        const Audience *audience;
        const Object *object;
        bool found;
} Search;

static void search_hearer(Caller *caller, void *data) {
        Search *search = data;
        search->found |= may_hear(search->audience, caller, search->object);
}

bool audience_hears(const Audience *audience, const Object *object) {
        Search search = {
                .audience = audience,
                .object = object,
                .found = object_is_public(object) || authority_is_of_user(audience->authority),
        };
        if (!search.found)
                callers_each(audience->callers, search_hearer, &search);
        return search.found;
}

static bool is_this_one(const Caller *caller, void *data) {
        return caller == data;
}

/* Sends a sealed signal. */
static int send_to_one(Audience *audience, Caller *caller, sd_bus_message *signal, size_t bytes) {
        if (!caller->direct)
                return send_on_bus(audience, caller, signal, bytes);
        peers_signal(audience->peers, signal, bytes, is_this_one, caller);
        return 0;
}

int audience_signal_one(Audience *audience, Caller *caller, sd_bus_message *signal, size_t bytes) {
        int r = sd_bus_message_seal(signal, 1, 0);
        return r < 0 ? r : send_to_one(audience, caller, signal, bytes);
}

static void send_held(void *data, Caller *caller, sd_bus_message *signal, size_t bytes) {
        int r = send_to_one(data, caller, signal, bytes);
        if (r < 0)
                log_warning("a signal cannot be sent to %s: %s", caller->name, g_strerror(-r));
}

static void send_held_answer(void *unused, Caller *caller, sd_bus_message *answer, size_t bytes) {
        (void) unused;
        caller_answer(caller, answer, bytes); /* whoever has left gets none */
}

static void on_hears(void *data, Caller *caller);

void audience_release(Audience *audience, Caller *caller) {
        if (caller->gone) {
                held_clear(caller);
                return;
        }
        /* Who hears of nothing any more is told nothing, unless it turns out to hear of parts. */
        caller->lost_held = held_release(caller, send_held, send_held_answer, audience);
        if (!caller->lost_held || g_hash_table_size(caller->hears) == 0)
                return;
        caller->lost_held = false;
        on_hears(audience, caller);
}

/* Before anything else that it is sent from now on: what it lists then has what is told next. */
static void on_hears(void *data, Caller *caller) {
        Audience *audience = data;
        g_autoptr(sd_bus_message) signal = NULL;
        int r = sd_bus_message_new_signal(peers_bus(audience->peers), &signal, MANAGER_PATH, interface_manager.name,
                                          "SignalsLost");
        if (r >= 0)
                r = audience_signal_one(audience, caller, signal, 0);
        if (r < 0)
                log_warning("cannot tell %s that it missed signals: %s", caller->name, g_strerror(-r));
}

void audience_tell_who_missed(Audience *audience) {
        callers_watch_missed(audience->callers, on_hears, audience);
}
