/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* JSON of QEMUs, guests and callers, made and read with json-glib; what is read is checked by json-grammar.h before. */

#include <json-glib/json-glib.h>
#include <stdbool.h>

/* Makes an object of members: name, type, value; NULL at the end. Types: 's' const char * (left out where it is NULL), 'i'
 * gint64, 'b' int, 'o' JsonObject * (taken; left out where it is NULL), 'n' null without a value. */
JsonObject *json_make(const char *name, ...);

/* Adds members to an object; arguments as json_make. */
void json_add(JsonObject *object, const char *name, ...);

/* One line of text. */
char *json_text(JsonObject *object);

/* Parses an object, or an array, from TEXT of LENGTH bytes (-1: it ends with NUL); NULL with an error where it is not one, is not
 * JSON by the letter, nests too deep, or has two members of one name in an object. */
JsonNode *json_parse(const char *text, gssize length, GError **error);
JsonNode *json_parse_array(const char *text, gssize length, GError **error);

/* Members that may be missing or of another type: NULL, OTHERWISE, NULL then. */
const char *json_string(JsonObject *object, const char *name);
gint64 json_int(JsonObject *object, const char *name, gint64 otherwise);
JsonObject *json_member(JsonObject *object, const char *name);
JsonArray *json_array(JsonObject *object, const char *name);

/* An element that is an object, or NULL. */
JsonObject *json_object_at(JsonArray *array, guint index);
