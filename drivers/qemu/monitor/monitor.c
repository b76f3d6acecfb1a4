/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/monitor/monitor.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>

#include "base/lines.h"
#include "bus.h"
#include "errors.h"
#include "local-socket.h"

/* A line that is to be sent, with its descriptor. */
typedef struct Line {
        char *text;
        size_t length, sent;
        int fd;
} Line;

typedef struct Command {
        gint64 id;
        char *name;
        MonitorDone done;
        void *data;
        GDestroyNotify dropped; /* NULL: whose DATA is another's */
} Command;

struct Monitor {
        int fd;
        sd_event_source *source;
        const MonitorListener *listener;
        void *data;
        bool greeted, ready, failed, silent;
        unsigned skips;    /* how many lines may still come before the greeting */
        uint64_t patience; /* microseconds */
        sd_event_source *deadline;
        sd_event *event;
        Lines input;
        GQueue lines;    /* Line */
        GQueue commands; /* Command, unanswered */
        gint64 last_id;
        /* Events that may still be read, when that was so; and what waits for more of them. */
        uint64_t allowance, allowed_at;
        sd_event_source *pause;
        bool paused, has_ended; /* has_ended: no more will come than there is */
        unsigned n_holders;     /* functions of ours that go on after a callback, which may free it */
        bool is_freed;
};

static void on_capabilities(void *data, JsonObject *answer, const GError *error);

static void line_free(Line *line) {
        autofd_close(&line->fd);
        g_free(line->text);
        g_free(line);
}

static void command_free(Command *command) {
        g_free(command->name);
        g_free(command);
}

static void command_drop(Command *command) {
        if (command->dropped)
                command->dropped(command->data);
        command_free(command);
}

static void hold(Monitor *monitor) {
        monitor->n_holders++;
}

/* False where a callback has freed it: whoever called that returns at once. */
static bool let_go(Monitor *monitor) {
        bool is_there = !monitor->is_freed;
        if (--monitor->n_holders == 0 && !is_there)
                g_free(monitor);
        return is_there;
}

void monitor_free(Monitor *monitor) {
        sd_event_source_disable_unref(monitor->source);
        sd_event_source_disable_unref(monitor->pause);
        sd_event_source_disable_unref(monitor->deadline);
        autofd_close(&monitor->fd);
        g_queue_clear_full(&monitor->lines, (GDestroyNotify) line_free);
        g_queue_clear_full(&monitor->commands, (GDestroyNotify) command_drop);
        lines_close(&monitor->input);
        monitor->is_freed = true;
        if (monitor->n_holders == 0)
                g_free(monitor);
}

/* The next command that fails with all others. What opens a silent QEMU's monitor goes on waiting. */
static Command *take_waiting(Monitor *monitor) {
        for (GList *link = monitor->commands.head; link; link = link->next) {
                Command *command = link->data;
                if (!monitor->failed && command->done == on_capabilities)
                        continue;
                g_queue_delete_link(&monitor->commands, link);
                return command;
        }
        return NULL;
}

/* Tells everybody who waits, then the listener. */
static bool tell_all(Monitor *monitor, void (*told)(void *data, const GError *error), const GError *error) {
        hold(monitor);
        for (Command *command; !monitor->is_freed && (command = take_waiting(monitor));) {
                if (command->done)
                        command->done(command->data, NULL, error);
                command_free(command);
        }
        if (!monitor->is_freed)
                told(monitor->data, error);
        return let_go(monitor);
}

static bool fail(Monitor *monitor, const GError *error) {
        if (monitor->failed)
                return true;
        monitor->failed = true;
        monitor->deadline = sd_event_source_disable_unref(monitor->deadline);
        sd_event_source_set_enabled(monitor->source, SD_EVENT_OFF);
        monitor->pause = sd_event_source_disable_unref(monitor->pause);
        return tell_all(monitor, monitor->listener->closed, error);
}

/* Nobody waits for what has not been sent yet. */
static void drop_lines(Monitor *monitor) {
        Line *begun = g_queue_peek_head(&monitor->lines);
        if (begun && begun->sent > 0)
                g_queue_pop_head(&monitor->lines);
        else
                begun = NULL;
        g_queue_clear_full(&monitor->lines, (GDestroyNotify) line_free);
        if (begun)
                g_queue_push_tail(&monitor->lines, begun);
}

