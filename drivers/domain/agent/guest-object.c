/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/agent/guest-object.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "domain/device-elements.h"
#include "domain/domain-status.h"
#include "interfaces.h"
#include "log.h"

/* What one call may carry to or from a file or a program. */
#define GUEST_BYTES_MAX (1024 * 1024)
#define GUEST_KEYS_MAX 1024

/* How deep dictionaries may nest in an answer. */
#define ANSWER_DEPTH_MAX 8

struct GuestObject {
        Domain *domain;
        Agent *agent;
        Published *published;
};

typedef struct Row Row;

/* A call that waits for the agent. */
typedef struct Pending {
        const Row *row;
        Call *call;
        char *user_data; /* GetExecStatus and others that need no more: unused */
} Pending;

/* An argument: the method's is put into the command under this name. Types are the method's own, but for "ay" as base64, and
 * "p" for a string as base64. */
typedef struct Argument {
        const char *name, *type;
} Argument;

#define ARGUMENTS_MAX 5

struct Row {
        const char *member, *command;
        Argument arguments[ARGUMENTS_MAX + 1];
        AgentExpectation expectation;
        int (*answer)(sd_bus_message *message, JsonNode *node); /* NULL: nothing is answered */
        bool (*check)(JsonObject *arguments, GError **error);   /* what the agent would not check, or not say well */
};

/* Answers: JSON that a guest sends, as D-Bus. Each returns -EBADMSG where it is of another type. */

static int append_dictionary(sd_bus_message *message, JsonNode *node, unsigned depth);

static int append_text(sd_bus_message *message, const char *text) {
        g_autofree char *valid = g_utf8_make_valid(text, -1);
        return sd_bus_message_append_basic(message, 's', valid);
}

static bool all_are(JsonArray *array, bool strings) {
        for (guint i = 0; i < json_array_get_length(array); i++) {
                JsonNode *node = json_array_get_element(array, i);
                if (strings ? json_node_get_value_type(node) != G_TYPE_STRING : !JSON_NODE_HOLDS_OBJECT(node))
                        return false;
        }
        return true;
}

static int append_variant(sd_bus_message *message, JsonNode *node, unsigned depth);

static int append_array(sd_bus_message *message, JsonNode *node, unsigned depth) {
        JsonArray *array = json_node_get_array(node);
        bool strings = all_are(array, true), dictionaries = !strings && all_are(array, false);
        const char *contents = strings        ? "s"
                               : dictionaries ? "a{sv}"
                                              : "v",
                   *type = strings        ? "as"
                           : dictionaries ? "aa{sv}"
                                          : "av";
        int r = sd_bus_message_open_container(message, 'v', type);
        if (r >= 0)
                r = sd_bus_message_open_container(message, 'a', contents);
        for (guint i = 0; r >= 0 && i < json_array_get_length(array); i++) {
                JsonNode *element = json_array_get_element(array, i);
                r = strings        ? append_text(message, json_node_get_string(element))
                    : dictionaries ? append_dictionary(message, element, depth + 1)
                                   : append_variant(message, element, depth + 1);
        }
        if (r >= 0)
                r = sd_bus_message_close_container(message);
        return r < 0 ? r : sd_bus_message_close_container(message);
}

static int append_basic_variant(sd_bus_message *message, JsonNode *node) {
        GType type = json_node_get_value_type(node);
        if (type == G_TYPE_INT64)
                return sd_bus_message_append(message, "v", "x", (int64_t) json_node_get_int(node));
        if (type == G_TYPE_BOOLEAN)
                return sd_bus_message_append(message, "v", "b", json_node_get_boolean(node));
        if (type == G_TYPE_DOUBLE)
                return sd_bus_message_append(message, "v", "d", json_node_get_double(node));
        g_autofree char *valid = g_utf8_make_valid(json_node_get_string(node), -1);
        return sd_bus_message_append(message, "v", "s", valid);
}

static int append_variant(sd_bus_message *message, JsonNode *node, unsigned depth) {
        if (depth > ANSWER_DEPTH_MAX)
                return -EBADMSG;
        if (JSON_NODE_HOLDS_ARRAY(node))
                return append_array(message, node, depth);
        if (JSON_NODE_HOLDS_VALUE(node))
                return append_basic_variant(message, node);
        if (!JSON_NODE_HOLDS_OBJECT(node))
                return sd_bus_message_append(message, "v", "s", "");
        int r = sd_bus_message_open_container(message, 'v', "a{sv}");
        if (r >= 0)
                r = append_dictionary(message, node, depth + 1);
        return r < 0 ? r : sd_bus_message_close_container(message);
}

