/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "callers.h"

struct Callers {
        sd_bus *bus;
        GHashTable *by_name;
        uint64_t n_direct; /* so far */
};

typedef struct Identification {
        Caller *caller;
        CallerIdentified done;
        void *data;
} Identification;

Caller *caller_ref(Caller *caller) {
        caller->n_references++;
        return caller;
}

void caller_unref(Caller *caller) {
        if (--caller->n_references > 0)
                return;
        g_hash_table_unref(caller->decisions);
        g_free(caller->name);
        g_free(caller);
}

Caller *caller_begin_call(Caller *caller) {
        caller->n_calls++;
        return caller_ref(caller);
}

void caller_end_call(Caller *caller) {
        caller->n_calls--;
        caller_unref(caller);
}

Callers *callers_new(sd_bus *bus) {
        Callers *callers = g_new0(Callers, 1);
        callers->bus = bus;
        callers->by_name = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, (GDestroyNotify) caller_unref);
        return callers;
}

void callers_free(Callers *callers) {
        g_hash_table_unref(callers->by_name);
        g_free(callers);
}

Caller *callers_get(Callers *callers, const char *name) {
        Caller *caller = g_hash_table_lookup(callers->by_name, name);
        if (!caller) {
                caller = g_new0(Caller, 1);
                caller->n_references = 1;
                caller->name = g_strdup(name);
                caller->decisions = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
                g_hash_table_insert(callers->by_name, caller->name, caller);
        }
        return caller;
}

Caller *callers_add_direct(Callers *callers, uid_t uid, pid_t pid, uint64_t start_time, bool read_only) {
        g_autofree char *name = g_strdup_printf(":peer.%" G_GUINT64_FORMAT, ++callers->n_direct);
        Caller *caller = callers_get(callers, name);
        caller->identified = caller->direct = true;
        caller->read_only = read_only;
        caller->uid = uid;
        caller->pid = pid;
        caller->start_time = start_time;
        return caller;
}

void callers_left(Callers *callers, const char *name) {
        Caller *caller = g_hash_table_lookup(callers->by_name, name);
        if (!caller)
                return;
        caller->gone = true;
        g_hash_table_remove(callers->by_name, name);
}

void callers_forget_decisions(Callers *callers) {
        GHashTableIter iterator;
        void *caller;
        g_hash_table_iter_init(&iterator, callers->by_name);
        while (g_hash_table_iter_next(&iterator, NULL, &caller))
                g_hash_table_remove_all(((Caller *) caller)->decisions);
}

static int on_uid(sd_bus_message *reply, void *data, sd_bus_error *error) {
        Identification *identification = data;
        g_autoptr(Caller) caller = identification->caller;
        uint32_t uid;
        (void) error;
        if (sd_bus_message_read(reply, "u", &uid) > 0) {
                caller->uid = uid;
                caller->identified = true;
        }
        identification->done(caller, identification->data);
        g_free(identification);
        return 0;
}

int callers_identify(Callers *callers, Caller *caller, CallerIdentified done, void *data) {
        if (caller->identified) {
                done(caller, data);
                return 0;
        }
        Identification *identification = g_new0(Identification, 1);
        *identification = (Identification){ .caller = caller_ref(caller), .done = done, .data = data };
        int r = sd_bus_call_method_async(callers->bus, NULL, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                                         "org.freedesktop.DBus", "GetConnectionUnixUser", on_uid, identification, "s",
                                         caller->name);
        if (r < 0) {
                caller_unref(caller);
                g_free(identification);
        }
        return r;
}
