/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/guest/migration.h"

#include <fcntl.h>
#include <string.h>

#include "domain/domain-status.h"
#include "domain/operations/managed-save.h"
#include "domain/operations/save.h"
#include "domain/operations/start.h"
#include "qemu/guest/progress.h"
#include "qemu/guest/take-back.h"
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

/* What is to follow when the guest is as it was. */
typedef struct Ending {
        Guest *guest;
        GError *error;
        bool written; /* saving_written is to be told, else the operation ends */
} Ending;

static void ending_free(void *data) {
        Ending *ending = data;
        g_error_free(ending->error);
        g_free(ending);
}

static void on_taken_back(void *data) {
        const Ending *ending = data;
        Operation *operation = saving_of(ending->guest);
        if (operation && ending->written)
                saving_written(operation, ending->error);
        else if (operation)
                saving_failed(operation, ending->error);
}

static void go_on(Guest *guest, const GError *error, bool written) {
        Ending *ending = g_new0(Ending, 1);
        *ending = (Ending){ .guest = guest, .error = g_error_copy(error), .written = written };
        progress_end(guest);
        take_back(guest, on_taken_back, ending, ending_free);
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

/* One that sleeps is woken by a QEMU before 9.0 that saves it, and then stopped as one that runs is; a later one lets it sleep on
 * when it is told to go on. */
static void expect_to_wake(Domain *domain) {
        if (domain->resumes || (domain->state != DOMAIN_PMSUSPENDED && domain->state != DOMAIN_RUNNING))
                return;
        domain->resumes = true;
        domain_save_status(domain);
}

void migration_save(Operation *operation) {
        Guest *guest = operation->domain->run;
        g_autoptr(GError) error = NULL;
        if (!guest_check_monitor(operation->domain, &error)) {
                saving_written(operation, error);
                return;
        }
        guest->awaits = AWAITS_SAVE;
        expect_to_wake(operation->domain);
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

static void on_recovered(void *data) {
        const Guest *guest = data;
        domain_save_status(guest->domain);
}

static void on_cancelled(void *data, const GError *error) {
        (void) error;
        take_back(data, on_recovered, data, NULL);
}

/* After a driver's restart, or a silence: takes back a save that was not ended. */
static void on_found(Guest *guest) {
        const Domain *domain = guest->domain;
        if (!domain->was_saving)
                return;
        if (domain->state == DOMAIN_RUNNING) /* what was saved of it, if it was, is older */
                managed_save_remove(guest->domain);
        Script *script = guest_script_new(guest);
        script_ignore_errors(script);
        script_add_command(script, "migrate_cancel", NULL);
        if (domain->state == DOMAIN_RUNNING && !domain->resumes) /* the last driver was cut off while it took it back */
                script_add_command(script, "stop", NULL);
        script_run(script, on_cancelled, guest);
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
