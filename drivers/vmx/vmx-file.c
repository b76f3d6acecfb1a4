/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmx/vmx-file.h"

#include <inttypes.h>
#include <string.h>

#include "base/xml.h"
#include "errors.h"

typedef struct Entry {
        char *key, *value, *written; /* the value as what it means, and as it is written */
        bool is_taken;
} Entry;

struct VmxFile {
        GPtrArray *entries;  /* Entry, in the file's order */
        GHashTable *by_name; /* lower case -> Entry */
        GError *error;
};

static void entry_free(void *data) {
        Entry *entry = data;
        g_free(entry->key);
        g_free(entry->value);
        g_free(entry->written);
        g_free(entry);
}

void vmx_file_free(VmxFile *file) {
        g_hash_table_unref(file->by_name);
        g_ptr_array_unref(file->entries);
        g_clear_error(&file->error);
        g_free(file);
}

bool vmx_file_fail(VmxFile *file, const char *format, ...) {
        va_list arguments;
        va_start(arguments, format);
        g_autofree char *text = g_strdup_vprintf(format, arguments);
        va_end(arguments);
        return file->error ? false : virtbus_error_set(&file->error, VIRTBUS_ERROR_INVALID_ARGUMENT, "%s", text);
}

bool vmx_file_has_failed(const VmxFile *file) {
        return file->error != NULL;
}

GError *vmx_file_steal_error(VmxFile *file) {
        return g_steal_pointer(&file->error);
}

/* Parsing */

static bool is_key(const char *key, size_t length) {
        if (length == 0 || length > VMX_KEY_BYTES_MAX)
                return false;
        for (size_t i = 0; i < length; i++)
                if (!g_ascii_isalnum(key[i]) && !strchr("._:-/ ", key[i]))
                        return false;
        return true;
}

/* What a person has written; a path or a key of a tool's may have a '|' that escapes nothing. */
static bool is_a_persons(const char *name) {
        return strcmp(name, "displayname") == 0 || strcmp(name, "annotation") == 0;
}

/* Whether every '|' begins a byte in two hexadecimal digits. */
static bool is_escaped(const char *written) {
        for (const char *c = strchr(written, '|'); c; c = strchr(c + 1, '|'))
                if (!g_ascii_isxdigit(c[1]) || !g_ascii_isxdigit(c[2]))
                        return false;
        return true;
}

static bool add(VmxFile *file, unsigned number, const char *key, size_t key_length, const char *value, size_t length,
                GError **error) {
        g_autofree char *name = g_ascii_strdown(key, (gssize) key_length);
        const Entry *same = g_hash_table_lookup(file->by_name, name);
        if (same && (strlen(same->written) != length || memcmp(same->written, value, length) != 0))
                return virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                         "line %u: %s has another value above; leave one of them out", number, name);
        if (same)
                return true;
        if (file->entries->len >= VMX_KEYS_MAX)
                return virtbus_error_set(error, VIRTBUS_ERROR_LIMIT_EXCEEDED, "line %u: more than %d keys", number, VMX_KEYS_MAX);
        Entry *entry = g_new0(Entry, 1);
        entry->key = g_strndup(key, key_length);
        entry->written = g_strndup(value, length);
        if (is_a_persons(name) && !is_escaped(entry->written))
                return entry_free(entry), virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                                            "line %u: in %s, '|' is not followed by two hexadecimal digits; "
                                                            "write the character '|' as |7C",
                                                            number, name);
        entry->value = vmx_unescape(entry->written, '|');
        if (!entry->value)
                return entry_free(entry),
                       virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                         "line %u: the value of %s has characters that no document can have", number, name);
        g_ptr_array_add(file->entries, entry);
        g_hash_table_insert(file->by_name, g_steal_pointer(&name), entry);
        return true;
}