static int append_dictionary(sd_bus_message *message, JsonNode *node, unsigned depth) {
        if (!JSON_NODE_HOLDS_OBJECT(node) || depth > ANSWER_DEPTH_MAX)
                return -EBADMSG;
        JsonObject *object = json_node_get_object(node);
        g_autoptr(GList) names = json_object_get_members(object);
        int r = sd_bus_message_open_container(message, 'a', "{sv}");
        for (GList *link = names; r >= 0 && link; link = link->next) {
                JsonNode *value = json_object_get_member(object, link->data);
                if (JSON_NODE_HOLDS_NULL(value))
                        continue;
                r = sd_bus_message_open_container(message, 'e', "sv");
                if (r >= 0)
                        r = append_text(message, link->data);
                if (r >= 0)
                        r = append_variant(message, value, depth);
                if (r >= 0)
                        r = sd_bus_message_close_container(message);
        }
        return r < 0 ? r : sd_bus_message_close_container(message);
}

static int answer_dictionary(sd_bus_message *message, JsonNode *node) {
        return append_dictionary(message, node, 0);
}

static int answer_dictionaries(sd_bus_message *message, JsonNode *node) {
        if (!JSON_NODE_HOLDS_ARRAY(node))
                return -EBADMSG;
        JsonArray *array = json_node_get_array(node);
        int r = sd_bus_message_open_container(message, 'a', "a{sv}");
        for (guint i = 0; r >= 0 && i < json_array_get_length(array); i++)
                r = append_dictionary(message, json_array_get_element(array, i), 0);
        return r < 0 ? r : sd_bus_message_close_container(message);
}

static bool is_int(JsonNode *node) {
        return node && JSON_NODE_HOLDS_VALUE(node) && json_node_get_value_type(node) == G_TYPE_INT64;
}

static int answer_int(sd_bus_message *message, JsonNode *node) {
        return is_int(node) ? sd_bus_message_append(message, "x", (int64_t) json_node_get_int(node)) : -EBADMSG;
}

static int answer_text(sd_bus_message *message, JsonNode *node) {
        bool fine = JSON_NODE_HOLDS_VALUE(node) && json_node_get_value_type(node) == G_TYPE_STRING;
        return fine ? append_text(message, json_node_get_string(node)) : -EBADMSG;
}

static JsonObject *object_of(JsonNode *node) {
        return JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : NULL;
}

static int answer_host_name(sd_bus_message *message, JsonNode *node) {
        const char *name = json_string(object_of(node), "host-name");
        return name ? append_text(message, name) : -EBADMSG;
}

static int answer_time_zone(sd_bus_message *message, JsonNode *node) {
        const char *zone = json_string(object_of(node), "zone");
        int r = object_of(node) ? append_text(message, zone ? zone : "") : -EBADMSG;
        return r < 0 ? r : sd_bus_message_append(message, "x", (int64_t) json_int(object_of(node), "offset", 0));
}

static int answer_member(sd_bus_message *message, JsonNode *node, const char *name) {
        JsonNode *member = object_of(node) ? json_object_get_member(object_of(node), name) : NULL;
        return member ? answer_dictionaries(message, member) : -EBADMSG;
}

static int answer_trimmed(sd_bus_message *message, JsonNode *node) {
        return answer_member(message, node, "paths");
}

static int answer_keys(sd_bus_message *message, JsonNode *node) {
        JsonArray *keys = json_array(object_of(node), "keys");
        if (!keys || !all_are(keys, true))
                return -EBADMSG;
        int r = sd_bus_message_open_container(message, 'a', "s");
        for (guint i = 0; r >= 0 && i < json_array_get_length(keys); i++)
                r = append_text(message, json_array_get_string_element(keys, i));
        return r < 0 ? r : sd_bus_message_close_container(message);
}

static int answer_pid(sd_bus_message *message, JsonNode *node) {
        JsonNode *pid = object_of(node) ? json_object_get_member(object_of(node), "pid") : NULL;
        return answer_int(message, pid ? pid : node);
}

static int append_base64(sd_bus_message *message, const char *text) {
        gsize size = 0;
        g_autofree guchar *bytes = text ? g_base64_decode(text, &size) : NULL;
        return sd_bus_message_append_array(message, 'y', bytes, size);
}

