/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/agent/agent.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "base/lines.h"
#include "bus.h"
#include "errors.h"
#include "log.h"

#define SECOND UINT64_C(1000000)

typedef struct Command {
        char *name, *text;
        AgentExpectation expectation;
        int seconds; /* that it may take with its sync; 0: what is set, or usual */
        AgentDone done;
        void *data;
} Command;

struct Agent {
        sd_event *event;
        sd_event_source *source, *timer;
        int fd;
        char *name;
        AgentChanged on_changed;
        void *data;
        bool connected, cut;
        int timeout;
        Lines lines;
        size_t noise;      /* what came since the last answer */
        GString *output;   /* to be sent */
        gint64 sync;       /* the last one's ID */
        bool synchronized; /* the first command's sync was answered: what comes next is its answer */
        bool sent;         /* the first command is on its way */
        bool is_told;      /* not only its sync */
        GQueue commands;   /* the first one is at work */
};

static void command_free(Command *command) {
        /* It may hold a password. */
        explicit_bzero(command->text, strlen(command->text));
        g_free(command->text);
        g_free(command->name);
        g_free(command);
}

static void begin(Agent *agent);

/* Ends the first command. Its callback may not free the agent. */
static void finish(Agent *agent, JsonNode *answer, const GError *error) {
        Command *command = g_queue_pop_head(&agent->commands);
        agent->timer = sd_event_source_disable_unref(agent->timer);
        agent->sent = agent->synchronized = agent->is_told = false;
        command->done(command->data, answer, error);
        command_free(command);
        begin(agent);
}

static void fail_all(Agent *agent, const GError *error) {
        Command *command;
        agent->timer = sd_event_source_disable_unref(agent->timer);
        agent->sent = agent->synchronized = agent->is_told = false;
        while ((command = g_queue_pop_head(&agent->commands))) {
                bool ended = command->expectation == AGENT_END && !error;
                g_autoptr(GError) closed = NULL;
                if (!error && !ended)
                        virtbus_error_set(&closed, VIRTBUS_ERROR_AGENT_UNAVAILABLE, "domain '%s': its agent has ended",
                                          agent->name);
                command->done(command->data, NULL, error ? error : closed);
                command_free(command);
        }
}

typedef enum CutReason {
        CUT_FOR_FAULT,
        CUT_AT_END, /* the socket was closed, as each machine that ends does */
} CutReason;

/* Lets go of a guest that does not keep to the protocol, or has ended: until its next run it has no agent. */
static void cut_off(Agent *agent, CutReason reason, const char *why) {
        g_autoptr(GError) error = NULL;
        virtbus_error_set(&error, VIRTBUS_ERROR_AGENT_UNAVAILABLE,
                          "domain '%s': its agent was cut off until the domain is started again: %s", agent->name, why);
        if (reason == CUT_FOR_FAULT)
                log_warning("%s", error->message);
        else
                log_debug("%s", error->message);
        agent->cut = true;
        agent->source = sd_event_source_disable_unref(agent->source);
        autofd_close(&agent->fd);
        agent->fd = -1;
        lines_close(&agent->lines);
        lines_open(&agent->lines);
        agent->on_changed(agent->data);
        fail_all(agent, error);
}

static void cut_off_errno(Agent *agent, int code) {
        cut_off(agent, code == EPIPE || code == ECONNRESET ? CUT_AT_END : CUT_FOR_FAULT, g_strerror(code));
}

static void send_output(Agent *agent) {
        if (agent->output->len > 0) {
                ssize_t n = send(agent->fd, agent->output->str, agent->output->len, MSG_NOSIGNAL | MSG_DONTWAIT);
                if (n < 0 && errno != EAGAIN && errno != EINTR) {
                        cut_off_errno(agent, errno);
                        return;
                }
                if (n > 0) {
                        explicit_bzero(agent->output->str, (size_t) n);
                        g_string_erase(agent->output, 0, n);
                }
        }
        sd_event_source_set_io_events(agent->source, EPOLLIN | (agent->output->len > 0 ? EPOLLOUT : 0));
}

static int on_timeout(sd_event_source *source, uint64_t usec, void *data) {
        Agent *agent = data;
        const Command *command = g_queue_peek_head(&agent->commands);
        g_autoptr(GError) error = NULL;
        (void) source;
        (void) usec;
        virtbus_error_set(&error, VIRTBUS_ERROR_TIMEOUT,
                          "domain '%s': its agent has not answered %s in time; SetAgentResponseTimeout sets that time",
                          agent->name, agent->synchronized ? command->name : "guest-sync");
        finish(agent, NULL, error);
        return 0;
}

/* Waits this long for the next answer; a negative number for ever. */
static void wait_for(Agent *agent, int seconds) {
        agent->timer = sd_event_source_disable_unref(agent->timer);
        if (seconds >= 0)
                sd_event_add_time_relative(agent->event, &agent->timer, CLOCK_MONOTONIC, (uint64_t) seconds * SECOND, 0,
                                           on_timeout, agent);
}