void monitor_lose_patience(Monitor *monitor, const GError *error) {
        if (!monitor->listener->silent) {
                fail(monitor, error);
                return;
        }
        if (monitor->failed || monitor->silent)
                return;
        monitor->silent = true;
        monitor->deadline = sd_event_source_disable_unref(monitor->deadline);
        drop_lines(monitor);
        tell_all(monitor, monitor->listener->silent, error);
}

static int on_deadline(sd_event_source *source, uint64_t usec, void *data) {
        Monitor *monitor = data;
        const Command *first = g_queue_peek_head(&monitor->commands);
        g_autoptr(GError) error = NULL;
        (void) source;
        (void) usec;
        if (!first)
                return 0;
        virtbus_error_set(&error, VIRTBUS_ERROR_TIMEOUT, "QEMU has not answered %s within %u seconds", first->name,
                          (unsigned) (monitor->patience / 1000000));
        monitor_lose_patience(monitor, error);
        return 0;
}

/* QEMU has answered, or the first command is waiting: from now on, if any waits. */
static void watch_patience(Monitor *monitor) {
        monitor->deadline = sd_event_source_disable_unref(monitor->deadline);
        if (!monitor->failed && !monitor->silent && !g_queue_is_empty(&monitor->commands))
                sd_event_add_time_relative(monitor->event, &monitor->deadline, CLOCK_MONOTONIC, monitor->patience, 0, on_deadline,
                                           monitor);
}

void monitor_set_patience(Monitor *monitor, uint64_t usec) {
        monitor->patience = usec;
        watch_patience(monitor);
}

void monitor_skip_remainder(Monitor *monitor) {
        monitor->skips = MONITOR_REMAINDER_MAX;
}

bool monitor_is_there(const Monitor *monitor) {
        return !monitor->failed && !monitor->silent;
}

void monitor_end(Monitor *monitor, const GError *error) {
        fail(monitor, error);
}

static bool fail_protocol(Monitor *monitor, const char *what) {
        g_autoptr(GError) error = NULL;
        virtbus_error_set(&error, VIRTBUS_ERROR_HYPERVISOR_FAILED, "the monitor was cut off: %s", what);
        return fail(monitor, error);
}

/* What is waited for. */
static void watch(Monitor *monitor, bool output) {
        sd_event_source_set_io_events(monitor->source, (monitor->paused ? 0 : EPOLLIN) | (output ? EPOLLOUT : 0));
}

static bool send_lines(Monitor *monitor) {
        while (!g_queue_is_empty(&monitor->lines)) {
                Line *line = g_queue_peek_head(&monitor->lines);
                ssize_t n = local_socket_send(monitor->fd, line->text + line->sent, line->length - line->sent, &line->fd,
                                              line->fd >= 0, MSG_DONTWAIT);
                if (n == -EAGAIN || n == -EINTR)
                        break;
                if (n < 0)
                        return fail_protocol(monitor, g_strerror((int) -n));
                autofd_close(&line->fd);
                line->fd = -1;
                line->sent += (size_t) n;
                if (line->sent == line->length)
                        line_free(g_queue_pop_head(&monitor->lines));
        }
        watch(monitor, !g_queue_is_empty(&monitor->lines));
        return true;
}

static void queue(Monitor *monitor, const char *name, JsonObject *arguments, int fd, MonitorDone done, void *data,
                  GDestroyNotify dropped) {
        Command *command = g_new0(Command, 1);
        *command = (Command){ .id = ++monitor->last_id, .name = g_strdup(name), .done = done, .data = data, .dropped = dropped };
        g_autoptr(JsonObject) request =
                        json_make("execute", 's', name, "arguments", 'o', arguments, "id", 'i', command->id, NULL);
        g_autofree char *text = json_text(request);
        Line *line = g_new0(Line, 1);
        line->text = g_strconcat(text, "\r\n", NULL);
        line->length = strlen(line->text);
        line->fd = fd >= 0 ? fcntl(fd, F_DUPFD_CLOEXEC, 3) : -1;
        g_queue_push_tail(&monitor->commands, command);
        if (!monitor->deadline)
                watch_patience(monitor);
        if (strcmp(name, "qmp_capabilities") == 0)
                g_queue_push_head(&monitor->lines, line);
        else
                g_queue_push_tail(&monitor->lines, line);
}

