/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* JSON of QEMUs, guests and callers, made and read with json-c, which json.c alone knows; what is read is checked by
 * json-grammar.h before. json-glib would load gio and all that it needs into each driver and each virtbus-run.
 *
 * A node is any value; an object or an array is a node too. null is a node that is NULL: no function minds that, or another type
 * than it wants. Names are in the order in which they were added. */

#include <glib.h>
#include <stdbool.h>

typedef struct JsonNode JsonNode;
typedef struct JsonObject JsonObject;
typedef struct JsonArray JsonArray;

typedef enum JsonType { JSON_NULL, JSON_BOOLEAN, JSON_INTEGER, JSON_DOUBLE, JSON_STRING, JSON_OBJECT, JSON_ARRAY } JsonType;

/* Life */

JsonNode *json_node_copy(JsonNode *node); /* another reference */
void json_node_unref(JsonNode *node);
JsonObject *json_object_new(void);
JsonObject *json_object_ref(JsonObject *object);
void json_object_unref(JsonObject *object);
JsonArray *json_array_new(void);
void json_array_unref(JsonArray *array);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(JsonNode, json_node_unref)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(JsonObject, json_object_unref)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(JsonArray, json_array_unref)

/* Parses an object, or an array, from TEXT of LENGTH bytes (-1: it ends with NUL); NULL with an error where it is not one, is not
 * JSON by the letter, nests too deep, or has two members of one name in an object. */
JsonNode *json_parse(const char *text, gssize length, GError **error);
JsonNode *json_parse_array(const char *text, gssize length, GError **error);

/* One line of text. */
char *json_text(JsonObject *object);
char *json_node_text(JsonNode *node);

/* Nodes: what they are; and their value, which is borrowed: NULL, 0 or false of another type. What is a number is true unless it
 * is 0. */
JsonType json_node_type(JsonNode *node);
bool json_node_is_basic(JsonNode *node); /* neither null nor object nor array */
JsonObject *json_node_get_object(JsonNode *node);
JsonArray *json_node_get_array(JsonNode *node);
const char *json_node_get_string(JsonNode *node);
gint64 json_node_get_int(JsonNode *node);
double json_node_get_double(JsonNode *node);
bool json_node_get_boolean(JsonNode *node);
JsonNode *json_node_of_object(JsonObject *object);
JsonNode *json_node_of_array(JsonArray *array);

/* Makes an object of members: name, type, value; NULL at the end. Types: 's' const char * (left out where it is NULL), 'i'
 * gint64, 'b' int, 'o' JsonObject * (taken; left out where it is NULL), 'n' null without a value. */
JsonObject *json_make(const char *name, ...);

/* Adds members to an object; arguments as json_make. */
void json_add(JsonObject *object, const char *name, ...);

/* Values are taken, and take the place of those of their name. */
void json_object_set_member(JsonObject *object, const char *name, JsonNode *value);
void json_object_set_array_member(JsonObject *object, const char *name, JsonArray *value);
void json_object_set_null_member(JsonObject *object, const char *name);
void json_object_remove_member(JsonObject *object, const char *name);

bool json_object_has_member(JsonObject *object, const char *name);
JsonNode *json_object_get_member(JsonObject *object, const char *name);
guint json_object_get_size(JsonObject *object);
GList *json_object_get_members(JsonObject *object); /* const char * */
void json_object_foreach_member(JsonObject *object,
                                void (*each)(JsonObject *object, const char *name, JsonNode *value, void *data), void *data);

/* Members that may be missing or of another type: NULL, OTHERWISE, NULL then. */
const char *json_string(JsonObject *object, const char *name);
gint64 json_int(JsonObject *object, const char *name, gint64 otherwise);
bool json_object_get_boolean_member_with_default(JsonObject *object, const char *name, bool otherwise);
JsonObject *json_member(JsonObject *object, const char *name);
JsonArray *json_array(JsonObject *object, const char *name);

/* Arrays; what is added is taken. */
guint json_array_get_length(JsonArray *array);
JsonNode *json_array_get_element(JsonArray *array, guint index);
const char *json_array_get_string_element(JsonArray *array, guint index);
JsonObject *json_object_at(JsonArray *array, guint index); /* an element that is an object, or NULL */

/* The first element that is an object of which this member is this text; NULL: there is none. */
JsonObject *json_find(JsonArray *array, const char *name, const char *value);
void json_array_add_element(JsonArray *array, JsonNode *value);
void json_array_add_object_element(JsonArray *array, JsonObject *value);
void json_array_add_string_element(JsonArray *array, const char *value);
void json_array_add_int_element(JsonArray *array, gint64 value);
