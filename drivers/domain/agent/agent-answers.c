/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/agent/agent-answers.h"

#include <errno.h>

static int append_dictionary(sd_bus_message *message, JsonNode *node, unsigned depth);

static int append_text(sd_bus_message *message, const char *text) {
        g_autofree char *valid = g_utf8_make_valid(text, -1);
        return sd_bus_message_append_basic(message, 's', valid);
}

static bool all_are(JsonArray *array, bool strings) {
        for (guint i = 0; i < json_array_get_length(array); i++) {
                JsonNode *node = json_array_get_element(array, i);
                if (strings ? json_node_type(node) != JSON_STRING : json_node_type(node) != JSON_OBJECT)
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
        JsonType type = json_node_type(node);
        if (type == JSON_INTEGER)
                return sd_bus_message_append(message, "v", "x", (int64_t) json_node_get_int(node));
        if (type == JSON_BOOLEAN)
                return sd_bus_message_append(message, "v", "b", json_node_get_boolean(node));
        if (type == JSON_DOUBLE)
                return sd_bus_message_append(message, "v", "d", json_node_get_double(node));
        g_autofree char *valid = g_utf8_make_valid(json_node_get_string(node), -1);
        return sd_bus_message_append(message, "v", "s", valid);
}

static int append_variant(sd_bus_message *message, JsonNode *node, unsigned depth) {
        if (depth > AGENT_ANSWER_DEPTH_MAX)
                return -EBADMSG;
        if (json_node_type(node) == JSON_ARRAY)
                return append_array(message, node, depth);
        if (json_node_is_basic(node))
                return append_basic_variant(message, node);
        if (json_node_type(node) != JSON_OBJECT)
                return sd_bus_message_append(message, "v", "s", "");
        int r = sd_bus_message_open_container(message, 'v', "a{sv}");
        if (r >= 0)
                r = append_dictionary(message, node, depth + 1);
        return r < 0 ? r : sd_bus_message_close_container(message);
}

static int append_dictionary(sd_bus_message *message, JsonNode *node, unsigned depth) {
        if (json_node_type(node) != JSON_OBJECT || depth > AGENT_ANSWER_DEPTH_MAX)
                return -EBADMSG;
        JsonObject *object = json_node_get_object(node);
        g_autoptr(GList) names = json_object_get_members(object);
        int r = sd_bus_message_open_container(message, 'a', "{sv}");
        for (GList *link = names; r >= 0 && link; link = link->next) {
                JsonNode *value = json_object_get_member(object, link->data);
                if (json_node_type(value) == JSON_NULL)
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

int agent_answer_dictionary(sd_bus_message *message, JsonNode *node) {
        return append_dictionary(message, node, 0);
}

int agent_answer_dictionaries(sd_bus_message *message, JsonNode *node) {
        if (json_node_type(node) != JSON_ARRAY)
                return -EBADMSG;
        JsonArray *array = json_node_get_array(node);
        int r = sd_bus_message_open_container(message, 'a', "a{sv}");
        for (guint i = 0; r >= 0 && i < json_array_get_length(array); i++)
                r = append_dictionary(message, json_array_get_element(array, i), 0);
        return r < 0 ? r : sd_bus_message_close_container(message);
}

static bool is_int(JsonNode *node) {
        return json_node_type(node) == JSON_INTEGER;
}

int agent_answer_int(sd_bus_message *message, JsonNode *node) {
        return is_int(node) ? sd_bus_message_append(message, "x", (int64_t) json_node_get_int(node)) : -EBADMSG;
}

int agent_answer_text(sd_bus_message *message, JsonNode *node) {
        bool fine = json_node_type(node) == JSON_STRING;
        return fine ? append_text(message, json_node_get_string(node)) : -EBADMSG;
}

static JsonObject *object_of(JsonNode *node) {
        return json_node_type(node) == JSON_OBJECT ? json_node_get_object(node) : NULL;
}

int agent_answer_host_name(sd_bus_message *message, JsonNode *node) {
        const char *name = json_string(object_of(node), "host-name");
        return name ? append_text(message, name) : -EBADMSG;
}

int agent_answer_time_zone(sd_bus_message *message, JsonNode *node) {
        const char *zone = json_string(object_of(node), "zone");
        int r = object_of(node) ? append_text(message, zone ? zone : "") : -EBADMSG;
        return r < 0 ? r : sd_bus_message_append(message, "x", (int64_t) json_int(object_of(node), "offset", 0));
}

static int answer_member(sd_bus_message *message, JsonNode *node, const char *name) {
        JsonNode *member = object_of(node) ? json_object_get_member(object_of(node), name) : NULL;
        return member ? agent_answer_dictionaries(message, member) : -EBADMSG;
}

int agent_answer_trimmed(sd_bus_message *message, JsonNode *node) {
        return answer_member(message, node, "paths");
}

int agent_answer_keys(sd_bus_message *message, JsonNode *node) {
        JsonArray *keys = json_array(object_of(node), "keys");
        if (!keys || !all_are(keys, true))
                return -EBADMSG;
        int r = sd_bus_message_open_container(message, 'a', "s");
        for (guint i = 0; r >= 0 && i < json_array_get_length(keys); i++)
                r = append_text(message, json_array_get_string_element(keys, i));
        return r < 0 ? r : sd_bus_message_close_container(message);
}

int agent_answer_pid(sd_bus_message *message, JsonNode *node) {
        JsonNode *pid = object_of(node) ? json_object_get_member(object_of(node), "pid") : NULL;
        return agent_answer_int(message, pid ? pid : node);
}

static int append_base64(sd_bus_message *message, const char *text) {
        gsize size = 0;
        g_autofree guchar *bytes = text ? g_base64_decode(text, &size) : NULL;
        return sd_bus_message_append_array(message, 'y', bytes, size);
}

int agent_answer_exec_status(sd_bus_message *message, JsonNode *node) {
        JsonObject *status = object_of(node);
        JsonNode *exited = status ? json_object_get_member(status, "exited") : NULL;
        if (json_node_type(exited) != JSON_BOOLEAN)
                return -EBADMSG;
        int r = sd_bus_message_append(message, "bii", json_node_get_boolean(exited), (int) json_int(status, "exitcode", -1),
                                      (int) json_int(status, "signal", 0));
        if (r >= 0)
                r = append_base64(message, json_string(status, "out-data"));
        return r < 0 ? r : append_base64(message, json_string(status, "err-data"));
}

static bool end_of_file(JsonNode *node) {
        JsonNode *eof = object_of(node) ? json_object_get_member(object_of(node), "eof") : NULL;
        return json_node_is_basic(eof) && json_node_get_boolean(eof);
}

int agent_answer_read(sd_bus_message *message, JsonNode *node) {
        const char *data = json_string(object_of(node), "buf-b64");
        int r = data ? append_base64(message, data) : -EBADMSG;
        return r < 0 ? r : sd_bus_message_append(message, "b", end_of_file(node));
}

int agent_answer_written(sd_bus_message *message, JsonNode *node) {
        gint64 count = json_int(object_of(node), "count", -1);
        return count >= 0 && count <= AGENT_BYTES_MAX ? sd_bus_message_append(message, "u", (uint32_t) count) : -EBADMSG;
}

int agent_answer_position(sd_bus_message *message, JsonNode *node) {
        gint64 position = json_int(object_of(node), "position", -1);
        return position >= 0 ? sd_bus_message_append(message, "xb", (int64_t) position, end_of_file(node)) : -EBADMSG;
}

int agent_answer_json(sd_bus_message *message, JsonNode *node) {
        g_autofree char *text = json_node_text(node), *valid = g_utf8_make_valid(text, -1);
        return sd_bus_message_append_basic(message, 's', valid);
}
