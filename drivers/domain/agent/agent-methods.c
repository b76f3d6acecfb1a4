/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/agent/agent-methods.h"

#include <errno.h>
#include <string.h>

#include "domain/agent/agent-answers.h"
#include "errors.h"

/* How many keys one call may add or remove. */
#define AGENT_KEYS_MAX 1024

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
        return (count >= 1 && count <= AGENT_BYTES_MAX) ||
               virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT, "count is %" G_GINT64_FORMAT "; it must be from 1 to %d",
                                 count, AGENT_BYTES_MAX);
}

static bool check_keys(JsonObject *arguments, GError **error) {
        guint n = json_array_get_length(json_array(arguments, "keys"));
        return (n >= 1 && n <= AGENT_KEYS_MAX) ||
               virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT, "there are %u keys; there must be 1 to %d", n,
                                 AGENT_KEYS_MAX);
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
static const AgentMethod methods[AGENT_METHODS] = {
        { "AddSSHKeys",
          "guest-ssh-add-authorized-keys",
          { { "username", "s" }, { "keys", "as" }, { "reset", "b" } },
          AGENT_DONE,
          NULL,
          check_keys },
        { "CloseFile", "guest-file-close", { { "handle", "x" } }, AGENT_DONE, NULL, NULL },
        { "Command", NULL, { { "command", "s" } }, AGENT_ANSWER, agent_answer_json, NULL },
        { "Exec",
          "guest-exec",
          { { "path", "s" }, { "arg", "as" }, { "env", "as" }, { "input-data", "ay" }, { "capture-output", "b" } },
          AGENT_ANSWER,
          agent_answer_pid,
          check_exec },
        { "FlushFile", "guest-file-flush", { { "handle", "x" } }, AGENT_DONE, NULL, NULL },
        { "FreezeFileSystems",
          "guest-fsfreeze-freeze-list",
          { { "mountpoints", "as" } },
          AGENT_ANSWER,
          agent_answer_int,
          check_freeze },
        { "GetCPUStats", "guest-get-cpustats", { { NULL, NULL } }, AGENT_ANSWER, agent_answer_dictionaries, NULL },
        { "GetDiskStats", "guest-get-diskstats", { { NULL, NULL } }, AGENT_ANSWER, agent_answer_dictionaries, NULL },
        { "GetDisks", "guest-get-disks", { { NULL, NULL } }, AGENT_ANSWER, agent_answer_dictionaries, NULL },
        { "GetExecStatus", "guest-exec-status", { { "pid", "x" } }, AGENT_ANSWER, agent_answer_exec_status, NULL },
        { "GetFileSystems", "guest-get-fsinfo", { { NULL, NULL } }, AGENT_ANSWER, agent_answer_dictionaries, NULL },
        { "GetFreezeStatus", "guest-fsfreeze-status", { { NULL, NULL } }, AGENT_ANSWER, agent_answer_text, NULL },
        { "GetHostName", "guest-get-host-name", { { NULL, NULL } }, AGENT_ANSWER, agent_answer_host_name, NULL },
        { "GetInfo", "guest-info", { { NULL, NULL } }, AGENT_ANSWER, agent_answer_dictionary, NULL },
        { "GetInterfaces", "guest-network-get-interfaces", { { NULL, NULL } }, AGENT_ANSWER, agent_answer_dictionaries, NULL },
        { "GetMemoryBlockInfo", "guest-get-memory-block-info", { { NULL, NULL } }, AGENT_ANSWER, agent_answer_dictionary, NULL },
        { "GetMemoryBlocks", "guest-get-memory-blocks", { { NULL, NULL } }, AGENT_ANSWER, agent_answer_dictionaries, NULL },
        { "GetOSInfo", "guest-get-osinfo", { { NULL, NULL } }, AGENT_ANSWER, agent_answer_dictionary, NULL },
        { "GetSSHKeys", "guest-ssh-get-authorized-keys", { { "username", "s" } }, AGENT_ANSWER, agent_answer_keys, NULL },
        { "GetTime", "guest-get-time", { { NULL, NULL } }, AGENT_ANSWER, agent_answer_int, NULL },
        { "GetTimeZone", "guest-get-timezone", { { NULL, NULL } }, AGENT_ANSWER, agent_answer_time_zone, NULL },
        { "GetUsers", "guest-get-users", { { NULL, NULL } }, AGENT_ANSWER, agent_answer_dictionaries, NULL },
        { "GetVCPUs", "guest-get-vcpus", { { NULL, NULL } }, AGENT_ANSWER, agent_answer_dictionaries, NULL },
        { "OpenFile", "guest-file-open", { { "path", "s" }, { "mode", "s" } }, AGENT_ANSWER, agent_answer_int, NULL },
        { "Ping", "guest-ping", { { NULL, NULL } }, AGENT_DONE, NULL, NULL },
        { "ReadFile", "guest-file-read", { { "handle", "x" }, { "count", "u" } }, AGENT_ANSWER, agent_answer_read, check_read },
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
          agent_answer_position,
          check_seek },
        { "SetAgentResponseTimeout", NULL, { { "seconds", "i" } }, AGENT_DONE, NULL, NULL },
        { "SetMemoryBlocks",
          "guest-set-memory-blocks",
          { { "mem-blks", "phys-index" } },
          AGENT_ANSWER,
          agent_answer_dictionaries,
          NULL },
        { "SetTime", "guest-set-time", { { "time", "x" } }, AGENT_DONE, NULL, check_time },
        { "SetUserPassword",
          "guest-set-user-password",
          { { "username", "s" }, { "password", "p" }, { "crypted", "b" } },
          AGENT_DONE,
          NULL,
          NULL },
        { "SetVCPUs", "guest-set-vcpus", { { "vcpus", "logical-id" } }, AGENT_ANSWER, agent_answer_int, NULL },
        { "Shutdown", "guest-shutdown", { { "mode", "s" } }, AGENT_END, NULL, check_shutdown },
        { "Suspend", "guest-suspend-", { { "mode", "s" } }, AGENT_END, NULL, check_suspend },
        { "ThawFileSystems", "guest-fsfreeze-thaw", { { NULL, NULL } }, AGENT_ANSWER, agent_answer_int, NULL },
        { "TrimFileSystems", "guest-fstrim", { { "minimum", "t" } }, AGENT_ANSWER, agent_answer_trimmed, NULL },
        { "WriteFile", "guest-file-write", { { "handle", "x" }, { "buf-b64", "ay" } }, AGENT_ANSWER, agent_answer_written, NULL },
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
        if (r >= 0 && size > AGENT_BYTES_MAX) {
                virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT, "%zu bytes are more than %d: write them in parts", size,
                                  AGENT_BYTES_MAX);
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

static int read_argument(sd_bus_message *message, const AgentArgument *argument, JsonObject *object, GError **error) {
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

JsonObject *agent_method_arguments(const AgentMethod *method, sd_bus_message *message, GError **error) {
        g_autoptr(JsonObject) object = json_object_new();
        for (const AgentArgument *argument = method->arguments; argument->name; argument++) {
                int r = read_argument(message, argument, object, error);
                if (r < 0) {
                        if (!error || !*error)
                                virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT, "%s: its arguments cannot be read",
                                                  method->member);
                        return NULL;
                }
        }
        return method->check && !method->check(object, error) ? NULL : g_steal_pointer(&object);
}

const AgentMethod *agent_method_find(const char *member) {
        for (size_t i = 0; i < G_N_ELEMENTS(methods); i++)
                if (strcmp(methods[i].member, member) == 0)
                        return &methods[i];
        return NULL;
}

const char *const *agent_method_members(void) {
        static const char *members[G_N_ELEMENTS(methods) + 1];
        for (size_t i = 0; i < G_N_ELEMENTS(methods); i++)
                members[i] = methods[i].member;
        return members;
}
