/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lxc/container.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bus.h"
#include "domain/domain-run.h"
#include "domain/domain-status.h"
#include "domain/operations/reattach.h"
#include "domain/operations/start.h"
#include "domain/run-only.h"
#include "log.h"
#include "lxc/card-document.h"
#include "lxc/container-cards.h"
#include "lxc/container-claim.h"
#include "lxc/container-plan.h"
#include "lxc/container-process.h"
#include "lxc/container-socket.h"
#include "lxc/container-work.h"
#include "lxc/lxc-document.h"
#include "vtables.h"

/* Below the runtime directory: where watchers listen. */
#define SOCKET_SUFFIX ".guest"

static void begin(Container *container);
static void settle(Container *container);

static Container *container_new(Domain *domain, Operation *operation) {
        Container *container = g_new0(Container, 1);
        *container = (Container){ .domain = domain, .operation = operation, .listener = -1, .connection = -1, .init = -1 };
        domain->run = container;
        return container;
}

/* What one run has. */
static void forget_run(Container *container) {
        container->heard = sd_event_source_disable_unref(container->heard);
        container->timeout = sd_event_source_disable_unref(container->timeout);
        container->init_gone = sd_event_source_disable_unref(container->init_gone);
        g_clear_pointer(&container->process, process_free);
        container_cards_forget(container);
        if (container->forget_plug)
                container->forget_plug(container);
        g_clear_pointer(&container->document, xmlFreeDoc);
        g_clear_pointer(&container->files, g_ptr_array_unref);
        g_clear_pointer(&container->ended, g_free);
        g_clear_pointer(&container->cards, g_free);
        int *fds[] = { &container->listener, &container->connection, &container->init };
        for (size_t i = 0; i < G_N_ELEMENTS(fds); i++) {
                autofd_close(fds[i]);
                *fds[i] = -1;
        }
        container->pid = 0;
}

static void container_free(Container *container) {
        g_autoptr(GError) error = NULL;
        virtbus_error_set(&error, VIRTBUS_ERROR_OPERATION_INVALID, "the console has gone: its domain has ended");
        container_console_fail(container, error);
        if (container->domain && container->left)
                container->left(container);
        if (container->domain)
                container->domain->run = NULL;
        container->domain = NULL;
        forget_run(container);
        if (container->n_working > 0) /* the last of these frees it */
                return;
        g_clear_error(&container->failure);
        g_free(container);
}

void container_release(Domain *domain) {
        container_free(domain->run);
}

static char *socket_path(const Domain *domain) {
        g_autofree char *name = g_strconcat(domain->uuid, SOCKET_SUFFIX, NULL);
        return g_build_filename(domain->connection->runtime_directory, name, NULL);
}

bool container_has_ended(int pidfd) {
        return poll(&(struct pollfd){ .fd = pidfd, .events = POLLIN }, 1, 0) > 0;
}

bool container_check_runs(const Domain *domain, GError **error) {
        const Container *container = domain->run;
        return (container && container->init >= 0 && !container->ended) ||
               domain_fail(domain, error, VIRTBUS_ERROR_OPERATION_INVALID, CONTAINER_STARTS_AGAIN);
}

/* The end */

/* Why a start, or the finding of one, has failed: with its own words where there are some. */
static GError *explain(const Container *container) {
        GError *error = NULL;
        const Domain *domain = container->domain;
        if (container->is_ending || domain->state == DOMAIN_STOPPING)
                domain_fail(domain, &error, VIRTBUS_ERROR_CANCELLED, "it was destroyed while it started");
        else if (container->failure)
                error = g_error_copy(container->failure);
        else
                domain_fail(domain, &error, VIRTBUS_ERROR_HYPERVISOR_FAILED,
                            "what watches over it has ended before it ran; see %s/guest.log", domain->connection->log_directory);
        return error;
}

static void finish_operation(Container *container, const GError *error) {
        Operation *operation = g_steal_pointer(&container->operation);
        container_free(container);
        operation_finish(operation, error);
}

static void stop(Container *container, DomainReason reason, const GError *error) {
        Domain *domain = container->domain;
        g_autoptr(GError) copy = error ? g_error_copy(error) : NULL; /* which may be the run's own */
        container_free(container);
        domain_stopped(domain, reason, copy);
}

/* What its definition says of such an end. */
static LifecycleAction find_action(const Container *container, DomainReason *reason) {
        Domain *domain = container->domain;
        const char *ended = container->ended ? container->ended : "";
        bool is_good = strcmp(ended, "poweroff 2") == 0 || strcmp(ended, "exited 0") == 0,
             reboots = g_str_has_prefix(ended, "reboot");
        *reason = is_good || reboots ? REASON_SHUTDOWN : REASON_CRASHED;
        if (reboots || (is_good && domain->reboot))
                return domain->live->on_reboot;
        return is_good ? domain->live->on_poweroff : domain->live->on_crash;
}

