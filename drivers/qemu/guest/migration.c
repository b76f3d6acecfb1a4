/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/guest/migration.h"

#include <fcntl.h>
#include <string.h>

#include "domain/operations/managed-save.h"
#include "domain/operations/save.h"
#include "domain/operations/start.h"
#include "log.h"
#include "qemu/guest/progress.h"
#include "qemu/monitor/script.h"

/* No bound: the disk is one. QEMU's own would be for a network. */
#define BANDWIDTH G_MAXINT64

static Operation *saving_of(const Guest *guest) {
        Operation *operation = guest->domain->operation;
        return operation_is(operation, &save_class) ? operation : NULL;
}

static JsonObject *capabilities(void) {
        JsonObject *arguments = json_object_new();
        JsonArray *array = json_array_new();
        json_array_add_object_element(array, json_make("capability", 's', "events", "state", 'b', TRUE, NULL));
        json_object_set_array_member(arguments, "capabilities", array);
        return arguments;
}

static void add_fd(Script *script, int fd, const char *name) {
        script_add(script, monitor_request_new("getfd", json_make("fdname", 's', name, NULL), fcntl(fd, F_DUPFD_CLOEXEC, 3)));
}

/* Going on */

/* What is to follow when the processors run again. */
typedef struct Continuing {
        Guest *guest;
        GError *error;
        bool written;         /* saving_written is to be told, else the operation ends */
        bool has_asked_again; /* to go on */
} Continuing;

static void continuing_free(void *data) {
        Continuing *continuing = data;
        g_error_free(continuing->error);
        g_free(continuing);
}

static void on_going_on(void *data, JsonObject *answer, const GError *error);

/* A migration that is cancelled at its very end is told as that before QEMU's own thread has let go of the machine, and no event
 * tells of that: "cont" is refused until then. Its thread waits for nothing but the lock that answering takes. */
static void on_run_state_known(void *data, JsonObject *answer, const GError *error) {
        Continuing *continuing = data;
        bool is_ending = g_strcmp0(json_string(json_member(answer, "return"), "status"), "finish-migrate") == 0;
        Monitor *monitor = continuing->guest->monitor;
        if (!error && is_ending)
                monitor_ask(monitor, "query-status", NULL, on_run_state_known, continuing, continuing_free);
        else if (!error && !continuing->has_asked_again) {
                continuing->has_asked_again = true;
                monitor_ask(monitor, "cont", NULL, on_going_on, continuing, continuing_free);
        } else
                on_going_on(continuing, NULL, NULL);
}

static void on_going_on(void *data, JsonObject *answer, const GError *error) {
        Continuing *continuing = data;
        Operation *operation = saving_of(continuing->guest);
        (void) answer;
        if (error && operation && !continuing->has_asked_again) {
                monitor_ask(continuing->guest->monitor, "query-status", NULL, on_run_state_known, continuing, continuing_free);
                return;
        }
        /* A guest that cannot go on has ended, or is told as paused. */
        if (operation && continuing->written)
                saving_written(operation, continuing->error);
        else if (operation)
                saving_failed(operation, continuing->error);
        continuing_free(continuing);
}

static void go_on(Guest *guest, const GError *error, bool written) {
        Continuing *continuing = g_new0(Continuing, 1);
        *continuing = (Continuing){ .guest = guest, .error = g_error_copy(error), .written = written };
        progress_end(guest);
        if (guest->domain->resumes)
                monitor_ask(guest->monitor, "cont", NULL, on_going_on, continuing, continuing_free);
        else
                on_going_on(continuing, NULL, NULL);
}

void migration_continue(Operation *operation, const GError *error) {
        go_on(operation->domain->run, error, false);
}

static void on_event(Guest *guest, JsonObject *arguments);

/* Saving */

static void on_progress(void *data, JsonObject *answer, const GError *error) {
        Guest *guest = data;
        Operation *operation = saving_of(guest);
        JsonObject *ram = json_member(json_member(answer, "return"), "ram");
        if (error || !operation)
                return;
        gint64 total = json_int(ram, "total", 0), left = json_int(ram, "remaining", 0);
        job_progress(operation->job, (uint64_t) CLAMP(total - left, 0, total), (uint64_t) total);
        on_event(guest, json_member(answer, "return")); /* which says its end too */
}

static void on_begun(void *data, const GError *error) {
        Guest *guest = data;
        if (!saving_of(guest) || guest->awaits != AWAITS_SAVE)
                return; /* it is at its end already */
        if (error && guest_take_awaited(guest, AWAITS_SAVE))
                go_on(guest, error, true);
        else
                progress_follow(guest, "query-migrate", on_progress);
}

