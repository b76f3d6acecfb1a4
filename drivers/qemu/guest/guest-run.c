/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/guest/guest-run.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "bus.h"
#include "domain/domain-event.h"
#include "domain/domain-run.h"
#include "domain/domain-signal.h"
#include "domain/domain-status.h"
#include "domain/operations/reattach.h"
#include "domain/operations/start.h"
#include "log.h"
#include "qemu/command/files-plan.h"
#include "qemu/guest/agent-channel.h"
#include "qemu/guest/device-helpers.h"
#include "qemu/guest/guest-capabilities.h"
#include "qemu/guest/guest-cpu.h"
#include "qemu/guest/guest-end.h"
#include "qemu/guest/nodes.h"
#include "qemu/guest/guest-events.h"
#include "qemu/guest/guest-log.h"
#include "qemu/guest/guest-notices.h"
#include "qemu/guest/guest-tpm.h"
#include "qemu/guest/monitor-command.h"
#include "qemu/guest/monitor-events.h"
#include "qemu/guest/isolation.h"
#include "qemu/guest/migration.h"
#include "qemu/guest/pid-file.h"
#include "qemu/guest/processors.h"
#include "qemu/guest/qemu-words.h"
#include "qemu/guest/scope.h"
#include "qemu/guest/snapshot-live.h"
#include "qemu/guest/threads.h"
#include "qemu/host/guest-user.h"
#include "qemu/host/runtime.h"
#include "qemu/host/security-label.h"
#include "qemu/host/unix-socket.h"

/* How long a QEMU that has closed its monitor may take to end, in microseconds, before what waits for its events fails. */
#define CLOSED_GRACE (5 * UINT64_C(1000000))

/* Ends a guest that does not start as it should; fail_start follows when its process has ended. */
static void abort_start(Guest *guest, const GError *error) {
        if (!guest->failure)
                guest->failure = qemu_error(guest->domain, guest->line, error);
        process_end(guest->process);
}

/* REATTACH: its QEMU does not answer as one. */
void guest_leave_alone(Guest *guest, const char *why) {
        Operation *operation = g_steal_pointer(&guest->operation);
        guest->timeout = sd_event_source_disable_unref(guest->timeout);
        log_error("domain '%s': its QEMU cannot be asked: %s; it runs on, and Destroy can end it", domain_name(guest->domain),
                  why);
        operation_finish(operation, NULL);
}

/* No event will end what waits for one. */
static void give_up_waiting(Guest *guest, const GError *error) {
        if (guest->has_ended || guest->operation)
                return;
        GUEST_EACH(guest, give_up, error);
}

static int on_runs_on(sd_event_source *source, uint64_t usec, void *data) {
        Guest *guest = data;
        g_autoptr(GError) error = NULL;
        (void) source;
        (void) usec;
        guest->timeout = sd_event_source_disable_unref(guest->timeout);
        domain_fail(guest->domain, &error, VIRTBUS_ERROR_HYPERVISOR_FAILED, "QEMU has closed its monitor, and runs on");
        domain_signal_control_lost(guest->domain, error->message);
        give_up_waiting(guest, error);
        return 0;
}

static void on_silent(void *data, const GError *error) {
        Guest *guest = data;
        if (operation_is(guest->operation, &start_class)) {
                abort_start(guest, error);
                return;
        }
        log_error("domain '%s': %s; what is asked of it fails until it answers again, and Destroy can end it",
                  domain_name(guest->domain), error->message);
        domain_signal_control_lost(guest->domain, error->message);
        if (guest->operation)
                guest_leave_alone(guest, error->message);
        give_up_waiting(guest, error);
}