static void send_command(Monitor *monitor, const char *name, JsonObject *arguments, int fd, MonitorDone done, void *data,
                         GDestroyNotify dropped) {
        g_autoptr(GError) error = NULL;
        if (monitor->failed)
                virtbus_error_set(&error, VIRTBUS_ERROR_HYPERVISOR_FAILED, "QEMU's monitor is closed");
        else if (monitor->silent)
                virtbus_error_set(&error, VIRTBUS_ERROR_TIMEOUT, "QEMU does not answer");
        else if (g_queue_get_length(&monitor->commands) >= MONITOR_COMMANDS_MAX)
                virtbus_error_set(&error, VIRTBUS_ERROR_RESOURCE_BUSY, "QEMU has not answered %d commands yet",
                                  MONITOR_COMMANDS_MAX);
        if (error) {
                if (arguments)
                        json_object_unref(arguments);
                if (done)
                        done(data, NULL, error);
                return;
        }
        queue(monitor, name, arguments, fd, done, data, dropped);
        if (monitor->ready) /* sent from the loop, so that a failure does not call back from here */
                watch(monitor, true);
}

void monitor_command(Monitor *monitor, const char *name, JsonObject *arguments, int fd, MonitorDone done, void *data) {
        send_command(monitor, name, arguments, fd, done, data, NULL);
}

void monitor_ask(Monitor *monitor, const char *name, JsonObject *arguments, MonitorDone done, void *data,
                 GDestroyNotify dropped) {
        send_command(monitor, name, arguments, -1, done, data, dropped);
}

static void on_capabilities(void *data, JsonObject *answer, const GError *error) {
        Monitor *monitor = data;
        (void) answer;
        if (error)
                return; /* fails with everything else, or hangs until it is destroyed */
        monitor->ready = true;
        monitor->silent = false;
        watch(monitor, true);
        monitor->listener->ready(monitor->data);
}

static Command *take_command(Monitor *monitor, gint64 id) {
        for (GList *link = monitor->commands.head; link; link = link->next) {
                Command *command = link->data;
                if (command->id == id) {
                        g_queue_delete_link(&monitor->commands, link);
                        return command;
                }
        }
        return NULL;
}

static void handle_answer(Monitor *monitor, JsonObject *answer) {
        Command *command = take_command(monitor, json_int(answer, "id", -1));
        JsonObject *fault = json_member(answer, "error");
        g_autoptr(GError) error = NULL;
        if (!command && monitor->silent && monitor->ready) {
                monitor->silent = false;
                monitor->listener->ready(monitor->data);
        }
        if (!command)
                return;
        watch_patience(monitor);
        if (fault || !json_object_has_member(answer, "return")) {
                const char *words = json_string(fault, "desc");
                virtbus_error_set(&error, VIRTBUS_ERROR_HYPERVISOR_FAILED, "QEMU refuses %s: %.1024s", command->name,
                                  words ? words : "no reason given");
        }
        if (command->done)
                command->done(command->data, answer, error);
        command_free(command);
}

/* Events */

#define SECOND UINT64_C(1000000)
#define PAUSE_TIME (SECOND / 10)

static uint64_t now(const Monitor *monitor) {
        uint64_t usec = 0;
        sd_event_now(sd_event_source_get_event(monitor->source), CLOCK_MONOTONIC, &usec);
        return usec;
}

static void allow_more(Monitor *monitor) {
        const uint64_t at = now(monitor), more = (at - monitor->allowed_at) / (SECOND / MONITOR_EVENTS_PER_SECOND);
        if (more == 0)
                return;
        monitor->allowance = MIN(monitor->allowance + more, MONITOR_EVENTS_AT_ONCE);
        monitor->allowed_at = at;
}

static bool handle_lines(Monitor *monitor);

static int on_pause_over(sd_event_source *source, uint64_t usec, void *data) {
        Monitor *monitor = data;
        (void) source;
        (void) usec;
        monitor->paused = false;
        watch(monitor, monitor->ready && !g_queue_is_empty(&monitor->lines));
        handle_lines(monitor);
        return 0;
}

static void pause_for_a_while(Monitor *monitor) {
        sd_event *event = sd_event_source_get_event(monitor->source);
        monitor->pause = sd_event_source_disable_unref(monitor->pause);
        if (sd_event_add_time_relative(event, &monitor->pause, CLOCK_MONOTONIC, PAUSE_TIME, 0, on_pause_over, monitor) < 0)
                return;
        monitor->paused = true;
        watch(monitor, monitor->ready && !g_queue_is_empty(&monitor->lines));
}