static void send_command(Agent *agent) {
        const Command *command = g_queue_peek_head(&agent->commands);
        g_string_append(agent->output, command->text);
        g_string_append_c(agent->output, '\n');
        agent->is_told = true;
}

/* Starts with the next command: its sync first. */
static void begin(Agent *agent) {
        const Command *command = g_queue_peek_head(&agent->commands);
        if (!command || agent->sent || agent->cut)
                return;
        agent->sent = true;
        agent->sync = g_random_int() & G_MAXINT32; /* not to be guessed by a guest */
        g_string_append_printf(agent->output, "{\"execute\":\"guest-sync\",\"arguments\":{\"id\":%" G_GINT64_FORMAT "}}\n",
                               agent->sync);
        if (command->seconds > 0) {
                send_command(agent);
                wait_for(agent, command->seconds);
                send_output(agent);
                return;
        }
        if (agent->timeout == AGENT_NO_WAIT) {
                /* Its answers are thrown away by the next sync. */
                send_command(agent);
                agent->synchronized = true;
                send_output(agent);
                if (agent->cut)
                        return;
                if (command->expectation == AGENT_ANSWER)
                        wait_for(agent, 0);
                else
                        finish(agent, NULL, NULL);
                return;
        }
        wait_for(agent, agent->timeout > 0 ? MIN(agent->timeout, AGENT_TIMEOUT_DEFAULT) : AGENT_TIMEOUT_DEFAULT);
        send_output(agent);
}

int agent_patience(int timeout, const char *command) {
        static const char *const slow[] = {
                "guest-fstrim",       "guest-fsfreeze-freeze", "guest-fsfreeze-freeze-list", "guest-fsfreeze-thaw",
                "guest-suspend-disk", "guest-suspend-ram",     "guest-suspend-hybrid",       NULL
        };
        return timeout != AGENT_WAIT_DEFAULT    ? timeout
               : g_strv_contains(slow, command) ? AGENT_WAIT_FOR_EVER
                                                : AGENT_TIMEOUT_DEFAULT;
}

static bool is_sync_answer(const Agent *agent, JsonNode *node) {
        return json_int(json_node_get_object(node), "return", -1) == agent->sync;
}

static void handle_answer(Agent *agent, JsonNode *node) {
        const Command *command = g_queue_peek_head(&agent->commands);
        JsonObject *object = json_node_get_object(node), *fault = json_member(object, "error");
        g_autoptr(GError) error = NULL;
        if (fault || !json_object_has_member(object, "return")) {
                const char *words = json_string(fault, "desc");
                g_autofree char *valid = words ? g_utf8_make_valid(words, -1) : NULL;
                virtbus_error_set(&error, VIRTBUS_ERROR_HYPERVISOR_FAILED, "domain '%s': its agent refuses %s: %.512s",
                                  agent->name, command->name, valid ? valid : "no reason given");
        }
        agent->noise = 0;
        finish(agent, error ? NULL : json_object_get_member(object, "return"), error);
}

/* Takes one line from the guest. */
static void handle_line(Agent *agent, const char *line, size_t length) {
        g_autoptr(GError) error = NULL;
        g_autoptr(JsonNode) node = NULL;
        agent->noise += length + 1;
        if (agent->noise > AGENT_NOISE_MAX) {
                cut_off(agent, CUT_FOR_FAULT, "it talks without being asked");
                return;
        }
        if (!agent->sent || length == 0)
                return;
        bool waits_for_sync = !agent->synchronized;
        node = json_parse(line, (gssize) length, &error);
        if (waits_for_sync) {
                /* An answer that came too late does not count, whatever it says. */
                if (node && is_sync_answer(agent, node)) {
                        agent->synchronized = true;
                        if (agent->is_told)
                                return;
                        send_command(agent);
                        wait_for(agent,
                                 agent_patience(agent->timeout, ((const Command *) g_queue_peek_head(&agent->commands))->name));
                        send_output(agent);
                }
                return;
        }
        if (node) {
                handle_answer(agent, node);
                return;
        }
        g_autoptr(GError) nonsense = NULL;
        virtbus_error_set(&nonsense, VIRTBUS_ERROR_HYPERVISOR_FAILED,
                          "domain '%s': its agent's answer is not a JSON object: %.200s", agent->name, error->message);
        finish(agent, NULL, nonsense);
}

static void receive(Agent *agent) {
        ssize_t n = lines_receive(&agent->lines, agent->fd);
        if (n == -EAGAIN || n == -EINTR)
                return;
        if (n == 0)
                cut_off(agent, CUT_AT_END, "its socket was closed");
        else if (n < 0)
                cut_off_errno(agent, (int) -n);
        if (n <= 0)
                return;
        while (!agent->cut) {
                size_t length;
                g_autofree char *line = lines_next(&agent->lines, &length);
                if (!line)
                        break;
                handle_line(agent, line, length);
        }
        if (!agent->cut && lines_exceed(&agent->lines, AGENT_LINE_MAX))
                cut_off(agent, CUT_FOR_FAULT, "a line is too long");
}

