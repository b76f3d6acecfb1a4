/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/job.h"
#include "errors.h"
#include "peer-pair.h"

#define JOB_INTERFACE "org.virtbus1.Job"

typedef struct Fixture {
        Objects *objects;
        PeerPair pair;
        unsigned n_cancels;
        char *properties; /* of the last change, as text; of Completed, its arguments */
        sd_bus_slot *slot;
} Fixture;

/* What the service is told of a job. */
static int read_signal(sd_bus_message *signal, void *data, sd_bus_error *unused) {
        Fixture *fixture = data;
        (void) unused;
        if (sd_bus_message_is_signal(signal, JOB_INTERFACE, "Completed")) {
                const char *name, *message;
                int success;
                g_assert_cmpint(sd_bus_message_read(signal, "bss", &success, &name, &message), >, 0);
                g_free(fixture->properties);
                fixture->properties = g_strdup_printf("%d %s %s", success, name, message);
        } else if (sd_bus_message_is_signal(signal, "org.freedesktop.DBus.Properties", "PropertiesChanged")) {
                uint64_t done, total;
                double progress;
                g_assert_cmpint(sd_bus_message_read(signal, "sa{sv}", NULL, 3, NULL, "t", &done, NULL, "t", &total, NULL, "d",
                                                    &progress),
                                >, 0);
                g_free(fixture->properties);
                fixture->properties = g_strdup_printf("%" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT " %.2f", done, total, progress);
        }
        return 0;
}

static void set_up(Fixture *fixture, gconstpointer unused) {
        (void) unused;
        fixture->objects = objects_new();
        peer_pair_open(&fixture->pair, fixture->objects);
        objects_set_peer(fixture->objects, fixture->pair.driver);
        g_assert_cmpint(sd_bus_add_filter(fixture->pair.service, &fixture->slot, read_signal, fixture), >=, 0);
}

static void tear_down(Fixture *fixture, gconstpointer unused) {
        (void) unused;
        g_assert_cmpuint(jobs_running(), ==, 0);
        sd_bus_slot_unref(fixture->slot);
        objects_free(fixture->objects);
        peer_pair_close(&fixture->pair);
        g_free(fixture->properties);
}

static void on_cancel(Job *job, void *data) {
        Fixture *fixture = data;
        g_assert_true(job_data(job) == data);
        fixture->n_cancels++;
}

static Job *new_job(Fixture *fixture, bool cancellable) {
        return job_new(fixture->objects, "unit", "save", "/org/virtbus1/domain", 1000, cancellable ? on_cancel : NULL, fixture);
}

static void cancel(Fixture *fixture, const Job *job, PeerCall *answer) {
        peer_call_send(&fixture->pair, peer_call_new(&fixture->pair, job_path(job), JOB_INTERFACE, "Cancel"), answer);
}

static void test_it_ends_with_one_completed(Fixture *fixture, gconstpointer unused) {
        (void) unused;
        Job *job = new_job(fixture, false);
        g_autofree char *path = g_strdup(job_path(job)),
                        *wanted = g_strdup_printf("Completed(%s) ObjectsRemoved(/org/virtbus1/driver) ", path);
        g_assert_true(g_str_has_prefix(path, "/org/virtbus1/job/unit_"));
        g_assert_cmpuint(jobs_running(), ==, 1);
        peer_pair_assert_heard(&fixture->pair, "ObjectsAdded(/org/virtbus1/driver) ");
        job_end(job, NULL);
        peer_pair_assert_heard(&fixture->pair, wanted);
        g_assert_cmpstr(fixture->properties, ==, "1  ");
}

static void test_a_failure_has_its_name_and_words(Fixture *fixture, gconstpointer unused) {
        g_autoptr(GError) error = NULL, foreign = g_error_new(G_FILE_ERROR, G_FILE_ERROR_NOSPC, "of another domain");
        (void) unused;
        virtbus_error_set(&error, VIRTBUS_ERROR_LIMIT_EXCEEDED, "the disk is full");
        job_end(new_job(fixture, false), error);
        peer_pair_run(&fixture->pair);
        g_assert_cmpstr(fixture->properties, ==, "0 org.virtbus1.Error.LimitExceeded the disk is full");
        job_end(new_job(fixture, false), foreign);
        peer_pair_run(&fixture->pair);
        g_assert_cmpstr(fixture->properties, ==, "0 org.virtbus1.Error.HypervisorFailed of another domain");
}