static void on_closed(void *data, const GError *error) {
        Guest *guest = data;
        /* Mostly because the process ends, which is seen next, with QEMU's words in its log. */
        if (operation_is(guest->operation, &start_class))
                process_end(guest->process);
        else if (guest->operation)
                guest_leave_alone(guest, error->message);
        else if (guest->domain->state != DOMAIN_STOPPING) {
                log_warning("domain '%s': %s", domain_name(guest->domain), error->message);
                sd_event_source_disable_unref(guest->timeout);
                sd_event_add_time_relative(guest->domain->connection->event, &guest->timeout, CLOCK_MONOTONIC, CLOSED_GRACE, 0,
                                           on_runs_on, guest);
        }
}

static void on_ready(void *data);

static void on_event(void *data, const char *name, JsonObject *arguments) {
        monitor_events_tell(data, name, arguments);
        guest_events_told(data, name, arguments);
}

static const MonitorListener monitor_listener = {
        .ready = on_ready,
        .event = on_event,
        .closed = on_closed,
        .silent = on_silent,
};

/* Connects to the monitor: its socket listens, whether QEMU runs yet or not. */
bool guest_open_monitor(Guest *guest, GError **error) {
        int fd = unix_connect_own(guest->monitor_path);
        if (fd < 0)
                return virtbus_error_set_errno(error, -fd, "domain '%s': QEMU's monitor %s cannot be connected to",
                                               domain_name(guest->domain), guest->monitor_path);
        guest->events = guest_events_new(guest);
        const Connection *connection = guest->domain->connection;
        guest->monitor = monitor_new(connection->event, fd, &monitor_listener, guest, error);
        if (guest->monitor && operation_is(guest->operation, &reattach_class))
                monitor_skip_remainder(guest->monitor);
        if (guest->monitor && connection->answer_timeout > 0)
                monitor_set_patience(guest->monitor, connection->answer_timeout);
        return guest->monitor != NULL;
}

static bool listen_for_monitor(Guest *guest, GError **error) {
        g_autoptr(UnixSocket) made = NULL;
        guest->monitor_listener = unix_listen(guest->monitor_path, 0600, &made);
        if (guest->monitor_listener == -ENAMETOOLONG)
                return virtbus_error_set(error, VIRTBUS_ERROR_LIMIT_EXCEEDED,
                                         "the path %s is too long for a socket: keep the runtime directory's short",
                                         guest->monitor_path);
        if (guest->monitor_listener == -EADDRINUSE)
                return virtbus_error_set(
                                error, VIRTBUS_ERROR_RESOURCE_BUSY,
                                "a QEMU of an earlier run still listens at %s, and nothing says which process it is: end it",
                                guest->monitor_path);
        return guest->monitor_listener >= 0 ||
               virtbus_error_set_errno(error, -guest->monitor_listener, "the socket %s cannot be made", guest->monitor_path);
}

/* Starting, step by step: files by a worker; process; QEMU's greeting; terminals; processors. */

static void finish_start(Guest *guest, const GError *error) {
        Operation *operation = guest->operation;
        g_autoptr(Domain) domain = domain_ref(guest->domain);
        if (!operation || guest->failure)
                return; /* it fails already, and that is told when its process has ended */
        if (error) {
                abort_start(guest, error);
                return;
        }
        guest->timeout = sd_event_source_disable_unref(guest->timeout);
        guest->operation = NULL;
        if (guest->of_document == domain->live) /* else that has changed meanwhile */
                definition_keep(domain->live, g_steal_pointer(&guest->document));
        g_clear_pointer(&guest->document, xmlFreeDoc);
        g_clear_pointer(&guest->of_document, definition_unref);
        operation_finish(operation, NULL);
        if (domain->run == guest && !guest->has_ended)
                guest_capabilities_learn(guest);
}

static void on_continued(void *data, JsonObject *answer, const GError *error) {
        (void) answer;
        finish_start(data, error);
}

static void run_processors(Guest *guest);

static void on_loaded(Guest *guest, const GError *error) {
        if (error)
                finish_start(guest, error);
        else
                run_processors(guest);
}

static void set_out(Guest *guest);