static int answer_exec_status(sd_bus_message *message, JsonNode *node) {
        JsonObject *status = object_of(node);
        JsonNode *exited = status ? json_object_get_member(status, "exited") : NULL;
        if (!exited || !JSON_NODE_HOLDS_VALUE(exited) || json_node_get_value_type(exited) != G_TYPE_BOOLEAN)
                return -EBADMSG;
        int r = sd_bus_message_append(message, "bii", json_node_get_boolean(exited), (int) json_int(status, "exitcode", -1),
                                      (int) json_int(status, "signal", 0));
        if (r >= 0)
                r = append_base64(message, json_string(status, "out-data"));
        return r < 0 ? r : append_base64(message, json_string(status, "err-data"));
}

static bool end_of_file(JsonNode *node) {
        JsonNode *eof = object_of(node) ? json_object_get_member(object_of(node), "eof") : NULL;
        return eof && JSON_NODE_HOLDS_VALUE(eof) && json_node_get_boolean(eof);
}

static int answer_read(sd_bus_message *message, JsonNode *node) {
        const char *data = json_string(object_of(node), "buf-b64");
        int r = data ? append_base64(message, data) : -EBADMSG;
        return r < 0 ? r : sd_bus_message_append(message, "b", end_of_file(node));
}

static int answer_written(sd_bus_message *message, JsonNode *node) {
        gint64 count = json_int(object_of(node), "count", -1);
        return count >= 0 && count <= GUEST_BYTES_MAX ? sd_bus_message_append(message, "u", (uint32_t) count) : -EBADMSG;
}

static int answer_position(sd_bus_message *message, JsonNode *node) {
        gint64 position = json_int(object_of(node), "position", -1);
        return position >= 0 ? sd_bus_message_append(message, "xb", (int64_t) position, end_of_file(node)) : -EBADMSG;
}

static int answer_json(sd_bus_message *message, JsonNode *node) {
        g_autofree char *text = json_to_string(node, FALSE), *valid = g_utf8_make_valid(text, -1);
        return sd_bus_message_append_basic(message, 's', valid);
}

/* Checks */

static bool one_of(JsonObject *arguments, const char *name, const char *choices, GError **error) {
        g_auto(GStrv) names = g_strsplit(choices, " ", -1);
        const char *value = json_string(arguments, name);
        g_autofree char *known = g_strjoinv(", ", names);
        return g_strv_contains((const char *const *) names, value) ||
               virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT, "%s is '%.32s'; it must be one of: %s", name, value,
                                 known);
}

static bool check_shutdown(JsonObject *arguments, GError **error) {
        return one_of(arguments, "mode", "powerdown reboot halt", error);
}

static bool check_suspend(JsonObject *arguments, GError **error) {
        return one_of(arguments, "mode", "disk ram hybrid", error);
}

static bool check_seek(JsonObject *arguments, GError **error) {
        return one_of(arguments, "whence", "set cur end", error);
}

static bool check_read(JsonObject *arguments, GError **error) {
        gint64 count = json_int(arguments, "count", 0);
        return (count >= 1 && count <= GUEST_BYTES_MAX) ||
               virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT, "count is %" G_GINT64_FORMAT "; it must be from 1 to %d",
                                 count, GUEST_BYTES_MAX);
}

static bool check_keys(JsonObject *arguments, GError **error) {
        guint n = json_array_get_length(json_array(arguments, "keys"));
        return (n >= 1 && n <= GUEST_KEYS_MAX) ||
               virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT, "there are %u keys; there must be 1 to %d", n,
                                 GUEST_KEYS_MAX);
}

static bool check_exec(JsonObject *arguments, GError **error) {
        JsonArray *environment = json_array(arguments, "env");
        for (guint i = 0; i < json_array_get_length(environment); i++)
                if (!strchr(json_array_get_string_element(environment, i), '='))
                        return virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                                 "'%.64s' is not a variable: use NAME=VALUE",
                                                 json_array_get_string_element(environment, i));
        if (json_array_get_length(environment) == 0)
                json_object_remove_member(arguments, "env"); /* which would be an empty environment */
        return true;
}

/* All file systems is another command than some. */
static bool check_freeze(JsonObject *arguments, GError **error) {
        (void) error;
        if (json_array_get_length(json_array(arguments, "mountpoints")) == 0)
                json_object_remove_member(arguments, "mountpoints");
        return true;
}

static bool check_time(JsonObject *arguments, GError **error) {
        gint64 time = json_int(arguments, "time", 0);
        if (time == 0)
                json_object_remove_member(arguments, "time");
        return time >= 0 || virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT, "time is before the Epoch");
}