static int on_io(sd_event_source *source, int fd, uint32_t events, void *data) {
        Agent *agent = data;
        (void) source;
        (void) fd;
        if (events & EPOLLOUT)
                send_output(agent);
        if (!agent->cut && events & (EPOLLIN | EPOLLHUP | EPOLLERR))
                receive(agent);
        return 0;
}

Agent *agent_new(sd_event *event, int fd, const char *name, AgentChanged changed, void *data) {
        Agent *agent = g_new0(Agent, 1);
        *agent = (Agent){ .event = event,
                          .fd = fd,
                          .name = g_strdup(name),
                          .timeout = AGENT_WAIT_DEFAULT,
                          .on_changed = changed,
                          .data = data };
        lines_open(&agent->lines);
        agent->output = g_string_new(NULL);
        g_queue_init(&agent->commands);
        if (sd_event_add_io(event, &agent->source, fd, EPOLLIN, on_io, agent) < 0)
                agent->cut = true; /* it is one that does not answer */
        return agent;
}

void agent_free(Agent *agent, const GError *error) {
        agent->cut = true;
        fail_all(agent, error);
        sd_event_source_disable_unref(agent->source);
        autofd_close(&agent->fd);
        lines_close(&agent->lines);
        g_string_free(agent->output, TRUE);
        g_free(agent->name);
        g_free(agent);
}

void agent_set_connected(Agent *agent, bool connected) {
        bool ended = agent->connected && !connected;
        bool changes = agent->connected != connected && !agent->cut;
        agent->connected = connected;
        if (changes)
                agent->on_changed(agent->data);
        if (!ended || agent->cut)
                return;
        fail_all(agent, NULL);
        g_string_truncate(agent->output, 0);
        sd_event_source_set_io_events(agent->source, EPOLLIN);
}

bool agent_is_connected(const Agent *agent) {
        return agent->connected && !agent->cut;
}

void agent_machine_obeys(Agent *agent) {
        const Command *command = g_queue_peek_head(&agent->commands);
        if (command && command->expectation == AGENT_END && agent->synchronized)
                finish(agent, NULL, NULL);
}

void agent_set_timeout(Agent *agent, int seconds) {
        agent->timeout = seconds;
}

int agent_timeout(const Agent *agent) {
        return agent->timeout;
}

static void add_command(Agent *agent, const char *name, JsonObject *arguments, AgentExpectation expectation, int seconds,
                        AgentDone done, void *data) {
        g_autoptr(GError) error = NULL;
        g_autoptr(JsonObject) request = json_make("execute", 's', name, "arguments", 'o', arguments, NULL);
        if (agent->cut)
                virtbus_error_set(&error, VIRTBUS_ERROR_AGENT_UNAVAILABLE,
                                  "domain '%s': its agent was cut off until the domain is started again", agent->name);
        else if (!agent->connected)
                virtbus_error_set(&error, VIRTBUS_ERROR_AGENT_UNAVAILABLE,
                                  "domain '%s': no agent has opened its channel; install qemu-guest-agent in the guest, and "
                                  "start it",
                                  agent->name);
        else if (g_queue_get_length(&agent->commands) >= AGENT_COMMANDS_MAX)
                virtbus_error_set(&error, VIRTBUS_ERROR_RESOURCE_BUSY, "domain '%s': its agent has %d commands to answer already",
                                  agent->name, AGENT_COMMANDS_MAX);
        else if (agent->output->len > AGENT_OUTPUT_MAX)
                virtbus_error_set(&error, VIRTBUS_ERROR_RESOURCE_BUSY,
                                  "domain '%s': its agent has not read %" G_GSIZE_FORMAT
                                  " bytes of earlier commands yet; restart it in "
                                  "the guest",
                                  agent->name, agent->output->len);
        if (error) {
                done(data, NULL, error);
                return;
        }
        Command *command = g_new0(Command, 1);
        *command = (Command){ .name = g_strdup(name),
                              .text = json_text(request),
                              .expectation = expectation,
                              .seconds = seconds,
                              .done = done,
                              .data = data };
        g_queue_push_tail(&agent->commands, command);
        begin(agent);
}

void agent_command(Agent *agent, const char *name, JsonObject *arguments, AgentExpectation expectation, AgentDone done,
                   void *data) {
        add_command(agent, name, arguments, expectation, 0, done, data);
}

void agent_command_within(Agent *agent, const char *name, int seconds, AgentDone done, void *data) {
        add_command(agent, name, NULL, AGENT_ANSWER, seconds, done, data);
}
