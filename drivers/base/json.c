/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/json.h"

#include <stdarg.h>
#include <string.h>

#include "base/json-grammar.h"
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

static unsigned count_members(JsonNode *node);

static void count_member(JsonObject *object, const char *name, JsonNode *value, void *data) {
        (void) object;
        (void) name;
        *(unsigned *) data += 1 + count_members(value);
}

static void count_element(JsonArray *array, guint index, JsonNode *value, void *data) {
        (void) array;
        (void) index;
        *(unsigned *) data += count_members(value);
}

/* Members of all objects, which nest as deep as the grammar lets through. */
static unsigned count_members(JsonNode *node) {
        unsigned n = 0;
        if (JSON_NODE_HOLDS_OBJECT(node))
                json_object_foreach_member(json_node_get_object(node), count_member, &n);
        else if (JSON_NODE_HOLDS_ARRAY(node))
                json_array_foreach_element(json_node_get_array(node), count_element, &n);
        return n;
}

static JsonNode *parse(const char *text, gssize length, JsonNodeType type, GError **error) {
        g_autoptr(JsonParser) parser = json_parser_new_immutable();
        size_t n_bytes = length < 0 ? strlen(text) : (size_t) length;
        unsigned n_members = 0;
        if (!json_check_grammar(text, n_bytes, &n_members, error) ||
            !json_parser_load_from_data(parser, text, (gssize) n_bytes, error))
                return NULL;
        JsonNode *root = json_parser_get_root(parser);
        if (!root || JSON_NODE_TYPE(root) != type) {
                virtbus_error_set(error, VIRTBUS_ERROR_HYPERVISOR_FAILED, "JSON is not an %s",
                                  type == JSON_NODE_OBJECT ? "object" : "array");
                return NULL;
        }
        /* Of two members of one name json-glib keeps the last, another reader may keep the first. */
        if (count_members(root) != n_members) {
                virtbus_error_set(error, VIRTBUS_ERROR_HYPERVISOR_FAILED, "JSON has two members of the same name");
                return NULL;
        }
        return json_node_ref(root);
}

JsonNode *json_parse(const char *text, gssize length, GError **error) {
        return parse(text, length, JSON_NODE_OBJECT, error);
}

JsonNode *json_parse_array(const char *text, gssize length, GError **error) {
        return parse(text, length, JSON_NODE_ARRAY, error);
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