/* The table: what each method is to the agent. Sorted as the interface's. */
static const Row rows[] = {
        { "AddSSHKeys",
          "guest-ssh-add-authorized-keys",
          { { "username", "s" }, { "keys", "as" }, { "reset", "b" } },
          AGENT_DONE,
          NULL,
          check_keys },
        { "CloseFile", "guest-file-close", { { "handle", "x" } }, AGENT_DONE, NULL, NULL },
        { "Command", NULL, { { "command", "s" } }, AGENT_ANSWER, answer_json, NULL },
        { "Exec",
          "guest-exec",
          { { "path", "s" }, { "arg", "as" }, { "env", "as" }, { "input-data", "ay" }, { "capture-output", "b" } },
          AGENT_ANSWER,
          answer_pid,
          check_exec },
        { "FlushFile", "guest-file-flush", { { "handle", "x" } }, AGENT_DONE, NULL, NULL },
        { "FreezeFileSystems",
          "guest-fsfreeze-freeze-list",
          { { "mountpoints", "as" } },
          AGENT_ANSWER,
          answer_int,
          check_freeze },
        { "GetCPUStats", "guest-get-cpustats", { { NULL, NULL } }, AGENT_ANSWER, answer_dictionaries, NULL },
        { "GetDiskStats", "guest-get-diskstats", { { NULL, NULL } }, AGENT_ANSWER, answer_dictionaries, NULL },
        { "GetDisks", "guest-get-disks", { { NULL, NULL } }, AGENT_ANSWER, answer_dictionaries, NULL },
        { "GetExecStatus", "guest-exec-status", { { "pid", "x" } }, AGENT_ANSWER, answer_exec_status, NULL },
        { "GetFileSystems", "guest-get-fsinfo", { { NULL, NULL } }, AGENT_ANSWER, answer_dictionaries, NULL },
        { "GetFreezeStatus", "guest-fsfreeze-status", { { NULL, NULL } }, AGENT_ANSWER, answer_text, NULL },
        { "GetHostName", "guest-get-host-name", { { NULL, NULL } }, AGENT_ANSWER, answer_host_name, NULL },
        { "GetInfo", "guest-info", { { NULL, NULL } }, AGENT_ANSWER, answer_dictionary, NULL },
        { "GetInterfaces", "guest-network-get-interfaces", { { NULL, NULL } }, AGENT_ANSWER, answer_dictionaries, NULL },
        { "GetMemoryBlockInfo", "guest-get-memory-block-info", { { NULL, NULL } }, AGENT_ANSWER, answer_dictionary, NULL },
        { "GetMemoryBlocks", "guest-get-memory-blocks", { { NULL, NULL } }, AGENT_ANSWER, answer_dictionaries, NULL },
        { "GetOSInfo", "guest-get-osinfo", { { NULL, NULL } }, AGENT_ANSWER, answer_dictionary, NULL },
        { "GetSSHKeys", "guest-ssh-get-authorized-keys", { { "username", "s" } }, AGENT_ANSWER, answer_keys, NULL },
        { "GetTime", "guest-get-time", { { NULL, NULL } }, AGENT_ANSWER, answer_int, NULL },
        { "GetTimeZone", "guest-get-timezone", { { NULL, NULL } }, AGENT_ANSWER, answer_time_zone, NULL },
        { "GetUsers", "guest-get-users", { { NULL, NULL } }, AGENT_ANSWER, answer_dictionaries, NULL },
        { "GetVCPUs", "guest-get-vcpus", { { NULL, NULL } }, AGENT_ANSWER, answer_dictionaries, NULL },
        { "OpenFile", "guest-file-open", { { "path", "s" }, { "mode", "s" } }, AGENT_ANSWER, answer_int, NULL },
        { "Ping", "guest-ping", { { NULL, NULL } }, AGENT_DONE, NULL, NULL },
        { "ReadFile", "guest-file-read", { { "handle", "x" }, { "count", "u" } }, AGENT_ANSWER, answer_read, check_read },
        { "RemoveSSHKeys",
          "guest-ssh-remove-authorized-keys",
          { { "username", "s" }, { "keys", "as" } },
          AGENT_DONE,
          NULL,
          check_keys },
        { "SeekFile",
          "guest-file-seek",
          { { "handle", "x" }, { "offset", "x" }, { "whence", "s" } },
          AGENT_ANSWER,
          answer_position,
          check_seek },
        { "SetAgentResponseTimeout", NULL, { { "seconds", "i" } }, AGENT_DONE, NULL, NULL },
        { "SetMemoryBlocks",
          "guest-set-memory-blocks",
          { { "mem-blks", "phys-index" } },
          AGENT_ANSWER,
          answer_dictionaries,
          NULL },
        { "SetTime", "guest-set-time", { { "time", "x" } }, AGENT_DONE, NULL, check_time },
        { "SetUserPassword",
          "guest-set-user-password",
          { { "username", "s" }, { "password", "p" }, { "crypted", "b" } },
          AGENT_DONE,
          NULL,
          NULL },
        { "SetVCPUs", "guest-set-vcpus", { { "vcpus", "logical-id" } }, AGENT_ANSWER, answer_int, NULL },
        { "Shutdown", "guest-shutdown", { { "mode", "s" } }, AGENT_END, NULL, check_shutdown },
        { "Suspend", "guest-suspend-", { { "mode", "s" } }, AGENT_END, NULL, check_suspend },
        { "ThawFileSystems", "guest-fsfreeze-thaw", { { NULL, NULL } }, AGENT_ANSWER, answer_int, NULL },
        { "TrimFileSystems", "guest-fstrim", { { "minimum", "t" } }, AGENT_ANSWER, answer_trimmed, NULL },
        { "WriteFile", "guest-file-write", { { "handle", "x" }, { "buf-b64", "ay" } }, AGENT_ANSWER, answer_written, NULL },
};

