/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/command/native-reader.h"

#include <string.h>

#include "base/json.h"

void native_fail(NativeReader *reader, VirtbusError code, const char *format, ...) {
        va_list arguments;
        va_start(arguments, format);
        g_autofree char *text = g_strdup_vprintf(format, arguments);
        va_end(arguments);
        if (!reader->error)
                virtbus_error_set(&reader->error, code, "%s", text);
}

/* Properties: name=value,... or JSON */

static void flatten(GHashTable *properties, const char *prefix, JsonNode *node) {
        if (json_node_type(node) == JSON_OBJECT) {
                g_autoptr(GList) names = json_object_get_members(json_node_get_object(node));
                for (GList *link = names; link; link = link->next) {
                        g_autofree char *name = prefix[0] ? g_strdup_printf("%s.%s", prefix, (const char *) link->data)
                                                          : g_strdup(link->data);
                        flatten(properties, name, json_object_get_member(json_node_get_object(node), link->data));
                }
        } else if (json_node_is_basic(node)) {
                JsonType type = json_node_type(node);
                g_hash_table_insert(properties, g_strdup(prefix),
                                    type == JSON_BOOLEAN   ? g_strdup(json_node_get_boolean(node) ? "on" : "off")
                                    : type == JSON_INTEGER ? g_strdup_printf("%" G_GINT64_FORMAT, json_node_get_int(node))
                                    : type == JSON_STRING  ? g_strdup(json_node_get_string(node))
                                                           : g_strdup(""));
        }
}

/* What may be given more than once: the values, a line each. */
static void insert(GHashTable *properties, char *name, char *value) {
        static const char *const lists[] = { "hostfwd", "value", "cpus", NULL };
        const char *before = g_strv_contains(lists, name) ? g_hash_table_lookup(properties, name) : NULL;
        if (before) {
                char *both = g_strdup_printf("%s\n%s", before, value);
                g_free(value);
                value = both;
        }
        g_hash_table_insert(properties, name, value);
}

GHashTable *native_parse(NativeReader *reader, const char *text, const char *first) {
        GHashTable *properties = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
        g_autoptr(GError) error = NULL;
        if (text[0] == '{') {
                g_autoptr(JsonNode) node = json_parse(text, -1, &error);
                if (node)
                        flatten(properties, "", node);
                else
                        native_fail(reader, VIRTBUS_ERROR_INVALID_ARGUMENT, "'%.64s' is not JSON: %s", text, error->message);
                return properties;
        }
        g_autoptr(GString) part = g_string_new(NULL);
        for (const char *c = text;; c++) {
                if (*c == ',' && c[1] == ',') {
                        g_string_append_c(part, ',');
                        c++;
                        continue;
                }
                if (*c && *c != ',') {
                        g_string_append_c(part, *c);
                        continue;
                }
                char *equals = strchr(part->str, '=');
                if (equals)
                        insert(properties, g_strndup(part->str, (gsize) (equals - part->str)), g_strdup(equals + 1));
                else if (first && part->len > 0)
                        insert(properties, g_strdup(first), g_strdup(part->str));
                else if (part->len > 0)
                        insert(properties, g_strdup(part->str), g_strdup("on"));
                first = NULL;
                g_string_truncate(part, 0);
                if (!*c)
                        return properties;
        }
}

/* Takes a property away; NULL where there is none. To be freed. */
char *native_take(GHashTable *properties, const char *name) {
        char *key, *value;
        if (!g_hash_table_steal_extended(properties, name, (void **) &key, (void **) &value))
                return NULL;
        g_free(key);
        return value;
}

bool native_is_on(const char *value) {
        return g_strcmp0(value, "on") == 0 || g_strcmp0(value, "true") == 0 || g_strcmp0(value, "yes") == 0;
}

void native_drop(GHashTable *properties, const char *names) {
        g_auto(GStrv) parts = g_strsplit(names, " ", -1);
        for (size_t i = 0; parts[i]; i++)
                g_hash_table_remove(properties, parts[i]);
}

void native_check_empty(NativeReader *reader, GHashTable *properties, const char *option) {
        GHashTableIter iterator;
        void *name;
        g_hash_table_iter_init(&iterator, properties);
        if (g_hash_table_iter_next(&iterator, &name, NULL))
                native_fail(reader, VIRTBUS_ERROR_UNSUPPORTED, "%s: its property '%.64s' has no counterpart in a document",
                            option, (const char *) name);
}

/* The document */

/* Nothing where there is no value. */
void native_set(xmlNode *element, const char *name, const char *value) {
        if (value)
                xml_set_attribute(element, name, value);
}

void native_move(GHashTable *properties, const char *property, xmlNode *element, const char *name) {
        g_autofree char *value = native_take(properties, property);
        native_set(element, name, value);
}

void native_move_below(GHashTable *properties, const char *property, xmlNode *element, const char *child, const char *name) {
        g_autofree char *value = native_take(properties, property);
        if (value)
                native_set(xml_ensure_child(element, child), name, value);
}

const char *native_yes(const char *value) {
        return !value ? NULL : native_is_on(value) || strcmp(value, "yes") == 0 || strcmp(value, "true") == 0 ? "yes" : "no";
}

NativeBackend *native_find_backend(NativeReader *reader, const char *kind, const char *id) {
        g_autofree char *key = g_strdup_printf("%s:%s", kind, id ? id : "");
        NativeBackend *backend = g_hash_table_lookup(reader->backends, key);
        if (backend)
                backend->used = true;
        return backend;
}

void native_keep_backend(NativeReader *reader, const char *kind, const char *text, const char *first, const char *id_name) {
        NativeBackend *backend = g_new0(NativeBackend, 1);
        backend->properties = native_parse(reader, text, first);
        backend->number = strcmp(kind, "audio") == 0 ? ++reader->n_audio : 0;
        g_autofree char *id = native_take(backend->properties, id_name);
        g_hash_table_insert(reader->backends, g_strdup_printf("%s:%s", kind, id ? id : ""), backend);
}

void native_backend_free(NativeBackend *backend) {
        g_hash_table_unref(backend->properties);
        g_free(backend);
}

uint64_t native_parse_size(NativeReader *reader, const char *text, uint64_t unit) {
        char *end;
        guint64 number = g_ascii_strtoull(text, &end, 10);
        uint64_t factor = !*end                          ? unit
                          : g_ascii_toupper(*end) == 'K' ? 1024
                          : g_ascii_toupper(*end) == 'M' ? NATIVE_MIB
                          : g_ascii_toupper(*end) == 'G' ? 1024 * NATIVE_MIB
                                                         : 0;
        if (end == text || factor == 0 || number > (UINT64_C(1) << 50) / factor) {
                native_fail(reader, VIRTBUS_ERROR_INVALID_ARGUMENT, "'%.32s' is not a size", text);
                return 0;
        }
        return number * factor;
}