static void test_progress_is_a_part_of_one(Fixture *fixture, gconstpointer unused) {
        static const struct {
                uint64_t done, total;
                const char *told;
        } cases[] = {
                { 0, 0, "0 0 0.00" },
                { 5, 0, "5 0 0.00" }, /* of what is not known yet */
                { 1, 4, "1 4 0.25" },
                { 4, 4, "4 4 1.00" },
                { 9, 4, "9 4 1.00" }, /* it became more meanwhile */
                { UINT64_MAX, UINT64_MAX, "18446744073709551615 18446744073709551615 1.00" },
        };
        Job *job = new_job(fixture, false);
        (void) unused;
        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                job_progress(job, cases[i].done, cases[i].total);
                peer_pair_run(&fixture->pair);
                g_assert_cmpstr(fixture->properties, ==, cases[i].told);
        }
        job_end(job, NULL);
}

static void test_cancelling_is_asked_of_the_work(Fixture *fixture, gconstpointer unused) {
        g_auto(PeerCall) answer, again;
        (void) unused;
        Job *job = new_job(fixture, true);
        cancel(fixture, job, &answer);
        peer_call_assert_error(&answer, NULL);
        g_assert_cmpuint(fixture->n_cancels, ==, 1);
        cancel(fixture, job, &again); /* which the work may have noticed already */
        peer_call_assert_error(&again, NULL);
        job_end(job, NULL);
}

static void test_what_cannot_be_cancelled_says_so(Fixture *fixture, gconstpointer unused) {
        g_auto(PeerCall) answer;
        (void) unused;
        Job *job = new_job(fixture, false);
        cancel(fixture, job, &answer);
        peer_call_assert_error(&answer, "org.virtbus1.Error.Unsupported");
        g_assert_nonnull(strstr(sd_bus_message_get_error(answer.answer)->message, "a save cannot be stopped"));
        job_end(job, NULL);
}

/* Somebody cancels at the moment that it ends. */
static void test_one_that_has_ended_is_not_there(Fixture *fixture, gconstpointer unused) {
        g_auto(PeerCall) answer;
        (void) unused;
        Job *job = new_job(fixture, true);
        sd_bus_message *message = peer_call_new(&fixture->pair, job_path(job), JOB_INTERFACE, "Cancel");
        job_end(job, NULL);
        peer_call_send(&fixture->pair, message, &answer);
        peer_call_assert_error(&answer, SD_BUS_ERROR_UNKNOWN_OBJECT);
        g_assert_cmpuint(fixture->n_cancels, ==, 0);
}

static void test_no_two_have_one_path(Fixture *fixture, gconstpointer unused) {
        enum { N_JOBS = 100 };
        g_autoptr(GHashTable) paths = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        Job *jobs[N_JOBS];
        (void) unused;
        for (unsigned i = 0; i < N_JOBS; i++) {
                jobs[i] = new_job(fixture, false);
                g_assert_true(g_hash_table_add(paths, g_strdup(job_path(jobs[i]))));
        }
        g_assert_cmpuint(jobs_running(), ==, N_JOBS);
        for (unsigned i = 0; i < N_JOBS; i++)
                job_end(jobs[i], NULL);
}

#define ADD(name, test) g_test_add("/job/" name, Fixture, NULL, set_up, test, tear_down)

int main(int argc, char *argv[]) {
        g_test_init(&argc, &argv, NULL);
        ADD("it-ends-with-one-completed", test_it_ends_with_one_completed);
        ADD("a-failure-has-its-name-and-words", test_a_failure_has_its_name_and_words);
        ADD("progress-is-a-part-of-one", test_progress_is_a_part_of_one);
        ADD("cancelling-is-asked-of-the-work", test_cancelling_is_asked_of_the_work);
        ADD("what-cannot-be-cancelled-says-so", test_what_cannot_be_cancelled_says_so);
        ADD("one-that-has-ended-is-not-there", test_one_that_has_ended_is_not_there);
        ADD("no-two-have-one-path", test_no_two_have_one_path);
        return g_test_run();
}