/* Arguments */

static int read_strings(sd_bus_message *message, JsonObject *object, const char *name) {
        JsonArray *array = json_array_new();
        const char *text;
        int r = sd_bus_message_enter_container(message, 'a', "s");
        while (r >= 0 && (r = sd_bus_message_read_basic(message, 's', &text)) > 0)
                json_array_add_string_element(array, text);
        json_object_set_array_member(object, name, array);
        return r < 0 ? r : sd_bus_message_exit_container(message);
}

/* Units that are to be online or not: "a(xb)". MEMBER is the agent's name of their number. */
static int read_units(sd_bus_message *message, JsonObject *object, const char *name, const char *member) {
        JsonArray *array = json_array_new();
        int64_t number;
        int online;
        int r = sd_bus_message_enter_container(message, 'a', "(xb)");
        while (r >= 0 && (r = sd_bus_message_read(message, "(xb)", &number, &online)) > 0)
                json_array_add_object_element(array, json_make(member, 'i', (gint64) number, "online", 'b', online, NULL));
        json_object_set_array_member(object, name, array);
        return r < 0 ? r : sd_bus_message_exit_container(message);
}

static int read_bytes(sd_bus_message *message, JsonObject *object, const char *name, bool optional, GError **error) {
        const void *bytes;
        size_t size;
        int r = sd_bus_message_read_array(message, 'y', &bytes, &size);
        if (r >= 0 && size > GUEST_BYTES_MAX) {
                virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT, "%zu bytes are more than %d: write them in parts", size,
                                  GUEST_BYTES_MAX);
                return -E2BIG;
        }
        if (r >= 0 && (size > 0 || !optional)) {
                g_autofree char *text = g_base64_encode(bytes, size);
                json_add(object, name, 's', text, NULL);
        }
        return r;
}

static int read_password(sd_bus_message *message, JsonObject *object, const char *name) {
        const char *text;
        int r = sd_bus_message_read_basic(message, 's', &text);
        if (r >= 0) {
                g_autofree char *encoded = g_base64_encode((const guchar *) text, strlen(text));
                json_add(object, name, 's', encoded, NULL);
        }
        return r;
}

static int read_argument(sd_bus_message *message, const Argument *argument, JsonObject *object, GError **error) {
        const char *text;
        int64_t number;
        uint32_t count;
        int truth, r;
        if (strcmp(argument->type, "as") == 0)
                return read_strings(message, object, argument->name);
        if (strcmp(argument->type, "ay") == 0)
                return read_bytes(message, object, argument->name, strcmp(argument->name, "input-data") == 0, error);
        if (argument->type[1]) /* the name of a unit's number */
                return read_units(message, object, argument->name, argument->type);
        switch (argument->type[0]) {
        case 's':
                r = sd_bus_message_read_basic(message, 's', &text);
                if (r >= 0)
                        json_add(object, argument->name, 's', text, NULL);
                return r;
        case 'p':
                return read_password(message, object, argument->name);
        case 'b':
                r = sd_bus_message_read_basic(message, 'b', &truth);
                if (r >= 0)
                        json_add(object, argument->name, 'b', truth, NULL);
                return r;
        case 'u':
                r = sd_bus_message_read_basic(message, 'u', &count);
                if (r >= 0)
                        json_add(object, argument->name, 'i', (gint64) count, NULL);
                return r;
        default: /* x, t: of one size */
                r = sd_bus_message_read_basic(message, argument->type[0], &number);
                if (r >= 0)
                        json_add(object, argument->name, 'i', (gint64) number, NULL);
                return r;
        }
}