static bool may_restart(Container *container) {
        bool was_short = (uint64_t) g_get_monotonic_time() - container->began < CONTAINER_SHORT_RUN;
        container->n_short = was_short ? container->n_short + 1 : 0;
        if (container->n_short <= CONTAINER_SHORT_RUNS_MAX)
                return true;
        log_error("domain '%s' has ended %d times as soon as it had started, and is not started again",
                  domain_name(container->domain), CONTAINER_SHORT_RUNS_MAX);
        return false;
}

/* Nothing of it is there any more. */
static void conclude(Container *container) {
        Domain *domain = container->domain;
        g_autofree char *path = socket_path(domain);
        DomainReason reason;
        unlink(path);
        container_claim_end(domain);
        if (container->ended && operation_is(container->operation, &reattach_class)) /* found again, at its end */
                operation_finish(g_steal_pointer(&container->operation), NULL);
        if (container->operation) {
                g_autoptr(GError) error = explain(container);
                finish_operation(container, error);
                return;
        }
        LifecycleAction action = find_action(container, &reason);
        if (domain->state == DOMAIN_STOPPING || container->is_ending)
                stop(container, REASON_DESTROYED, NULL);
        else if (container->failure) /* it was to start again */
                stop(container, REASON_FAILED, container->failure);
        else if (action != ACTION_RESTART || domain->connection->closing || !may_restart(container))
                stop(container, reason, NULL);
        else {
                domain->reboot = false;
                domain_changed(domain, DOMAIN_RUNNING, REASON_BOOTED);
                forget_run(container);
                begin(container);
        }
}

static void on_group_removed(void *data) {
        conclude(data);
}

static int on_init_gone(sd_event_source *source, int fd, uint32_t events, void *data) {
        (void) source;
        (void) fd;
        (void) events;
        settle(data);
        return 0;
}

/* Its watcher is gone. Where that was killed, the container may be there still: all of it ends with its first process. */
static void settle(Container *container) {
        container->init_gone = sd_event_source_disable_unref(container->init_gone);
        if (container->init >= 0 && !container_has_ended(container->init)) {
                syscall(SYS_pidfd_send_signal, container->init, SIGKILL, NULL, 0);
                if (sd_event_add_io(container->domain->connection->event, &container->init_gone, container->init, EPOLLIN,
                                    on_init_gone, container) >= 0)
                        return;
        }
        container_work_remove(container, on_group_removed);
}

static void hear_all(Container *container);

static void on_process_ended(void *data, int status) {
        Container *container = data;
        (void) status;
        if (container->connection >= 0)
                hear_all(container); /* what it said last */
        container->heard = sd_event_source_disable_unref(container->heard);
        container->timeout = sd_event_source_disable_unref(container->timeout);
        container_cards_forget(container);
        g_clear_pointer(&container->process, process_free);
        settle(container);
}

static void fail_run(Container *container, GError *error) {
        if (container->failure)
                g_error_free(error);
        else
                container->failure = error;
}

void container_fail(Container *container, GError *error) {
        fail_run(container, domain_name_error(container->domain, error));
        g_error_free(error);
        if (container->process)
                process_end(container->process);
}

void container_destroy(Domain *domain) {
        Container *container = domain->run;
        container->is_ending = true;
        container_cards_forget(container);
        container_work_thaw(container); /* else it would not see that it is told to end */
        if (container->process)
                process_end(container->process);
}

/* Messages */

static void on_ready(Container *container, int pidfd) {
        Domain *domain = container->domain;
        container->timeout = sd_event_source_disable_unref(container->timeout);
        container->init = pidfd;
        container->began = (uint64_t) g_get_monotonic_time();
        /* As libvirt's clients have it, which find its control groups by that (virDomainLxcEnterCgroup). */
        domain->id = (uint32_t) container->pid;
        g_clear_pointer(&container->document, xmlFreeDoc);
        g_clear_pointer(&container->files, g_ptr_array_unref);
        if (domain->state == DOMAIN_STOPPING || container->is_ending) /* which is under way */
                return;
        if (container->operation)
                operation_finish(g_steal_pointer(&container->operation), NULL);
        else {
                domain_save_status(domain);
                domain_announce(domain, (const int[]){ DOMAIN_ID, -1 });
        }
}