static void take_event(Monitor *monitor, JsonObject *object) {
        if (monitor->listener->event)
                monitor->listener->event(monitor->data, json_string(object, "event"), json_member(object, "data"));
        if (monitor->is_freed || monitor->failed)
                return;
        allow_more(monitor);
        monitor->allowance -= MIN(1, monitor->allowance);
        if (monitor->allowance == 0 && !monitor->has_ended)
                pause_for_a_while(monitor);
}

static bool handle_line(Monitor *monitor, const char *line, size_t length) {
        g_autoptr(GError) error = NULL;
        g_autoptr(JsonNode) node = json_parse(line, (gssize) length, &error);
        if (!monitor->greeted && monitor->skips > 0 && (!node || !json_member(json_node_get_object(node), "QMP"))) {
                monitor->skips--;
                return true;
        }
        if (!node)
                return fail_protocol(monitor, error->message);
        JsonObject *object = json_node_get_object(node);
        hold(monitor);
        if (!monitor->greeted) {
                if (!json_member(object, "QMP"))
                        fail_protocol(monitor, "it does not speak QMP");
                else {
                        monitor->greeted = true;
                        queue(monitor, "qmp_capabilities", NULL, -1, on_capabilities, monitor, NULL);
                        /* Only that line may go out now: the others follow when it is answered. */
                        Line *hello = g_queue_peek_head(&monitor->lines);
                        ssize_t n = send(monitor->fd, hello->text, hello->length, MSG_NOSIGNAL | MSG_DONTWAIT);
                        if (n == (ssize_t) hello->length)
                                line_free(g_queue_pop_head(&monitor->lines));
                        else
                                fail_protocol(monitor, "it takes no commands");
                }
        } else if (json_string(object, "event"))
                take_event(monitor, object);
        else
                handle_answer(monitor, object);
        return let_go(monitor);
}

static bool handle_lines(Monitor *monitor) {
        while (!monitor->failed && !monitor->paused) {
                size_t length;
                g_autofree char *line = lines_next(&monitor->input, &length);
                if (!line)
                        break;
                if (!handle_line(monitor, line, length))
                        return false;
        }
        return true;
}

static bool receive(Monitor *monitor) {
        ssize_t n = lines_receive(&monitor->input, monitor->fd);
        if (n == -EAGAIN || n == -EINTR)
                return true;
        if (n <= 0)
                return fail_protocol(monitor, n == 0 ? "QEMU has closed it" : g_strerror((int) -n));
        if (!handle_lines(monitor))
                return false;
        if (!monitor->failed && !monitor->paused && lines_exceed(&monitor->input, MONITOR_LINE_MAX))
                return fail_protocol(monitor, "a line is too long");
        return true;
}

static int on_io(sd_event_source *source, int fd, uint32_t events, void *data) {
        Monitor *monitor = data;
        (void) source;
        (void) fd;
        if (events & EPOLLOUT && monitor->ready && !send_lines(monitor))
                return 0;
        if (monitor->paused && events & (EPOLLHUP | EPOLLERR)) {
                monitor->paused = false;
                monitor->has_ended = true;
                if (!handle_lines(monitor))
                        return 0;
        }
        if (!monitor->failed && !monitor->paused && events & (EPOLLIN | EPOLLHUP | EPOLLERR))
                receive(monitor);
        return 0;
}

Monitor *monitor_new(sd_event *event, int fd, const MonitorListener *listener, void *data, GError **error) {
        Monitor *monitor = g_new0(Monitor, 1);
        *monitor = (Monitor){
                .fd = fd,
                .listener = listener,
                .data = data,
                .event = event,
                .patience = MONITOR_PATIENCE,
                .allowance = MONITOR_EVENTS_AT_ONCE,
        };
        lines_open(&monitor->input);
        g_queue_init(&monitor->lines);
        g_queue_init(&monitor->commands);
        int r = sd_event_add_io(event, &monitor->source, fd, EPOLLIN, on_io, monitor);
        if (r >= 0)
                return monitor;
        monitor_free(monitor);
        virtbus_error_set_errno(error, -r, "cannot watch QEMU's monitor");
        return NULL;
}

MonitorRequest *monitor_request_new(const char *name, JsonObject *arguments, int fd) {
        MonitorRequest *request = g_new0(MonitorRequest, 1);
        *request = (MonitorRequest){ .name = g_strdup(name), .arguments = arguments, .fd = fd };
        return request;
}

void monitor_request_free(MonitorRequest *request) {
        g_free(request->name);
        json_object_unref(request->arguments);
        autofd_close(&request->fd);
        g_free(request);
}