static void on_threads_placed(Guest *guest, const GError *error) {
        if (error)
                finish_start(guest, error);
        else
                set_out(guest);
}

/* Its threads go where they belong before they have much to do. */
static void place_threads(Guest *guest) {
        if (threads_are_placed(guest->document))
                threads_place(guest, xmlCopyDoc(guest->document, 1), on_threads_placed);
        else
                set_out(guest);
}

static void on_processors_plugged(void *data, const GError *error) {
        if (error)
                finish_start(data, error);
        else
                place_threads(data);
}

static void on_places_known(void *data, JsonObject *answer, const GError *error) {
        if (error)
                finish_start(data, error);
        else
                processors_plug(data, answer, on_processors_plugged);
}

/* Devices have been made by then, as when they were plugged into a machine that ran. */
static void plug_processors(Guest *guest) {
        if (processors_are_listed(guest))
                monitor_command(guest->monitor, "query-hotpluggable-cpus", NULL, -1, on_places_known, guest);
        else
                place_threads(guest);
}

/* What the machine is to begin with: its own start, or what was saved. */
static void set_out(Guest *guest) {
        if (!guest->operation || guest->failure)
                return;
        const char *snapshot = start_snapshot(guest->operation);
        if (start_restoring_fd(guest->operation) < 0 && !snapshot) {
                run_processors(guest);
                return;
        }
        guest->timeout = sd_event_source_disable_unref(guest->timeout);
        if (snapshot)
                snapshot_live_start(guest, snapshot, on_loaded);
        else
                migration_load(guest, on_loaded);
}

static void run_processors(Guest *guest) {
        if (start_is_paused(guest->operation))
                finish_start(guest, NULL);
        else {
                guest->has_set_out = true;
                monitor_command(guest->monitor, "cont", NULL, -1, on_continued, guest);
        }
}

/* The live definition: what was written, with what was chosen for this run. */
static void set_live(Guest *guest) {
        g_autoptr(GError) error = NULL;
        guest_write_terminals(guest, guest->domain->live, guest->document);
        guest_notices_missing(guest->domain, guest->document);
        guest_drop_missing(guest->document);
        g_autoptr(Definition) live = definition_from_document(guest->document, &error);
        if (live) {
                domain_set_live(guest->domain, live);
                guest->of_document = g_steal_pointer(&live);
        } else
                log_error("domain '%s': its live document cannot be read: %s", domain_name(guest->domain), error->message);
}

static void on_chardevs(void *data, JsonObject *answer, const GError *error) {
        Guest *guest = data;
        if (error) {
                finish_start(guest, error);
                return;
        }
        guest_take_terminals(guest, answer);
        set_live(guest);
        plug_processors(guest);
}

static void run_commands(Guest *guest);

static void on_command_run(void *data, JsonObject *answer, const GError *error) {
        Guest *guest = data;
        (void) answer;
        if (error)
                finish_start(guest, error);
        else
                run_commands(guest);
}

/* What the document asks for and no argument can say; then the terminals. */
static void run_commands(Guest *guest) {
        GPtrArray *commands = guest->line->commands;
        if (commands->len > 0) {
                MonitorRequest *request = g_ptr_array_steal_index(commands, 0);
                monitor_command(guest->monitor, request->name, json_object_ref(request->arguments), request->fd, on_command_run,
                                guest);
                monitor_request_free(request);
        } else if (guest->line->consoles->len > 0)
                monitor_command(guest->monitor, "query-chardev", NULL, -1, on_chardevs, guest);
        else
                plug_processors(guest);
}

