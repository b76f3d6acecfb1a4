/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/json.h"

#include <json-c/json.h>
#include <stdarg.h>
#include <string.h>

#include "base/json-grammar.h"
#include "errors.h"

/* What json-c makes. The names of json.h differ in what may be done with it. */
static struct json_object *value_of(const void *any) {
        return (struct json_object *) any;
}

static void *made(struct json_object *value) {
        if (!value)
                g_error("out of memory");
        return value;
}

/* Life */

JsonNode *json_node_copy(JsonNode *node) {
        return (JsonNode *) json_object_get(value_of(node));
}

void json_node_unref(JsonNode *node) {
        json_object_put(value_of(node));
}

JsonObject *json_object_new(void) {
        return made(json_object_new_object());
}

JsonObject *json_object_ref(JsonObject *object) {
        return (JsonObject *) json_object_get(value_of(object));
}

void json_object_unref(JsonObject *object) {
        json_object_put(value_of(object));
}

JsonArray *json_array_new(void) {
        return made(json_object_new_array());
}

void json_array_unref(JsonArray *array) {
        json_object_put(value_of(array));
}

/* Text */

static unsigned count_members(struct json_object *value);

static unsigned count_in_object(struct json_object *object) {
        unsigned n = 0;
        json_object_object_foreach(object, name, value) {
                (void) name;
                n += 1 + count_members(value);
        }
        return n;
}

/* Members of all objects, which nest as deep as the grammar lets through. */
static unsigned count_members(struct json_object *value) {
        unsigned n = 0;
        if (json_object_is_type(value, json_type_object))
                return count_in_object(value);
        if (json_object_is_type(value, json_type_array))
                for (size_t i = 0; i < json_object_array_length(value); i++)
                        n += count_members(json_object_array_get_idx(value, i));
        return n;
}

static JsonNode *parse(const char *text, gssize length, enum json_type type, GError **error) {
        size_t n_bytes = length < 0 ? strlen(text) : (size_t) length;
        unsigned n_members = 0;
        if (n_bytes > G_MAXINT) {
                virtbus_error_set(error, VIRTBUS_ERROR_HYPERVISOR_FAILED, "JSON of more than %d bytes", G_MAXINT);
                return NULL;
        }
        if (!json_check_grammar(text, n_bytes, &n_members, error))
                return NULL;
        struct json_tokener *tokener = json_tokener_new_ex(JSON_DEPTH_MAX + 2);
        if (!tokener)
                g_error("out of memory");
        g_autoptr(JsonNode) root = (JsonNode *) json_tokener_parse_ex(tokener, text, (int) n_bytes);
        json_tokener_free(tokener);
        if (!root || !json_object_is_type(value_of(root), type)) {
                virtbus_error_set(error, VIRTBUS_ERROR_HYPERVISOR_FAILED, "JSON is not an %s",
                                  type == json_type_object ? "object" : "array");
                return NULL;
        }
        /* Of two members of one name json-c keeps the last, another reader may keep the first. */
        if (count_members(value_of(root)) != n_members) {
                virtbus_error_set(error, VIRTBUS_ERROR_HYPERVISOR_FAILED, "JSON has two members of the same name");
                return NULL;
        }
        return g_steal_pointer(&root);
}

JsonNode *json_parse(const char *text, gssize length, GError **error) {
        return parse(text, length, json_type_object, error);
}

JsonNode *json_parse_array(const char *text, gssize length, GError **error) {
        return parse(text, length, json_type_array, error);
}

char *json_text(JsonObject *object) {
        return json_node_text(json_node_of_object(object));
}

