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
        sd_bus_message *signal;
        size_t bytes;
        bool is_sent; /* to somebody on the bus */
        int result;
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

static void send_to_caller(Caller *caller, void *data) {
        Sending *sending = data;
        if (!may_hear(sending->audience, caller, sending->object))
                return;
        if (is_reviewed(sending->audience, caller)) {
                bool ends = sd_bus_message_is_signal(sending->signal, "org.freedesktop.DBus.ObjectManager", "InterfacesRemoved");
                held_signal(caller, sending->object, ends, sending->signal, sending->bytes);
                return;
        }
        if (caller->direct) /* see below */
                return;
        int r = send_on_bus(sending->audience, caller, sending->signal, sending->bytes);
        if (r < 0)
                sending->result = r;
        sending->is_sent = true;
}

/* When nobody on the bus may hear a signal, the service sends it to itself and ignores it. The bus shows it to its monitors,
 * such as busctl monitor, which are root's, and which have read nothing. */
static int send_to_monitors(Audience *audience, sd_bus_message *signal) {
        const char *own;
        int r = sd_bus_get_unique_name(peers_bus(audience->peers), &own);
        return r < 0 ? r : send_copy(audience, own, signal);
}

static bool peer_may_hear(const Caller *caller, void *data) {
        const Sending *sending = data;
        return !is_reviewed(sending->audience, caller) && may_hear(sending->audience, caller, sending->object);
}

int audience_signal(Audience *audience, const Object *object, sd_bus_message *signal, size_t bytes) {
        Sending sending = { .audience = audience, .object = object, .signal = signal, .bytes = bytes };
        if (object_is_public(object) || authority_is_of_user(audience->authority)) {
                int r = sd_bus_send(peers_bus(audience->peers), signal, NULL);
                peers_signal(audience->peers, signal, bytes, NULL, NULL);
                return r;
        }
        int r = sd_bus_message_seal(signal, 1, 0); /* it is not sent itself */
        if (r < 0)
                return r;
        callers_each(audience->callers, send_to_caller, &sending);
        if (!sending.is_sent)
                sending.result = send_to_monitors(audience, signal);
        peers_signal(audience->peers, signal, bytes, peer_may_hear, &sending);
        return sending.result;
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
                log_warning("%s cannot be told that it missed signals: %s", caller->name, g_strerror(-r));
}

void audience_tell_who_missed(Audience *audience) {
        callers_watch_missed(audience->callers, on_hears, audience);
}