void migration_save(Operation *operation) {
        Guest *guest = operation->domain->run;
        g_autoptr(GError) error = NULL;
        if (!guest_check_monitor(operation->domain, &error)) {
                saving_written(operation, error);
                return;
        }
        guest->awaits = AWAITS_SAVE;
        Script *script = guest_script_new(guest);
        script_add_command(script, "migrate-set-capabilities", capabilities());
        script_add_command(script, "migrate-set-parameters", json_make("max-bandwidth", 'i', (gint64) BANDWIDTH, NULL));
        if (operation->domain->resumes)
                script_add_command(script, "stop", NULL);
        add_fd(script, saving_fd(operation), "virtbus-save");
        script_add_command(script, "migrate", json_make("uri", 's', "fd:virtbus-save", NULL));
        script_run(script, on_begun, guest);
}

void migration_cancel(Operation *operation) {
        const Guest *guest = operation->domain->run;
        monitor_command(guest->monitor, "migrate_cancel", NULL, -1, NULL, NULL);
}

/* Why it has failed. */
static void on_failure_known(void *data, JsonObject *answer, const GError *error) {
        Guest *guest = data;
        const char *words = json_string(json_member(answer, "return"), "error-desc");
        g_autoptr(GError) failure = NULL;
        domain_fail(guest->domain, &failure, VIRTBUS_ERROR_HYPERVISOR_FAILED, "its state cannot be saved: %.512s",
                    error   ? error->message
                    : words ? words
                            : "QEMU gives no reason; is there space left?");
        if (saving_of(guest) && guest_take_awaited(guest, AWAITS_SAVE))
                go_on(guest, failure, true);
}

/* Loading */

static void on_loading(void *data, const GError *error) {
        if (error && guest_take_awaited(data, AWAITS_LOAD))
                ((Guest *) data)->loaded(data, error);
}

void migration_load(Guest *guest, void (*then)(Guest *guest, const GError *error)) {
        guest->loaded = then;
        guest->awaits = AWAITS_LOAD;
        Script *script = guest_script_new(guest);
        script_add_command(script, "migrate-set-capabilities", capabilities());
        add_fd(script, start_restoring_fd(guest->operation), "virtbus-load");
        script_add_command(script, "migrate-incoming", json_make("uri", 's', "fd:virtbus-load", NULL));
        script_run(script, on_loading, guest);
}

/* Events */

static void on_event(Guest *guest, JsonObject *arguments) {
        const char *status = json_string(arguments, "status");
        Operation *operation = saving_of(guest);
        bool completed = g_strcmp0(status, "completed") == 0;
        g_autoptr(GError) error = NULL;
        if (completed && guest_take_awaited(guest, AWAITS_LOAD))
                guest->loaded(guest, NULL); /* where it fails, QEMU ends, and has said why in its log */
        else if (operation && completed && guest_take_awaited(guest, AWAITS_SAVE)) {
                progress_end(guest);
                saving_written(operation, NULL);
        } else if (operation && g_strcmp0(status, "failed") == 0 && guest->awaits == AWAITS_SAVE)
                monitor_command(guest->monitor, "query-migrate", NULL, -1, on_failure_known, guest);
        else if (operation && g_strcmp0(status, "cancelled") == 0 && guest_take_awaited(guest, AWAITS_SAVE)) {
                domain_fail(guest->domain, &error, VIRTBUS_ERROR_CANCELLED, "the save was cancelled");
                go_on(guest, error, true);
        }
}

static void give_up(Guest *guest, const GError *error) {
        if (saving_of(guest) && guest_take_awaited(guest, AWAITS_SAVE))
                go_on(guest, error, true);
}

static void on_recovered(void *data, const GError *error) {
        const Guest *guest = data;
        if (error)
                log_warning("domain '%s': %s", domain_name(guest->domain), error->message);
}

/* After a driver's restart: takes back a save that the last one had not ended. */
static void on_found(Guest *guest) {
        if (!guest->domain->was_saving)
                return;
        guest->domain->was_saving = false;
        if (guest->domain->state == DOMAIN_RUNNING) /* what was saved of it, if it was, is older */
                managed_save_remove(guest->domain);
        Script *script = guest_script_new(guest);
        script_ignore_errors(script);
        script_add_command(script, "migrate_cancel", NULL);
        if (guest->domain->resumes)
                script_add_command(script, "cont", NULL);
        script_run(script, on_recovered, guest);
}

static const MonitorEvent events[] = {
        { "MIGRATION", PHASE_BEGINNING | PHASE_RUNNING, on_event },
        { NULL, 0, NULL },
};

const GuestModule migration_module = {
        .events = events,
        .found = on_found,
        .give_up = give_up,
};