static void on_status(void *data, JsonObject *answer, const GError *error) {
        /* QEMU's run states, and what they are to a user. A guest that has crashed is one that is paused to a QEMU that was to
         * save it, and was not let. */
        static const struct {
                const char *status;
                DomainState state;
                DomainReason reason;
                bool may_have_crashed;
        } states[] = {
                { "running", DOMAIN_RUNNING, REASON_REATTACHED, false },
                { "paused", DOMAIN_PAUSED, REASON_USER, true },
                { "prelaunch", DOMAIN_PAUSED, REASON_USER, false },
                { "io-error", DOMAIN_PAUSED, REASON_IO_ERROR, false },
                { "guest-panicked", DOMAIN_CRASHED, REASON_CRASHED, false },
                { "suspended", DOMAIN_PMSUSPENDED, REASON_UNKNOWN, false },
                { "postmigrate", DOMAIN_PAUSED, REASON_SAVING, true },
                { "finish-migrate", DOMAIN_PAUSED, REASON_SAVING, true },
        };
        Guest *guest = data;
        Domain *domain = guest->domain;
        Operation *operation = g_steal_pointer(&guest->operation); /* NULL: it answers again after it was silent */
        guest->timeout = sd_event_source_disable_unref(guest->timeout);
        const char *status = json_string(json_member(answer, "return"), "status");
        if (!error)
                for (size_t i = 0; i < G_N_ELEMENTS(states); i++)
                        if (g_strcmp0(status, states[i].status) == 0 && domain->state != states[i].state &&
                            !(domain->state == DOMAIN_CRASHED && states[i].may_have_crashed))
                                domain_changed(domain, states[i].state, states[i].reason);
        if (error)
                log_warning("domain '%s': %s", domain_name(domain), error->message);
        if (operation)
                operation_finish(operation, NULL);
        if (!error)
                GUEST_EACH(guest, found);
        if (g_strcmp0(status, "shutdown") == 0)
                domain_guest_event(domain, GUEST_SHUTDOWN);
}

/* It may have begun to end since. */
static void go_on(Guest *guest) {
        if (guest->has_ended || guest->failure)
                return;
        if (!guest->operation || operation_is(guest->operation, &reattach_class)) {
                GUEST_EACH(guest, recover);
                monitor_command(guest->monitor, "query-status", NULL, -1, on_status, guest);
        } else
                run_commands(guest);
}

static void on_ready(void *data) {
        Guest *guest = data;
        if (!guest->operation)
                log_warning("domain '%s': its QEMU answers again", domain_name(guest->domain));
        if (!guest->operation || operation_is(guest->operation, &reattach_class))
                agent_channel_find_live(guest, go_on);
        else
                agent_channel_find(guest, guest->document, go_on);
}

static int on_timeout(sd_event_source *source, uint64_t usec, void *data) {
        Guest *guest = data;
        g_autoptr(GError) error = NULL;
        g_autofree char *tail = guest_last_words(guest), *emulator = command_line_emulator(guest->domain->live);
        (void) source;
        (void) usec;
        domain_fail(guest->domain, &error, VIRTBUS_ERROR_TIMEOUT,
                    "%s did not answer within %d seconds; is it a QEMU of 7.2 or later?%s%s", emulator,
                    (int) (GUEST_START_TIMEOUT / 1000000), *tail ? " It said: " : "", tail);
        abort_start(guest, error);
        return 0;
}

static int open_log(Guest *guest, GError **error) {
        g_autofree char *path = guest_log_path(guest->domain->connection, guest->domain->uuid);
        g_autofd int fd = guest_log_open(path);
        if (fd < 0) {
                virtbus_error_set_errno(error, -fd, "the log %s cannot be written", path);
                return -1;
        }
        g_autoptr(GDateTime) now = g_date_time_new_now_utc();
        g_autofree char *time = g_date_time_format_iso8601(now),
                        *command = g_strjoinv(" ", (char **) guest->line->arguments->pdata);
        dprintf(fd, "%s domain '%s' starts: %s\n", time, domain_name(guest->domain), command);
        guest->log_start = lseek(fd, 0, SEEK_END);
        return steal_fd(&fd);
}