static void take_message(Container *container, const char *text, int fd) {
        g_autofd int pidfd = fd;
        unsigned long long start_time;
        int pid;
        if (sscanf(text, "ready %d %llu", &pid, &start_time) == 2 && pidfd >= 0 && container->init < 0) {
                container->pid = pid;
                container->start_time = start_time;
                on_ready(container, steal_fd(&pidfd));
        } else if (g_str_has_prefix(text, "cards ") && container->document && !container->is_ending)
                container_cards_made(container, text + strlen("cards "), container_fail);
        else if (g_str_has_prefix(text, "failed ")) {
                GError *error = NULL;
                domain_fail(container->domain, &error, VIRTBUS_ERROR_HYPERVISOR_FAILED, "%s", text + strlen("failed "));
                fail_run(container, error);
        } else if (g_str_has_prefix(text, "ended ")) {
                g_free(container->ended);
                container->ended = g_strdup(text + strlen("ended "));
        } else if (g_str_has_prefix(text, "console "))
                container_console_answered(container, text + strlen("console "));
}

/* One message: false where there is none. */
static bool hear(Container *container) {
        char text[CONTAINER_MESSAGE_BYTES_MAX + 1];
        int fd = -1, r = container_socket_receive(container->connection, text, &fd);
        if (r < 0) /* its end is seen and told by itself */
                container->heard = sd_event_source_disable_unref(container->heard);
        if (r > 0)
                take_message(container, text, fd);
        return r > 0;
}

static void hear_all(Container *container) {
        while (hear(container))
                ;
}

static int on_heard(sd_event_source *source, int fd, uint32_t events, void *data) {
        (void) source;
        (void) fd;
        (void) events;
        hear(data);
        return 0;
}

static bool connect_to(Container *container, GError **error) {
        g_autofree char *path = socket_path(container->domain);
        container->connection = container_socket_connect(path, error);
        if (container->connection < 0)
                return false;
        int r = sd_event_add_io(container->domain->connection->event, &container->heard, container->connection, EPOLLIN, on_heard,
                                container);
        return r >= 0 || virtbus_error_set_errno(error, -r, "%s cannot be watched", path);
}

/* Start */

/* Nothing of it runs. */
static void fail_start(Container *container, GError *error) {
        fail_run(container, error);
        container_work_remove(container, on_group_removed);
}

static int on_timeout(sd_event_source *source, uint64_t usec, void *data) {
        Container *container = data;
        GError *error = NULL;
        (void) source;
        (void) usec;
        domain_fail(container->domain, &error, VIRTBUS_ERROR_TIMEOUT, "its first program did not run within %d seconds",
                    (int) (CONTAINER_START_TIMEOUT / 1000000));
        fail_run(container, error);
        process_end(container->process);
        return 0;
}

static bool make_process(Container *container, const GArray *members, int plan, GError **error) {
        g_autoptr(GArray) fds = g_array_new(FALSE, FALSE, sizeof(int));
        g_array_append_val(fds, plan);
        g_array_append_val(fds, container->listener);
        g_array_append_vals(fds, members->data, members->len);
        for (guint i = 0; i < container->files->len; i++) {
                int fd = ((const ContainerFile *) container->files->pdata[i])->fd;
                if (fd >= 0)
                        g_array_append_val(fds, fd);
        }
        container->process = container_process_new(container->domain->connection, plan, fds, on_process_ended, container, error);
        return container->process;
}

static bool launch(Container *container, const GArray *members, GError **error) {
        Domain *domain = container->domain;
        g_autofree char *stage = container_process_stage(domain->connection, error), *path = socket_path(domain);
        if (!stage)
                return false;
        container->listener = container_socket_listen(path, error);
        if (container->listener < 0)
                return false;
        card_document_choose_names(xml_child(xmlDocGetRootElement(container->document), "devices"));
        g_autofd int plan = container_plan_make(xmlDocGetRootElement(container->document), container->files, members,
                                                container->listener, stage, error);
        if (plan < 0 || !make_process(container, members, plan, error))
                return false;
        /* It is written down before it runs: whatever happens to this driver, it is found again. */
        if (!domain_save_status(domain))
                virtbus_error_set(error, VIRTBUS_ERROR_LIMIT_EXCEEDED, "cannot write to %s that it runs: make space there",
                                  domain->connection->runtime_directory);
        else if (connect_to(container, error))
                process_go(container->process);
        autofd_close(&container->listener);
        container->listener = -1;
        return container->heard;
}

static void on_prepared(Container *container, const GArray *members, const GError *failed) {
        Domain *domain = container->domain;
        g_autoptr(GError) error = NULL;
        if (failed)
                fail_start(container, domain_name_error(domain, failed));
        else if (container->is_ending || domain->connection->closing) {
                GError *ending = NULL;
                domain_fail(domain, &ending, VIRTBUS_ERROR_CANCELLED, "the driver is ending");
                fail_start(container, ending);
        } else if (launch(container, members, &error))
                sd_event_add_time_relative(domain->connection->event, &container->timeout, CLOCK_MONOTONIC,
                                           CONTAINER_START_TIMEOUT, 0, on_timeout, container);
        else if (container->process) {
                fail_run(container, domain_name_error(domain, error));
                process_end(container->process); /* it waits at its gate, or has begun: its end is seen */
        } else
                fail_start(container, domain_name_error(domain, error));
}