static JsonObject *read_arguments(Call *call, const Row *row, GError **error) {
        g_autoptr(JsonObject) object = json_object_new();
        for (const Argument *argument = row->arguments; argument->name; argument++) {
                int r = read_argument(call->message, argument, object, error);
                if (r < 0) {
                        if (!error || !*error)
                                virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT, "%s: its arguments cannot be read",
                                                  row->member);
                        return NULL;
                }
        }
        return row->check && !row->check(object, error) ? NULL : g_steal_pointer(&object);
}

/* Methods */

static void on_answer(void *data, JsonNode *node, const GError *error) {
        Pending *pending = data;
        Call *call = pending->call;
        const Row *row = pending->row;
        g_autoptr(sd_bus_message) message = NULL;
        g_free(pending);
        if (error) {
                call_fail(call, error);
                return;
        }
        int r = call_begin_answer(call, &message);
        if (r >= 0 && row->answer)
                r = node ? row->answer(message, node) : -EBADMSG;
        if (r >= 0) {
                call_send_answer(call, message);
                return;
        }
        g_autoptr(GError) nonsense = NULL;
        virtbus_error_set(&nonsense, VIRTBUS_ERROR_HYPERVISOR_FAILED, "the agent's answer to %s is not what its protocol says",
                          row->command ? row->command : row->member);
        call_fail(call, nonsense);
}

static void ask(GuestObject *object, Call *call, const Row *row, const char *command, JsonObject *arguments) {
        Pending *pending = g_new0(Pending, 1);
        *pending = (Pending){ .row = row, .call = call };
        agent_command(object->agent, command, arguments, row->expectation, on_answer, pending);
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

static void raw_command(GuestObject *object, Call *call, const Row *row) {
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
        ask(object, call, row, name, arguments ? json_object_ref(arguments) : NULL);
}

static void handle(Call *call, void *self) {
        GuestObject *object = self;
        const char *member = sd_bus_message_get_member(call->message);
        g_autoptr(GError) error = NULL;
        const Row *row = rows;
        while (strcmp(row->member, member) != 0)
                row++; /* a test sees that every method has one */
        if (strcmp(member, "SetAgentResponseTimeout") == 0) {
                set_timeout(object, call);
                return;
        }
        if (!row->command) {
                raw_command(object, call, row);
                return;
        }
        g_autoptr(JsonObject) arguments = read_arguments(call, row, &error);
        if (!arguments) {
                call_fail(call, error);
                return;
        }
        const char *command = row->command;
        g_autofree char *suspend = NULL;
        if (g_str_has_suffix(command, "-")) { /* the mode is a part of the name */
                command = suspend = g_strconcat(command, json_string(arguments, "mode"), NULL);
                json_object_remove_member(arguments, "mode");
        } else if (strcmp(command, "guest-fsfreeze-freeze-list") == 0 && !json_object_has_member(arguments, "mountpoints"))
                command = "guest-fsfreeze-freeze";
        ask(object, call, row, command, json_object_get_size(arguments) > 0 ? g_steal_pointer(&arguments) : NULL);
}

/* The object */

static int append_connected(const void *self, sd_bus_message *message) {
        return sd_bus_message_append(message, "b", agent_is_connected(((const GuestObject *) self)->agent));
}

static int append_timeout(const void *self, sd_bus_message *message) {
        return sd_bus_message_append(message, "i", agent_timeout(((const GuestObject *) self)->agent));
}

static const MethodHandler methods[G_N_ELEMENTS(rows)] = { [0 ... G_N_ELEMENTS(rows) - 1] = handle };

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

const char *const *guest_object_members(void) {
        static const char *members[G_N_ELEMENTS(rows) + 1];
        for (size_t i = 0; i < G_N_ELEMENTS(rows); i++)
                members[i] = rows[i].member;
        return members;
}