/* One line without its end: KEY = "VALUE", or a value without quotes and blanks. */
static bool parse_line(VmxFile *file, unsigned number, const char *line, size_t length, GError **error) {
        const char *end = line + length;
        while (line < end && g_ascii_isspace(*line))
                line++;
        while (end > line && g_ascii_isspace(end[-1]))
                end--;
        if (line == end || *line == '#')
                return true;
        const char *equals = memchr(line, '=', (size_t) (end - line)), *key_end = equals;
        while (key_end && key_end > line && g_ascii_isspace(key_end[-1]))
                key_end--;
        if (!equals || !is_key(line, (size_t) (key_end - line)))
                return virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT, "line %u is not KEY = \"VALUE\"", number);
        const char *value = equals + 1;
        while (value < end && g_ascii_isspace(*value))
                value++;
        bool is_quoted = value < end && *value == '"';
        const char *close = is_quoted ? memchr(value + 1, '"', (size_t) (end - value - 1)) : end;
        if (!is_quoted && memchr(value, '"', (size_t) (end - value)))
                return virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT, "line %u is not KEY = \"VALUE\"", number);
        if (is_quoted) {
                value++;
                const char *rest = close ? close + 1 : end;
                while (rest < end && g_ascii_isspace(*rest))
                        rest++;
                if (!close || (rest < end && *rest != '#'))
                        return virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                                 "line %u: the value of %.*s does not end with its quote; a quote in it is |22",
                                                 number, (int) (key_end - line), line);
        }
        return add(file, number, line, (size_t) (key_end - line), value, (size_t) (close - value), error);
}

VmxFile *vmx_file_parse(const char *text, GError **error) {
        g_autoptr(VmxFile) file = g_new0(VmxFile, 1);
        file->entries = g_ptr_array_new_with_free_func(entry_free);
        file->by_name = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        if (strlen(text) > VMX_BYTES_MAX) {
                virtbus_error_set(error, VIRTBUS_ERROR_LIMIT_EXCEEDED, "the configuration has more than %d bytes", VMX_BYTES_MAX);
                return NULL;
        }
        unsigned number = 1;
        for (const char *line = text; *line; number++) {
                size_t length = strcspn(line, "\n");
                if (length > VMX_LINE_BYTES_MAX) {
                        virtbus_error_set(error, VIRTBUS_ERROR_LIMIT_EXCEEDED, "line %u has more than %d bytes", number,
                                          VMX_LINE_BYTES_MAX);
                        return NULL;
                }
                if (!parse_line(file, number, line, length, error))
                        return NULL;
                line += length + (line[length] == '\n');
        }
        return g_steal_pointer(&file);
}

/* The value of the line .encoding, which is ASCII whatever the rest is. */
static char *find_encoding(const char *bytes) {
        g_autoptr(GRegex) line = g_regex_new("^\\s*\\.encoding\\s*=\\s*\"([^\"]{1,64})\"",
                                             G_REGEX_CASELESS | G_REGEX_MULTILINE | G_REGEX_RAW, 0, NULL);
        g_autoptr(GMatchInfo) match = NULL;
        return g_regex_match(line, bytes, 0, &match) ? g_match_info_fetch(match, 1) : NULL;
}

char *vmx_file_decode(const char *bytes, gsize length, GError **error) {
        if (length > VMX_BYTES_MAX || memchr(bytes, 0, length)) {
                virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT, "it is not a text of at most %d bytes", VMX_BYTES_MAX);
                return NULL;
        }
        g_autofree char *text = g_strndup(bytes, length), *encoding = find_encoding(text);
        if (g_utf8_validate(text, (gssize) length, NULL))
                return g_steal_pointer(&text);
        char *converted = g_convert(text, (gssize) length, "UTF-8", encoding ? encoding : "windows-1252", NULL, NULL, NULL);
        if (converted && strlen(converted) <= VMX_BYTES_MAX)
                return converted;
        g_free(converted);
        virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT, "it is not text of the encoding %.64s",
                          encoding ? encoding : "UTF-8");
        return NULL;
}

/* Reading */

static Entry *find(const VmxFile *file, const char *format, va_list arguments) {
        g_autofree char *key = g_strdup_vprintf(format, arguments), *name = g_ascii_strdown(key, -1);
        return g_hash_table_lookup(file->by_name, name);
}

static const char *take(Entry *entry) {
        if (!entry)
                return NULL;
        entry->is_taken = true;
        return *entry->value ? entry->value : NULL;
}

