/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "jobs.h"

#include "libvirt-errors.h"

typedef struct Waiter {
        JobDone done;
        void *data;
} Waiter;

struct Jobs {
        GDBusConnection *bus;
        unsigned int subscription;
        unsigned int n_expected; /* methods that have not been answered */
        GHashTable *completed;   /* path -> GVariant of the signal, while methods are not answered */
        GHashTable *waiters;     /* path -> Waiter */
};

static void complete(const Waiter *waiter, GVariant *signal) {
        gboolean success;
        const char *name, *message;
        g_autoptr(GError) error = NULL;
        g_variant_get(signal, "(b&s&s)", &success, &name, &message);
        if (!success)
                error = libvirt_error_from_name(name, message);
        waiter->done(waiter->data, error);
}

static void on_completed(GDBusConnection *bus, const char *sender, const char *path, const char *interface, const char *member,
                         GVariant *arguments, void *data) {
        Jobs *jobs = data;
        (void) bus;
        (void) sender;
        (void) interface;
        (void) member;
        if (!g_variant_is_of_type(arguments, G_VARIANT_TYPE("(bss)")))
                return;
        g_autofree char *key = NULL;
        g_autofree Waiter *waiter = NULL;
        if (g_hash_table_steal_extended(jobs->waiters, path, (void **) &key, (void **) &waiter))
                complete(waiter, arguments);
        else if (jobs->n_expected > 0)
                g_hash_table_insert(jobs->completed, g_strdup(path), g_variant_ref(arguments));
}

Jobs *jobs_new(GDBusConnection *bus) {
        Jobs *jobs = g_new0(Jobs, 1);
        jobs->bus = bus;
        jobs->completed = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify) g_variant_unref);
        jobs->waiters = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
        return jobs;
}

void jobs_free(Jobs *jobs) {
        if (!jobs)
                return;
        if (jobs->subscription)
                g_dbus_connection_signal_unsubscribe(jobs->bus, jobs->subscription);
        g_hash_table_unref(jobs->completed);
        g_hash_table_unref(jobs->waiters);
        g_free(jobs);
}

void jobs_expect(Jobs *jobs) {
        jobs->n_expected++;
        if (!jobs->subscription)
                jobs->subscription = g_dbus_connection_signal_subscribe(jobs->bus, "org.virtbus1", "org.virtbus1.Job",
                                                                        "Completed", NULL, NULL, G_DBUS_SIGNAL_FLAGS_NONE,
                                                                        on_completed, jobs, NULL);
}

void jobs_expected(Jobs *jobs) {
        if (--jobs->n_expected == 0)
                g_hash_table_remove_all(jobs->completed);
}

void jobs_wait(Jobs *jobs, const char *path, JobDone done, void *data) {
        GVariant *completed = g_hash_table_lookup(jobs->completed, path);
        const Waiter waiter = { done, data };
        if (completed)
                complete(&waiter, completed);
        else
                g_hash_table_insert(jobs->waiters, g_strdup(path), g_memdup2(&waiter, sizeof waiter));
}