/* What it needs beside it serves: it may run its program. */
static void run_program(Guest *guest, const GError *error) {
        if (error) {
                abort_start(guest, error);
                return;
        }
        process_go(guest->process);
        sd_event_add_time_relative(guest->domain->connection->event, &guest->timeout, CLOCK_MONOTONIC, GUEST_START_TIMEOUT, 0,
                                   on_timeout, guest);
        /* QEMU has its own copies now. */
        autofd_close(&guest->monitor_listener);
        guest->monitor_listener = -1;
        for (guint i = 0; i < guest->line->fds->len; i++)
                close(g_array_index(guest->line->fds, int, i));
        g_array_set_size(guest->line->fds, 0);
        /* While QEMU loads there is time for this, unless it will name terminals. */
        if (guest->line->consoles->len == 0)
                set_live(guest);
}

/* It is where it belongs. */
static void on_placed(Guest *guest, const GError *error) {
        g_autoptr(GError) ending = NULL;
        if (!error && guest->domain->connection->closing)
                domain_fail(guest->domain, &ending, VIRTBUS_ERROR_CANCELLED, "the driver is ending");
        if (error || ending) {
                abort_start(guest, error ? error : ending);
                return;
        }
        guest_tpm_go(guest);
        device_helpers_go(guest, run_program);
}

/* What the document has chosen, where this host has it. */
static bool find_profile(const Guest *guest, char **profile, GError **error) {
        g_autoptr(GError) failure = NULL;
        *profile = security_label_profile(guest->document);
        return !*profile || security_check_profiles(&failure) ||
               domain_fail(guest->domain, error, virtbus_error_code(failure), "%s", failure->message);
}

static bool launch(Guest *guest, GError **error) {
        Host *host = host_of(guest->domain->connection);
        g_autofree char *profile = NULL;
        if (!find_profile(guest, &profile, error))
                return false;
        g_autofd int log = open_log(guest, error);
        if (log < 0)
                return false;
        int monitor = guest->monitor_listener;
        g_autoptr(GArray) fds = g_array_new(FALSE, FALSE, sizeof(int));
        g_array_append_vals(fds, guest->line->fds->data, guest->line->fds->len);
        g_array_append_val(fds, monitor);
        const ProcessSetup setup = {
                .arguments = (char *const *) guest->line->arguments->pdata,
                .environment = (char *const *) guest->line->environment->pdata,
                .fds = (const int *) (void *) fds->data,
                .n_fds = fds->len,
                .log = log,
                .uid = guest->uid,
                .gid = guest->gid,
                .groups = host->groups,
                .n_groups = host->n_groups,
                .confinement = isolation_begin(guest, profile),
                .profile = profile,
                .locked_memory = guest->line->locks_memory ? guest_lockable_memory(guest) : 0,
        };
        if (!guest_open_monitor(guest, error))
                return false;
        guest->process = process_new(guest->domain->connection->event, &setup, guest_on_ended, guest, error);
        if (!guest->process)
                return false;
        /* It is written down before it runs: whatever happens to this driver, the guest is found again; and whatever happens
         * to that file, no second one is started beside it. */
        g_autoptr(GError) failure = NULL;
        if (domain_save_status(guest->domain) && pid_file_write(guest))
                scope_create(guest, guest->document, on_placed);
        else {
                domain_fail(guest->domain, &failure, VIRTBUS_ERROR_LIMIT_EXCEEDED,
                            "cannot write to %s that it runs: make space there", guest->domain->connection->runtime_directory);
                abort_start(guest, failure);
        }
        return true;
}

static bool build_and_launch(Guest *guest, GPtrArray *files, GError **error) {
        CommandLineContext context = guest_context(guest, guest->document, guest->domain->live, NULL);
        nodes_number(guest, guest->document, guest->domain->live, files, 0);
        if (!device_helpers_make(guest, files, error))
                return false;
        guest->line = command_line_build(&context, files, error);
        if (guest->line)
                nodes_remember(guest, guest->line);
        guest_keep_sockets(guest, NULL, guest->line ? guest->line->paths : NULL);
        return guest->line && guest_check_line(guest, guest->line, guest->document, error) && launch(guest, error);
}