static bool check_start(const Container *container, GError **error) {
        const Domain *domain = container->domain;
        const xmlNode *root = xmlDocGetRootElement(container->document);
        if (!domain->connection->privileged)
                return virtbus_error_set(error, VIRTBUS_ERROR_UNSUPPORTED,
                                         "containers are made by the system's driver alone: define it on the system bus");
        if (container->operation && start_is_paused(container->operation))
                return virtbus_error_set(error, VIRTBUS_ERROR_UNSUPPORTED,
                                         "the LXC driver cannot yet start a container paused; suspend it when it runs");
        return lxc_document_check(container->document, true, error) && container_plan_check(root, error);
}

static void begin(Container *container) {
        Domain *domain = container->domain;
        g_autoptr(GError) error = NULL;
        g_clear_error(&container->failure);
        container->document = definition_document(domain->live, &error);
        if (container->document) /* where it starts again */
                run_only_drop(container->document);
        if (container->document && check_start(container, &error) && container_claim_begin(domain, &error)) {
                container->files = container_plan_files(xmlDocGetRootElement(container->document));
                container_work_prepare(container, on_prepared);
                return;
        }
        GError *named = domain_name_error(domain, error);
        if (!container->operation) {
                fail_start(container, named);
                return;
        }
        finish_operation(container, named);
        g_error_free(named);
}

void container_start(Operation *operation) {
        begin(container_new(operation->domain, operation));
}

/* Found again */

void container_save(const Domain *domain, xmlNode *saved) {
        const Container *container = domain->run;
        if (!container || !container->process)
                return;
        const struct {
                const char *name;
                uint64_t number;
        } numbers[] = { { "pid", (uint64_t) process_pid(container->process) },
                        { "start-time", process_start_time(container->process) },
                        { "init-pid", (uint64_t) container->pid },
                        { "init-start-time", container->start_time } };
        for (size_t i = 0; i < G_N_ELEMENTS(numbers); i++) {
                g_autofree char *text = g_strdup_printf("%" PRIu64, numbers[i].number);
                xml_set_attribute(saved, numbers[i].name, text);
        }
        if (container->cards)
                xml_set_attribute(saved, "cards", container->cards);
}

/* Its first process, where its watcher was killed: a pidfd, or -1. */
static int find_init(const xmlNode *saved) {
        uint64_t pid = 0, start_time = 0;
        xml_number_attribute(saved, "init-pid", 1, G_MAXINT32, &pid, NULL);
        xml_number_attribute(saved, "init-start-time", 1, UINT64_MAX, &start_time, NULL);
        g_autofd int fd = pid > 0 ? (int) syscall(SYS_pidfd_open, (pid_t) pid, 0) : -1;
        /* Looked at after it is open: the number cannot be another's now. */
        return fd >= 0 && process_is_there((pid_t) pid, start_time) ? steal_fd(&fd) : -1;
}

void container_reattach(Operation *operation, xmlNode *saved) {
        Domain *domain = operation->domain;
        Container *container = container_new(domain, operation);
        uint64_t pid = 0, start_time = 0;
        container->cards = xml_attribute(saved, "cards");
        GError *error = NULL;
        if (xml_number_attribute(saved, "pid", 1, G_MAXINT32, &pid, NULL) &&
            xml_number_attribute(saved, "start-time", 1, UINT64_MAX, &start_time, NULL) && pid > 0)
                container->process = process_find(domain->connection->event, (pid_t) pid, start_time, on_process_ended, container,
                                                  NULL);
        if (!container->process) {
                container->init = find_init(saved);
                domain_fail(domain, &error, VIRTBUS_ERROR_HYPERVISOR_FAILED, "it has ended while no driver was there");
                fail_run(container, error);
                settle(container);
                return;
        }
        if (domain->state == DOMAIN_STOPPING || domain->state == DOMAIN_STARTING) {
                /* Cut off in between: what had begun to end is ended, and what had not started never did. */
                domain->state = DOMAIN_STOPPING;
                domain->stop_reason = domain->reason;
                container_destroy(domain);
                return;
        }
        container_cards_know(container);
        g_autoptr(GError) failed = NULL;
        if (!connect_to(container, &failed)) {
                fail_run(container, domain_name_error(domain, failed));
                process_end(container->process);
                return;
        }
        sd_event_add_time_relative(domain->connection->event, &container->timeout, CLOCK_MONOTONIC, CONTAINER_START_TIMEOUT, 0,
                                   on_timeout, container);
}
