/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "callers.h"

#include <errno.h>

#include "bounds.h"
#include "bus.h"
#include "decisions.h"
#include "held.h"
#include "unread.h"

struct Callers {
        sd_bus *asking; /* by which the bus daemon is asked who they are */
        GHashTable *by_name;
        uint64_t n_direct; /* so far */
        Quota *quota;
        Outbox *outbox; /* of the bus */
        Unread *unread; /* by callers on the bus */
        Quota *unread_quota;
        GQueue to_identify; /* Caller: the bus is still to be asked about them */
        unsigned n_identifying;
};

typedef struct Identification {
        CallerIdentified done;
        void *data;
} Identification;

bool callers_have_room(const Callers *callers, const Caller *caller, const Charge *charge) {
        bool modest = caller->held.calls == 0 && charge->bytes <= MODEST_CALL_BYTES;
        return caller->held.calls < CALLS_PER_CALLER_MAX && quota_has_room(callers->quota, caller->account, charge, modest);
}

bool callers_are_over(const Callers *callers, const Caller *caller) {
        return quota_is_exceeded(callers->quota, caller->account);
}

Caller *caller_begin_call(Caller *caller, const Charge *charge) {
        charge_add(&caller->held, charge);
        quota_take(caller->callers->quota, caller->account, charge);
        return caller_ref(caller);
}

void caller_end_call(Caller *caller, const Charge *charge) {
        charge_subtract(&caller->held, charge);
        quota_give_back(caller->callers->quota, caller->account, charge);
        caller_unref(caller);
}

static void set_user(Caller *caller, uid_t uid) {
        Charge held = caller->held;
        quota_take(caller->callers->quota, uid, &held);
        quota_give_back(caller->callers->quota, caller->account, &held);
        unread_forget(caller->callers->unread, caller); /* little, of what was refused */
        caller->account = caller->uid = uid;
        caller->identified = true;
}

Callers *callers_new(sd_bus *bus, sd_bus *asking, Quota *calls, Quota *unread) {
        Callers *callers = g_new0(Callers, 1);
        callers->asking = asking;
        callers->by_name = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, (GDestroyNotify) caller_unref);
        callers->quota = calls;
        callers->outbox = outbox_new(bus, unread, SMALL_ANSWER_BYTES);
        callers->unread = unread_new(bus, unread);
        callers->unread_quota = unread;
        g_queue_init(&callers->to_identify);
        return callers;
}

void callers_watch_halted(Callers *callers, void (*changed)(void *data, Caller *caller), void *data) {
        unread_watch(callers->unread, changed, data);
}

void callers_watch_missed(Callers *callers, void (*hears)(void *data, Caller *caller), void *data) {
        unread_watch_missed(callers->unread, hears, data);
}

/* Whether it counts until it is read, not only until it is written. */
static bool is_told_of(const Caller *caller) {
        return !caller->direct && unread_is_known(caller->callers->unread);
}

void caller_has_called(Caller *caller) {
        unread_called(caller->callers->unread, caller);
}

void caller_was_told(Caller *caller, size_t bytes) {
        if (is_told_of(caller))
                unread_told(caller->callers->unread, caller, bytes);
}

bool caller_may_be_answered(const Caller *caller, size_t bytes) {
        const Quota *quota = caller->callers->unread_quota;
        if (!is_told_of(caller))
                return caller->outbox && outbox_has_room(caller->outbox, caller->account, bytes);
        return bytes <= SMALL_ANSWER_BYTES || quota_of(quota, caller->account).bytes < UNREAD_BYTES_HALT ||
               quota_has_room(quota, caller->account, &(Charge){ .bytes = bytes }, true);
}

int caller_answer(Caller *caller, sd_bus_message *answer, size_t bytes) {
        uint64_t cookie;
        if (caller->outbox && held_answer(caller, answer, bytes))
                return 0;
        int r = caller->outbox ? sd_bus_send(NULL, answer, &cookie) : -ENOTCONN;
        if (r < 0)
                return r;
        if (is_told_of(caller))
                unread_sent(caller->callers->unread, caller, bytes);
        else
                outbox_sent(caller->outbox, caller->account, bytes, cookie);
        return 0;
}

void callers_free(Callers *callers) {
        g_hash_table_unref(callers->by_name);
        outbox_free(callers->outbox);
        unread_free(callers->unread);
        g_free(callers);
}

Caller *callers_get(Callers *callers, const char *name) {
        Caller *caller = g_hash_table_lookup(callers->by_name, name);
        if (!caller) {
                caller = caller_new(callers, name, callers->outbox);
                g_hash_table_insert(callers->by_name, caller->name, caller);
        }
        return caller;
}

Caller *callers_find(Callers *callers, const char *name) {
        return g_hash_table_lookup(callers->by_name, name);
}