const char *vmx_file_take(VmxFile *file, const char *format, ...) {
        va_list arguments;
        va_start(arguments, format);
        Entry *entry = find(file, format, arguments);
        va_end(arguments);
        return take(entry);
}

const char *vmx_file_peek(const VmxFile *file, const char *format, ...) {
        va_list arguments;
        va_start(arguments, format);
        const Entry *entry = find(file, format, arguments);
        va_end(arguments);
        return entry && *entry->value ? entry->value : NULL;
}

bool vmx_file_has(const VmxFile *file, const char *key) {
        g_autofree char *name = g_ascii_strdown(key, -1);
        return g_hash_table_contains(file->by_name, name);
}

bool vmx_file_take_flag(VmxFile *file, bool otherwise, const char *format, ...) {
        va_list arguments;
        va_start(arguments, format);
        Entry *entry = find(file, format, arguments);
        va_end(arguments);
        const char *value = take(entry);
        if (!value)
                return otherwise;
        bool yes = g_ascii_strcasecmp(value, "true") == 0;
        if (!yes && g_ascii_strcasecmp(value, "false") != 0)
                vmx_file_fail(file, "%s is '%.64s'; it must be true or false", entry->key, value);
        return yes;
}

int64_t vmx_file_take_number(VmxFile *file, int64_t min, int64_t max, int64_t otherwise, const char *format, ...) {
        va_list arguments;
        va_start(arguments, format);
        Entry *entry = find(file, format, arguments);
        va_end(arguments);
        const char *value = take(entry);
        gint64 number;
        if (!value || g_ascii_strcasecmp(value, "unlimited") == 0)
                return otherwise;
        if (g_ascii_string_to_signed(value, 10, min, max, &number, NULL))
                return number;
        vmx_file_fail(file, "%s is '%.64s'; it must be a number from %" PRId64 " to %" PRId64, entry->key, value, min, max);
        return otherwise;
}

void vmx_file_give_back(VmxFile *file, const char *prefix) {
        for (guint i = 0; i < file->entries->len; i++) {
                Entry *entry = file->entries->pdata[i];
                if (g_ascii_strncasecmp(entry->key, prefix, strlen(prefix)) == 0)
                        entry->is_taken = false;
        }
}

void vmx_file_each(const VmxFile *file, VmxEach each, void *data) {
        for (guint i = 0; i < file->entries->len; i++) {
                const Entry *entry = file->entries->pdata[i];
                each(data, entry->key, entry->written, entry->is_taken);
        }
}

/* Values */

char *vmx_unescape(const char *text, char mark) {
        g_autoptr(GString) plain = g_string_new(NULL);
        for (const char *c = text; *c; c++)
                if (*c == mark && g_ascii_isxdigit(c[1]) && g_ascii_isxdigit(c[2])) {
                        g_string_append_c(plain, (char) (g_ascii_xdigit_value(c[1]) * 16 + g_ascii_xdigit_value(c[2])));
                        c += 2;
                } else
                        g_string_append_c(plain, *c);
        bool is_text = strlen(plain->str) == plain->len && g_utf8_validate(plain->str, -1, NULL) && xml_is_text(plain->str);
        return is_text ? g_string_free(g_steal_pointer(&plain), FALSE) : NULL;
}

char *vmx_escape(const char *text, char mark, const char *special) {
        GString *marked = g_string_new(NULL);
        for (const char *c = text; *c; c++)
                if (strchr(special, *c) || (unsigned char) *c < 0x20 || *c == 0x7f || *c == mark)
                        g_string_append_printf(marked, "%c%02x", mark, (unsigned char) *c);
                else
                        g_string_append_c(marked, *c);
        return g_string_free(marked, FALSE);
}

void vmx_put(GString *out, const char *value, const char *key_format, ...) {
        va_list arguments;
        va_start(arguments, key_format);
        g_string_append_vprintf(out, key_format, arguments);
        va_end(arguments);
        g_autofree char *written = vmx_escape(value, '|', "\"");
        g_string_append_printf(out, " = \"%s\"\n", written);
}
