/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test/guest-agent.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/json.h"
#include "base/lines.h"
#include "bus.h"
#include "errors.h"

#define REQUEST_BYTES_MAX (4 * 1024 * 1024)
#define NANOSECONDS 1000

struct GuestAgent {
        sd_event_source *source;
        int fd;
        char *name;
        GuestAgentPower power;
        void *data;
        Lines lines;
        bool frozen;
        gint64 clock_offset; /* of the machine's clock to the host's, in nanoseconds */
};

/* What is always answered alike. */
static const struct {
        const char *command, *answer;
} constants[] = {
        { "guest-ping", "{}" },
        { "guest-info", "{\"version\":\"test\",\"supported_commands\":[]}" },
        { "guest-get-osinfo",
          "{\"id\":\"test\",\"name\":\"Test\",\"pretty-name\":\"Test 1\",\"version-id\":\"1\",\"machine\":\"x86_64\"}" },
        { "guest-get-timezone", "{\"zone\":\"UTC\",\"offset\":0}" },
        { "guest-get-users", "[{\"user\":\"test\",\"login-time\":1.0}]" },
        { "guest-get-vcpus", "[{\"logical-id\":0,\"online\":true,\"can-offline\":false}]" },
        { "guest-get-fsinfo", "[{\"name\":\"vda1\",\"mountpoint\":\"/"
                              "\",\"type\":\"ext4\",\"used-bytes\":1048576,\"total-bytes\":4194304,\"disk\":[]}]" },
        { "guest-get-disks", "[{\"name\":\"/dev/vda\",\"partition\":false,\"dependencies\":[]}]" },
        { "guest-network-get-interfaces",
          "[{\"name\":\"lo\",\"ip-addresses\":[{\"ip-address\":\"127.0.0.1\",\"ip-address-type\":\"ipv4\",\"prefix\":8}]}]" },
        { "guest-fstrim", "{\"paths\":[{\"path\":\"/\",\"trimmed\":0,\"minimum\":0}]}" },
};

static char *fault(const char *class, const char *format, const char *what) {
        g_autofree char *words = g_strdup_printf(format, what);
        g_autoptr(JsonObject) answer = json_make("error", 'o', json_make("class", 's', class, "desc", 's', words, NULL), NULL);
        return json_text(answer);
}

static char *number(gint64 value) {
        return g_strdup_printf("{\"return\":%" G_GINT64_FORMAT "}", value);
}

static char *set_time(GuestAgent *agent, JsonObject *arguments) {
        gint64 now = g_get_real_time() * NANOSECONDS, time = json_int(arguments, "time", now);
        if (time < 0)
                return fault("GenericError", "Invalid %s", "time");
        agent->clock_offset = time - now;
        return g_strdup("{\"return\":{}}");
}

/* A clock that was set to its end stays there. */
static gint64 get_time(const GuestAgent *agent) {
        gint64 time;
        bool overflows = __builtin_add_overflow(g_get_real_time() * NANOSECONDS, agent->clock_offset, &time);
        return overflows ? G_MAXINT64 : time;
}

/* The line to be answered; NULL for none. */
static char *answer(GuestAgent *agent, JsonObject *request) {
        const char *command = json_string(request, "execute");
        JsonObject *arguments = json_member(request, "arguments");
        if (!command)
                return fault("GenericError", "QMP input lacks member '%s'", "execute");
        for (size_t i = 0; i < G_N_ELEMENTS(constants); i++)
                if (strcmp(command, constants[i].command) == 0)
                        return g_strdup_printf("{\"return\":%s}", constants[i].answer);
        if (strcmp(command, "guest-sync") == 0)
                return number(json_int(arguments, "id", 0));
        if (strcmp(command, "guest-get-host-name") == 0) {
                g_autoptr(JsonObject) said = json_make("return", 'o', json_make("host-name", 's', agent->name, NULL), NULL);
                return json_text(said);
        }
        if (strcmp(command, "guest-get-time") == 0)
                return number(get_time(agent));
        if (strcmp(command, "guest-set-time") == 0)
                return set_time(agent, arguments);
        if (strcmp(command, "guest-fsfreeze-status") == 0)
                return g_strdup_printf("{\"return\":\"%s\"}", agent->frozen ? "frozen" : "thawed");
        if (g_str_has_prefix(command, "guest-fsfreeze-")) {
                bool freeze = strcmp(command, "guest-fsfreeze-thaw") != 0;
                gint64 n = agent->frozen != freeze; /* it has one file system */
                agent->frozen = freeze;
                return number(n);
        }
        if (strcmp(command, "guest-shutdown") == 0) {
                agent->power(agent->data, g_strcmp0(json_string(arguments, "mode"), "reboot") == 0);
                return NULL;
        }
        return fault("CommandNotFound", "The command %s has been disabled for this instance", command);
}

static int on_io(sd_event_source *source, int fd, uint32_t events, void *data) {
        GuestAgent *agent = data;
        (void) events;
        ssize_t n = lines_receive(&agent->lines, fd);
        if (n == 0 || lines_exceed(&agent->lines, REQUEST_BYTES_MAX))
                sd_event_source_set_enabled(source, SD_EVENT_OFF);
        for (char *next; (next = lines_next(&agent->lines, NULL));) {
                g_autofree char *line = next;
                g_autoptr(JsonNode) request = json_parse(line, -1, NULL);
                g_autofree char *text = request ? answer(agent, json_node_get_object(request))
                                                : fault("GenericError", "%s", "JSON parse error");
                g_autofree char *whole = text ? g_strconcat(text, "\n", NULL) : NULL;
                if (whole && send(fd, whole, strlen(whole), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
                        sd_event_source_set_enabled(source, SD_EVENT_OFF);
        }
        return 0;
}

GuestAgent *guest_agent_new(sd_event *event, const char *name, GuestAgentPower power, void *data, int *fd, GError **error) {
        int pair[2];
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0) {
                virtbus_error_set_errno(error, errno, "an agent's channel cannot be made");
                return NULL;
        }
        GuestAgent *agent = g_new0(GuestAgent, 1);
        *agent = (GuestAgent){ .fd = pair[0], .name = g_strdup(name), .power = power, .data = data };
        lines_open(&agent->lines);
        int r = sd_event_add_io(event, &agent->source, agent->fd, EPOLLIN, on_io, agent);
        if (r < 0) {
                virtbus_error_set_errno(error, -r, "cannot watch an agent's channel");
                close(pair[1]);
                guest_agent_free(agent);
                return NULL;
        }
        *fd = pair[1];
        return agent;
}

void guest_agent_free(GuestAgent *agent) {
        sd_event_source_disable_unref(agent->source);
        lines_close(&agent->lines);
        autofd_close(&agent->fd);
        g_free(agent->name);
        g_free(agent);
}

void guest_agent_set_running(GuestAgent *agent, bool running) {
        sd_event_source_set_enabled(agent->source, running ? SD_EVENT_ON : SD_EVENT_OFF);
}