Caller *callers_add_direct(Callers *callers, const Identity *process, bool read_only) {
        g_autofree char *name = g_strdup_printf(":peer.%" G_GUINT64_FORMAT, ++callers->n_direct);
        Caller *caller = callers_get(callers, name);
        caller->direct = true;
        caller->read_only = read_only;
        caller->process = *process;
        set_user(caller, process->uid);
        return caller;
}

bool caller_is_there(const Caller *caller) {
        return !caller->gone && (!caller->direct || process_is_alive(caller->process.pidfd));
}

void callers_left(Callers *callers, const char *name) {
        Caller *caller = g_hash_table_lookup(callers->by_name, name);
        if (!caller)
                return;
        caller->gone = true;
        unread_forget(callers->unread, caller);
        g_hash_table_remove(callers->by_name, name);
}

void caller_forget_decisions(Caller *caller) {
        g_hash_table_remove_all(caller->allowed);
        g_hash_table_remove_all(caller->refused);
}

static void forget_decisions(Caller *caller, void *data) {
        (void) data;
        caller_forget_decisions(caller);
}

void callers_forget_decisions(Callers *callers) {
        callers_each(callers, forget_decisions, NULL);
}

void callers_each(Callers *callers, void (*each)(Caller *caller, void *data), void *data) {
        GHashTableIter iterator;
        void *caller;
        g_hash_table_iter_init(&iterator, callers->by_name);
        while (g_hash_table_iter_next(&iterator, NULL, &caller))
                each(caller, data);
}

static int ask(Callers *callers);

/* Comes before the answer about the user: the bus answers in order. */
static int on_process(sd_bus_message *reply, void *data, sd_bus_error *error) {
        Caller *caller = data;
        uint32_t pid;
        (void) error;
        if (sd_bus_message_read(reply, "u", &pid) > 0)
                caller->process.pid = (pid_t) pid;
        return 0;
}

static void identified(Caller *caller) {
        Identification *identification;
        while ((identification = g_queue_pop_head(&caller->identifying))) {
                identification->done(caller, identification->data);
                g_free(identification);
        }
}

static int on_uid(sd_bus_message *reply, void *data, sd_bus_error *error) {
        Caller *caller = data;
        Callers *callers = caller->callers;
        uint32_t uid;
        (void) error;
        callers->n_identifying--;
        if (sd_bus_message_read(reply, "u", &uid) > 0 && uid != CALLER_NOBODY_YET)
                set_user(caller, uid);
        bool late = sd_bus_error_has_name(sd_bus_message_get_error(reply), SD_BUS_ERROR_NO_REPLY);
        if (late && !caller->gone && !g_queue_is_empty(&caller->identifying)) /* whose its calls are is to be known still */
                g_queue_push_tail(&callers->to_identify, caller_ref(caller));
        else
                identified(caller);
        return ask(callers);
}

static void on_question_gone(void *data) {
        caller_unref(data);
}

/* The caller is kept until there is an answer, or no connection that it could come by. */
static int ask_about(Caller *caller, const char *method, sd_bus_message_handler_t answered) {
        sd_bus_slot *slot = NULL;
        int r = sd_bus_call_method_async(caller->callers->asking, &slot, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                                         "org.freedesktop.DBus", method, answered, caller, "s", caller->name);
        if (r < 0)
                return r;
        caller_ref(caller);
        slot_leave(slot, on_question_gone);
        return 0;
}

/* Asks the bus about those who wait, a few at a time: the bus bounds what it has to answer. */
static int ask(Callers *callers) {
        int r = 0;
        while (callers->n_identifying < IDENTIFICATIONS_MAX && !g_queue_is_empty(&callers->to_identify)) {
                g_autoptr(Caller) caller = g_queue_pop_head(&callers->to_identify);
                ask_about(caller, "GetConnectionUnixProcessID", on_process);
                r = ask_about(caller, "GetConnectionUnixUser", on_uid);
                if (r < 0) {
                        identified(caller);
                        continue;
                }
                callers->n_identifying++;
        }
        return r < 0 ? r : 0;
}

void callers_identify(Callers *callers, Caller *caller, CallerIdentified done, void *data) {
        if (caller->identified) {
                done(caller, data);
                return;
        }
        Identification *identification = g_new0(Identification, 1);
        *identification = (Identification){ .done = done, .data = data };
        g_queue_push_tail(&caller->identifying, identification);
        if (g_queue_get_length(&caller->identifying) > 1)
                return; /* it is asked already */
        g_queue_push_tail(&callers->to_identify, caller_ref(caller));
        ask(callers);
}

void callers_end(Callers *callers) {
        g_autoptr(GList) all = g_hash_table_get_values(callers->by_name);
        g_queue_clear_full(&callers->to_identify, (GDestroyNotify) caller_unref);
        for (GList *link = all; link; link = link->next)
                identified(link->data);
}
