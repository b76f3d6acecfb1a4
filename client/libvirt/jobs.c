/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "jobs.h"

#include "libvirt-errors.h"

#define SERVICE "org.virtbus1"
#define JOB "org.virtbus1.Job"
#define MANAGER "org.virtbus1.Manager"
#define PROPERTIES "org.freedesktop.DBus.Properties"

typedef struct Waiter {
        JobDone done;
        void *data;
} Waiter;

struct Jobs {
        GDBusConnection *bus;
        GCancellable *cancellable;
        unsigned int of_jobs, of_losses; /* subscriptions; 0: not yet */
        unsigned int n_expected;         /* methods that have not been answered */
        bool has_lost;                   /* signals, while methods are not answered */
        GHashTable *completed;           /* path -> GVariant of the signal, while methods are not answered */
        GHashTable *waiters;             /* path -> Waiter */
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

/* Whether a job is there yet: where it has ended without a word, its waiter is told that. */

typedef struct Asked {
        Jobs *jobs;
        char *path;
} Asked;

static void on_answer(GObject *bus, GAsyncResult *result, void *data) {
        g_autofree Asked *asked = data;
        g_autofree char *path = asked->path, *key = NULL;
        g_autofree Waiter *waiter = NULL;
        g_autoptr(GError) error = NULL;
        g_autoptr(GVariant) answer = g_dbus_connection_call_finish(G_DBUS_CONNECTION(bus), result, &error);
        if (answer || g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED) ||
            !g_hash_table_steal_extended(asked->jobs->waiters, path, (void **) &key, (void **) &waiter))
                return;
        g_autoptr(GError) unknown = libvirt_error_from_name(
                        "org.virtbus1.Error.HypervisorFailed",
                        "it has ended while this client read nothing, and whether it was done is not known: look at the domain");
        waiter->done(waiter->data, unknown);
}

static void ask(Jobs *jobs, const char *path) {
        Asked *asked = g_new(Asked, 1);
        *asked = (Asked){ jobs, g_strdup(path) };
        g_dbus_connection_call(jobs->bus, SERVICE, path, PROPERTIES, "Get", g_variant_new("(ss)", JOB, "Operation"), NULL,
                               G_DBUS_CALL_FLAGS_NONE, G_MAXINT, jobs->cancellable, on_answer, asked);
}

static void on_signals_lost(GDBusConnection *bus, const char *sender, const char *path, const char *interface, const char *member,
                            GVariant *arguments, void *data) {
        Jobs *jobs = data;
        GHashTableIter iterator;
        void *job;
        (void) bus;
        (void) sender;
        (void) path;
        (void) interface;
        (void) member;
        (void) arguments;
        jobs->has_lost = jobs->n_expected > 0;
        g_hash_table_iter_init(&iterator, jobs->waiters);
        while (g_hash_table_iter_next(&iterator, &job, NULL))
                ask(jobs, job);
}

Jobs *jobs_new(GDBusConnection *bus) {
        Jobs *jobs = g_new0(Jobs, 1);
        jobs->bus = bus;
        jobs->cancellable = g_cancellable_new();
        jobs->completed = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify) g_variant_unref);
        jobs->waiters = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
        return jobs;
}

void jobs_free(Jobs *jobs) {
        if (!jobs)
                return;
        if (jobs->of_jobs) {
                g_dbus_connection_signal_unsubscribe(jobs->bus, jobs->of_jobs);
                g_dbus_connection_signal_unsubscribe(jobs->bus, jobs->of_losses);
        }
        g_cancellable_cancel(jobs->cancellable);
        g_object_unref(jobs->cancellable);
        g_hash_table_unref(jobs->completed);
        g_hash_table_unref(jobs->waiters);
        g_free(jobs);
}

void jobs_expect(Jobs *jobs) {
        jobs->n_expected++;
        if (jobs->of_jobs)
                return;
        jobs->of_jobs = g_dbus_connection_signal_subscribe(jobs->bus, SERVICE, JOB, "Completed", NULL, NULL,
                                                           G_DBUS_SIGNAL_FLAGS_NONE, on_completed, jobs, NULL);
        jobs->of_losses = g_dbus_connection_signal_subscribe(jobs->bus, SERVICE, MANAGER, "SignalsLost", NULL, NULL,
                                                             G_DBUS_SIGNAL_FLAGS_NONE, on_signals_lost, jobs, NULL);
}

void jobs_expected(Jobs *jobs) {
        if (--jobs->n_expected > 0)
                return;
        g_hash_table_remove_all(jobs->completed);
        jobs->has_lost = false;
}

void jobs_wait(Jobs *jobs, const char *path, JobDone done, void *data) {
        GVariant *completed = g_hash_table_lookup(jobs->completed, path);
        const Waiter waiter = { done, data };
        if (completed)
                complete(&waiter, completed);
        else
                g_hash_table_insert(jobs->waiters, g_strdup(path), g_memdup2(&waiter, sizeof waiter));
        if (!completed && jobs->has_lost)
                ask(jobs, path);
}