char *json_node_text(JsonNode *node) {
        return g_strdup(json_object_to_json_string_ext(value_of(node), JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
}

/* Nodes */

JsonType json_node_type(JsonNode *node) {
        switch (json_object_get_type(value_of(node))) {
        case json_type_boolean:
                return JSON_BOOLEAN;
        case json_type_int:
                return JSON_INTEGER;
        case json_type_double:
                return JSON_DOUBLE;
        case json_type_string:
                return JSON_STRING;
        case json_type_object:
                return JSON_OBJECT;
        case json_type_array:
                return JSON_ARRAY;
        default:
                return JSON_NULL;
        }
}

bool json_node_is_basic(JsonNode *node) {
        JsonType type = json_node_type(node);
        return type != JSON_NULL && type != JSON_OBJECT && type != JSON_ARRAY;
}

JsonObject *json_node_get_object(JsonNode *node) {
        return json_node_type(node) == JSON_OBJECT ? (JsonObject *) node : NULL;
}

JsonArray *json_node_get_array(JsonNode *node) {
        return json_node_type(node) == JSON_ARRAY ? (JsonArray *) node : NULL;
}

const char *json_node_get_string(JsonNode *node) {
        return json_node_type(node) == JSON_STRING ? json_object_get_string(value_of(node)) : NULL;
}

gint64 json_node_get_int(JsonNode *node) {
        return json_node_type(node) == JSON_INTEGER ? json_object_get_int64(value_of(node)) : 0;
}

double json_node_get_double(JsonNode *node) {
        JsonType type = json_node_type(node);
        return type == JSON_DOUBLE || type == JSON_INTEGER ? json_object_get_double(value_of(node)) : 0;
}

bool json_node_get_boolean(JsonNode *node) {
        JsonType type = json_node_type(node);
        return (type == JSON_BOOLEAN || type == JSON_INTEGER || type == JSON_DOUBLE) && json_object_get_boolean(value_of(node));
}

JsonNode *json_node_of_object(JsonObject *object) {
        return (JsonNode *) object;
}

JsonNode *json_node_of_array(JsonArray *array) {
        return (JsonNode *) array;
}

/* Objects */

static void set(JsonObject *object, const char *name, struct json_object *value) {
        if (json_object_object_add(value_of(object), name, value) < 0)
                g_error("out of memory");
}

static void add(JsonObject *object, const char *name, va_list *arguments) {
        for (; name; name = va_arg(*arguments, const char *)) {
                switch (va_arg(*arguments, int)) {
                case 's': {
                        const char *value = va_arg(*arguments, const char *);
                        if (value)
                                set(object, name, made(json_object_new_string(value)));
                        break;
                }
                case 'i':
                        set(object, name, made(json_object_new_int64(va_arg(*arguments, gint64))));
                        break;
                case 'b':
                        set(object, name, made(json_object_new_boolean(va_arg(*arguments, int) != 0)));
                        break;
                case 'o': {
                        JsonObject *value = va_arg(*arguments, JsonObject *);
                        if (value)
                                set(object, name, value_of(value));
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

void json_object_set_member(JsonObject *object, const char *name, JsonNode *value) {
        set(object, name, value_of(value));
}

void json_object_set_array_member(JsonObject *object, const char *name, JsonArray *value) {
        set(object, name, value_of(value));
}

void json_object_set_null_member(JsonObject *object, const char *name) {
        set(object, name, NULL);
}

void json_object_remove_member(JsonObject *object, const char *name) {
        json_object_object_del(value_of(object), name);
}

bool json_object_has_member(JsonObject *object, const char *name) {
        return json_object_object_get_ex(value_of(object), name, NULL);
}

JsonNode *json_object_get_member(JsonObject *object, const char *name) {
        return (JsonNode *) json_object_object_get(value_of(object), name);
}

guint json_object_get_size(JsonObject *object) {
        return object ? (guint) json_object_object_length(value_of(object)) : 0;
}

static void collect(JsonObject *object, const char *name, JsonNode *value, void *data) {
        GList **names = data;
        (void) object;
        (void) value;
        *names = g_list_prepend(*names, (void *) name);
}

GList *json_object_get_members(JsonObject *object) {
        GList *names = NULL;
        json_object_foreach_member(object, collect, &names);
        return g_list_reverse(names);
}

void json_object_foreach_member(JsonObject *object,
                                void (*each)(JsonObject *object, const char *name, JsonNode *value, void *data), void *data) {
        if (!object)
                return;
        json_object_object_foreach(value_of(object), name, value) {
                each(object, name, (JsonNode *) value, data);
        }
}

const char *json_string(JsonObject *object, const char *name) {
        return json_node_get_string(json_object_get_member(object, name));
}

gint64 json_int(JsonObject *object, const char *name, gint64 otherwise) {
        JsonNode *node = json_object_get_member(object, name);
        return json_node_type(node) == JSON_INTEGER ? json_node_get_int(node) : otherwise;
}

bool json_object_get_boolean_member_with_default(JsonObject *object, const char *name, bool otherwise) {
        JsonNode *node = json_object_get_member(object, name);
        return json_node_type(node) == JSON_BOOLEAN ? json_node_get_boolean(node) : otherwise;
}

JsonObject *json_member(JsonObject *object, const char *name) {
        return json_node_get_object(json_object_get_member(object, name));
}

JsonArray *json_array(JsonObject *object, const char *name) {
        return json_node_get_array(json_object_get_member(object, name));
}

/* Arrays */

guint json_array_get_length(JsonArray *array) {
        return array ? (guint) json_object_array_length(value_of(array)) : 0;
}

JsonNode *json_array_get_element(JsonArray *array, guint index) {
        return array ? (JsonNode *) json_object_array_get_idx(value_of(array), index) : NULL;
}

const char *json_array_get_string_element(JsonArray *array, guint index) {
        return json_node_get_string(json_array_get_element(array, index));
}

JsonObject *json_object_at(JsonArray *array, guint index) {
        return json_node_get_object(json_array_get_element(array, index));
}

JsonObject *json_find(JsonArray *array, const char *name, const char *value) {
        for (guint i = 0; value && array && i < json_array_get_length(array); i++) {
                JsonObject *object = json_object_at(array, i);
                if (g_strcmp0(json_string(object, name), value) == 0)
                        return object;
        }
        return NULL;
}

void json_array_add_element(JsonArray *array, JsonNode *value) {
        if (json_object_array_add(value_of(array), value_of(value)) < 0)
                g_error("out of memory");
}

void json_array_add_object_element(JsonArray *array, JsonObject *value) {
        json_array_add_element(array, json_node_of_object(value));
}

void json_array_add_string_element(JsonArray *array, const char *value) {
        json_array_add_element(array, made(json_object_new_string(value)));
}

void json_array_add_int_element(JsonArray *array, gint64 value) {
        json_array_add_element(array, made(json_object_new_int64(value)));
}