static void on_start_tpm(Guest *guest, GPtrArray *files, const GError *error) {
        g_autoptr(GError) failure = NULL;
        if (error || !build_and_launch(guest, files, &failure))
                guest_finish(guest, error ? error : failure);
}

static void on_start_cpu(Guest *guest, GPtrArray *files, const GError *error) {
        if (error)
                guest_finish(guest, error);
        else
                guest_tpm_prepare(guest, files, on_start_tpm);
}

static void on_start_files(Guest *guest, GPtrArray *files, const GError *error) {
        if (error) {
                guest_finish(guest, error);
                return;
        }
        guest_keep_sockets(guest, files, NULL);
        guest_capabilities_recall(guest, files);
        guest_cpu_choose(guest, files, on_start_cpu);
}

static bool make_directory(Guest *guest, GError **error) {
        const GPtrArray *devices = guest->domain->live->devices;
        g_autofree char *left = runtime_put_aside(guest->domain->connection->runtime_directory, guest->domain->uuid);
        bool has_display = false;
        for (guint i = 0; i < devices->len && !has_display; i++)
                has_display = strcmp(((DeviceDefinition *) devices->pdata[i])->kind, "graphics") == 0;
        return runtime_make(guest->directory, has_display, guest->uid, guest->gid, error);
}

/* A driver without root's rights can give a guest none but its own user. */
static bool take_user(Guest *guest, GError **error) {
        const Connection *connection = guest->domain->connection;
        uid_t chosen = 0;
        gid_t group = 0;
        security_label_user(guest->document, &chosen, &group);
        if (chosen > 0 && !connection->privileged && (chosen != guest->uid || group != guest->gid))
                return domain_fail(guest->domain, error, VIRTBUS_ERROR_UNSUPPORTED,
                                   "its <seclabel> chooses the user %u and the group %u, and a driver without root's rights has "
                                   "none but %u and %u: leave it out",
                                   chosen, group, guest->uid, guest->gid);
        if (chosen > 0) {
                guest->uid = chosen;
                guest->gid = group;
                return true;
        }
        if (!connection->privileged)
                return true;
        guest->uid = guest_user_take(connection, &host_of(connection)->users, guest->domain->uuid, "", error);
        guest->gid = (gid_t) guest->uid;
        return guest->uid > 0;
}

static void begin_start(Guest *guest) {
        Domain *domain = guest->domain;
        g_autoptr(GError) error = NULL;
        guest->document = definition_document(domain->live, &error);
        if (!guest->document || !take_user(guest, &error) || !guest_tpm_begin(guest, guest->document, &error) ||
            !make_directory(guest, &error) || !listen_for_monitor(guest, &error)) {
                guest_finish(guest, error);
                return;
        }
        definition_write_aliases(domain->live, guest->document);
        monitor_command_note_document(guest);
        CommandLineContext context = guest_context(guest, guest->document, domain->live, NULL);
        guest_open_files(guest, files_plan(&context), on_start_files);
}

static void on_former_ended(void *data, int unused) {
        Guest *guest = data;
        (void) unused;
        g_clear_pointer(&guest->former, process_free);
        if (!guest->has_ended)
                begin_start(guest);
}

void guest_start(Operation *operation) {
        Guest *guest = guest_new(operation->domain);
        guest->operation = operation;
        guest->former = pid_file_find(guest, on_former_ended);
        if (!guest->former) {
                begin_start(guest);
                return;
        }
        log_warning("domain '%s': a QEMU of an earlier run, process %d, is still there; it is ended first",
                    domain_name(operation->domain), process_pid(guest->former));
        process_end(guest->former);
}
