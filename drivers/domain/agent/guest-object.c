/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/agent/guest-object.h"

#include <errno.h>
#include <string.h>

#include "domain/agent/agent-methods.h"
#include "domain/device-elements.h"
#include "domain/domain-status.h"
#include "domain/domain-run.h"
#include "interfaces.h"

struct GuestObject {
        Domain *domain;
        Agent *agent;
        Published *published;
};

/* A call that waits for the agent. */
typedef struct Pending {
        const AgentMethod *method;
        Call *call;
} Pending;

/* Methods */

static void on_answer(void *data, JsonNode *node, const GError *error) {
        Pending *pending = data;
        Call *call = pending->call;
        const AgentMethod *method = pending->method;
        g_autoptr(sd_bus_message) message = NULL;
        g_free(pending);
        if (error) {
                call_fail(call, error);
                return;
        }
        int r = call_begin_answer(call, &message);
        if (r >= 0 && method->answer)
                r = node ? method->answer(message, node) : -EBADMSG;
        if (r >= 0) {
                call_send_answer(call, message);
                return;
        }
        g_autoptr(GError) nonsense = NULL;
        virtbus_error_set(&nonsense, VIRTBUS_ERROR_HYPERVISOR_FAILED, "the agent's answer to %s is not what its protocol says",
                          method->command ? method->command : method->member);
        call_fail(call, nonsense);
}

static void ask(GuestObject *object, Call *call, const AgentMethod *method, const char *command, JsonObject *arguments) {
        Pending *pending = g_new0(Pending, 1);
        *pending = (Pending){ .method = method, .call = call };
        agent_command(object->agent, command, arguments, method->expectation, on_answer, pending);
}

static void set_timeout(GuestObject *object, Call *call) {
        int32_t seconds;
        g_autoptr(GError) error = NULL;
        int r = sd_bus_message_read(call->message, "i", &seconds);
        if (r < 0) {
                call_fail_errno(call, r);
                return;
        }
        if (seconds < AGENT_WAIT_FOR_EVER || seconds > AGENT_TIMEOUT_MAX) {
                virtbus_error_set(&error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                  "%d: it must be -2 (for ever), -1 (%d seconds), 0 (no wait), or up to %d seconds", seconds,
                                  AGENT_TIMEOUT_DEFAULT, AGENT_TIMEOUT_MAX);
                call_fail(call, error);
                return;
        }
        guest_object_restore_timeout(object, seconds);
        domain_save_status(object->domain);
        call_reply(call, "");
}

static void raw_command(GuestObject *object, Call *call, const AgentMethod *method) {
        const char *text;
        g_autoptr(GError) error = NULL;
        int r = sd_bus_message_read(call->message, "s", &text);
        if (r < 0) {
                call_fail_errno(call, r);
                return;
        }
        g_autoptr(JsonNode) node = json_parse(text, -1, &error);
        JsonObject *command = node ? json_node_get_object(node) : NULL;
        const char *name = json_string(command, "execute");
        JsonObject *arguments = json_member(command, "arguments");
        if (!name || strcmp(name, "guest-sync") == 0 || strcmp(name, "guest-sync-delimited") == 0) {
                g_clear_error(&error);
                virtbus_error_set(&error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                  "the command must be a JSON object with \"execute\", and not a sync, which every command has "
                                  "before it");
                call_fail(call, error);
                return;
        }
        domain_taint(object->domain, TAINT_CUSTOM_GUEST_AGENT);
        ask(object, call, method, name, arguments ? json_object_ref(arguments) : NULL);
}

