/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "json.h"

#include <stdarg.h>

#include "errors.h"

static void add(JsonObject *object, const char *name, va_list *arguments) {
        for (; name; name = va_arg(*arguments, const char *)) {
                switch (va_arg(*arguments, int)) {
                case 's': {
                        const char *value = va_arg(*arguments, const char *);
                        if (value)
                                json_object_set_string_member(object, name, value);
                        break;
                }
                case 'i':
                        json_object_set_int_member(object, name, va_arg(*arguments, gint64));
                        break;
                case 'b':
                        json_object_set_boolean_member(object, name, va_arg(*arguments, int));
                        break;
                case 'o': {
                        JsonObject *value = va_arg(*arguments, JsonObject *);
                        if (value)
                                json_object_set_object_member(object, name, value);
                        break;
                }
                case 'n':
                        json_object_set_null_member(object, name);
                        break;
                default:
                        g_assert_not_reached();
                }
        }
}

JsonObject *json_make(const char *name, ...) {
        JsonObject *object = json_object_new();
        va_list arguments;
        va_start(arguments, name);
        add(object, name, &arguments);
        va_end(arguments);
        return object;
}

void json_add(JsonObject *object, const char *name, ...) {
        va_list arguments;
        va_start(arguments, name);
        add(object, name, &arguments);
        va_end(arguments);
}

char *json_text(JsonObject *object) {
        g_autoptr(JsonNode) node = json_node_init_object(json_node_alloc(), object);
        return json_to_string(node, FALSE);
}

/* json-glib reads nested values by recursion, so that depth is to be checked before. */
static bool is_shallow(const char *line, gssize length) {
        bool quoted = false;
        unsigned depth = 0;
        for (gssize i = 0; i < length; i++) {
                if (quoted && line[i] == '\\')
                        i++;
                else if (line[i] == '"')
                        quoted = !quoted;
                else if (!quoted && (line[i] == '{' || line[i] == '[')) {
                        if (++depth > JSON_DEPTH_MAX)
                                return false;
                } else if (!quoted && (line[i] == '}' || line[i] == ']') && depth > 0)
                        depth--;
        }
        return true;
}

JsonNode *json_parse(const char *line, gssize length, GError **error) {
        g_autoptr(JsonParser) parser = json_parser_new_immutable();
        if (!is_shallow(line, length)) {
                virtbus_error_set(error, VIRTBUS_ERROR_HYPERVISOR_FAILED, "JSON nests deeper than %d", JSON_DEPTH_MAX);
                return NULL;
        }
        if (!json_parser_load_from_data(parser, line, length, error))
                return NULL;
        JsonNode *root = json_parser_get_root(parser);
        if (!root || !JSON_NODE_HOLDS_OBJECT(root)) {
                virtbus_error_set(error, VIRTBUS_ERROR_HYPERVISOR_FAILED, "JSON is not an object");
                return NULL;
        }
        return json_node_ref(root);
}

static JsonNode *find(JsonObject *object, const char *name, JsonNodeType type) {
        JsonNode *node = object ? json_object_get_member(object, name) : NULL;
        return node && JSON_NODE_TYPE(node) == type ? node : NULL;
}

const char *json_string(JsonObject *object, const char *name) {
        JsonNode *node = find(object, name, JSON_NODE_VALUE);
        return node && json_node_get_value_type(node) == G_TYPE_STRING ? json_node_get_string(node) : NULL;
}

gint64 json_int(JsonObject *object, const char *name, gint64 otherwise) {
        JsonNode *node = find(object, name, JSON_NODE_VALUE);
        return node && json_node_get_value_type(node) == G_TYPE_INT64 ? json_node_get_int(node) : otherwise;
}

JsonObject *json_member(JsonObject *object, const char *name) {
        JsonNode *node = find(object, name, JSON_NODE_OBJECT);
        return node ? json_node_get_object(node) : NULL;
}

JsonArray *json_array(JsonObject *object, const char *name) {
        JsonNode *node = find(object, name, JSON_NODE_ARRAY);
        return node ? json_node_get_array(node) : NULL;
}

JsonObject *json_object_at(JsonArray *array, guint index) {
        JsonNode *node = json_array_get_element(array, index);
        return JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : NULL;
}
