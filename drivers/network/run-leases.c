/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "network/run-leases.h"
#include "network/server-files.h"

#include "base/foreign.h"
#include "log.h"

/* How often the file is read again as something changed while it was read: after that, what was told meanwhile is lost to the
 * next change of the same lease. */
#define READINGS_MAX 8

/* The largest file: a line has at most some 1,100 bytes, and hardly ever more than 120. */
#define FILE_BYTES_MAX (SERVER_FILE_SIZE_MAX / 4)

typedef struct RunReading {
        NetworkRun *run;
        char *path;
        GPtrArray *leases; /* what is found; NULL: there is no file */
        unsigned n;
        void (*done)(NetworkRun *run);
} RunReading;

static void read_in_thread(void *data, GError **error) {
        RunReading *reading = data;
        g_autofree char *text = foreign_read_up_to(reading->path, FILE_BYTES_MAX);
        (void) error;
        g_clear_pointer(&reading->leases, g_ptr_array_unref);
        reading->leases = lease_read_file(text ? text : "");
}

static void on_read(void *data, const GError *error);

static void begin(RunReading *reading) {
        reading->n++;
        reading->run->leases_changed = false;
        reading->run->reads_leases = true;
        worker_run(run_state_networks(reading->run)->worker, read_in_thread, on_read, reading);
}

static void on_read(void *data, const GError *error) {
        RunReading *reading = data;
        NetworkRun *run = reading->run;
        bool is_cancelled = run->network->entry.registry->cancelled;
        if (!error && run->leases_changed && reading->n < READINGS_MAX && !is_cancelled) {
                begin(reading);
                return;
        }
        run->reads_leases = false;
        if (reading->leases)
                lease_book_replace(run->leases, reading->leases);
        void (*done)(NetworkRun * run) = reading->done;
        g_clear_pointer(&reading->leases, g_ptr_array_unref);
        g_free(reading->path);
        g_free(reading);
        done(run);
}

void run_leases_read(NetworkRun *run, void (*done)(NetworkRun *run)) {
        RunReading *reading = g_new0(RunReading, 1);
        g_autofree char *own = server_files_own(&run_state_networks(run)->servers, run->definition->uuid);
        *reading = (RunReading){ .run = run, .path = g_build_filename(own, SERVER_LEASES_FILE, NULL), .done = done };
        begin(reading);
}

/* dnsmasq writes its file before it tells: what is told while the file is read may be in it or not. */
void run_leases_hear(void *data, const char *uuid, Lease *taken, bool is_over) {
        Networks *networks = data;
        g_autoptr(Lease) lease = taken;
        const Network *network = (const Network *) registry_find(&networks->registry, uuid, NULL);
        NetworkRun *run = network ? network->run : NULL;
        if (!run)
                return;
        if (run->reads_leases)
                run->leases_changed = true;
        else if (is_over)
                lease_book_drop(run->leases, &lease->address);
        else if (!lease_book_put(run->leases, g_steal_pointer(&lease)) && !run->has_too_many_leases) {
                run->has_too_many_leases = true;
                log_error("network '%s' has more than %d leases: the others are not shown", run->definition->name, LEASES_MAX);
        }
}