static void handle(Call *call, void *self) {
        GuestObject *object = self;
        const char *member = sd_bus_message_get_member(call->message);
        g_autoptr(GError) error = NULL;
        const AgentMethod *method = agent_method_find(member); /* a test sees that every method has one */
        if (strcmp(member, "SetAgentResponseTimeout") == 0) {
                set_timeout(object, call);
                return;
        }
        if (!method->command) {
                raw_command(object, call, method);
                return;
        }
        g_autoptr(JsonObject) arguments = agent_method_arguments(method, call->message, &error);
        if (!arguments) {
                call_fail(call, error);
                return;
        }
        const char *command = method->command;
        g_autofree char *suspend = NULL;
        if (g_str_has_suffix(command, "-")) { /* the mode is a part of the name */
                command = suspend = g_strconcat(command, json_string(arguments, "mode"), NULL);
                json_object_remove_member(arguments, "mode");
        } else if (strcmp(command, "guest-fsfreeze-freeze-list") == 0 && !json_object_has_member(arguments, "mountpoints"))
                command = "guest-fsfreeze-freeze";
        ask(object, call, method, command, json_object_get_size(arguments) > 0 ? g_steal_pointer(&arguments) : NULL);
}

/* The object */

static int append_connected(const void *self, sd_bus_message *message) {
        return sd_bus_message_append(message, "b", agent_is_connected(((const GuestObject *) self)->agent));
}

static int append_timeout(const void *self, sd_bus_message *message) {
        return sd_bus_message_append(message, "i", agent_timeout(((const GuestObject *) self)->agent));
}

static const MethodHandler methods[AGENT_METHODS] = { [0 ... AGENT_METHODS - 1] = handle };

static const Vtable vtable = {
        .info = &interface_domain_guest,
        .methods = methods,
        .getters =
                        (const PropertyGetter[]){
                                        [DOMAIN_GUEST_AGENT_RESPONSE_TIMEOUT] = append_timeout,
                                        [DOMAIN_GUEST_CONNECTED] = append_connected,
                        },
        .setters = (const MethodHandler[]){ NULL, NULL },
};

static void on_changed(void *data) {
        GuestObject *object = data;
        published_changed(object->published, &vtable, (const int[]){ DOMAIN_GUEST_CONNECTED, -1 });
}

xmlNode *guest_object_channel(xmlDoc *document, guint *index) {
        *index = 0;
        for (xmlNode *element = device_elements_first(document); element; element = device_elements_next(element)) {
                if (xml_is(element, "channel") && xml_attribute_is(element, "type", "unix") &&
                    xml_attribute_is(xml_child(element, "target"), "name", AGENT_CHANNEL))
                        return element;
                ++*index;
        }
        return NULL;
}

GuestObject *guest_object_new(Domain *domain, int fd) {
        static const Vtable *const vtables[] = { &vtable, NULL };
        GuestObject *object = g_new0(GuestObject, 1);
        g_autofree char *path = g_strdup_printf("%s/guest", published_path(domain->published));
        object->domain = domain;
        object->agent = agent_new(domain->connection->event, fd, domain_name(domain), on_changed, object);
        object->published = objects_publish(domain->connection->objects, path, object, vtables);
        return object;
}

void guest_object_free(GuestObject *object, const GError *error) {
        agent_free(object->agent, error);
        published_withdraw(object->published);
        g_free(object);
}

void guest_object_set_connected(GuestObject *object, bool connected) {
        agent_set_connected(object->agent, connected);
}

void guest_object_ask(GuestObject *object, const char *command, AgentDone done, void *data) {
        agent_command(object->agent, command, NULL, AGENT_ANSWER, done, data);
}

void guest_object_ask_within(GuestObject *object, const char *command, int seconds, AgentDone done, void *data) {
        agent_command_within(object->agent, command, seconds, done, data);
}

void guest_object_machine_obeys(GuestObject *object) {
        agent_machine_obeys(object->agent);
}

int guest_object_timeout(const GuestObject *object) {
        return agent_timeout(object->agent);
}

void guest_object_restore_timeout(GuestObject *object, int seconds) {
        agent_set_timeout(object->agent, seconds);
        published_changed(object->published, &vtable, (const int[]){ DOMAIN_GUEST_AGENT_RESPONSE_TIMEOUT, -1 });
}
