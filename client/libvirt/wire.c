/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire.h"

#include <string.h>

#include "libvirt-errors.h"
#include "xdr.h"

/* What a typed value can be, by the number of its kind. */
static const char *const value_types[] = { NULL, "i", "u", "x", "t", "d", "b", "s" };

typedef struct Reader {
        const uint8_t *at;
        size_t left;
        GError *error; /* the first one */
} Reader;

static bool refuse(Reader *reader, LibvirtErrorCode code, const char *what) {
        if (!reader->error)
                libvirt_error_set(&reader->error, code, "the message cannot be read: %s", what);
        reader->left = 0;
        return false;
}

static bool take(Reader *reader, size_t size, const uint8_t **data) {
        if (reader->left < size)
                return refuse(reader, LIBVIRT_RPC, "it ends in the middle of a value");
        *data = reader->at;
        reader->at += size;
        reader->left -= size;
        return true;
}

static uint32_t take_word(Reader *reader) {
        const uint8_t *data;
        return take(reader, XDR_WORD, &data) ? xdr_word(data) : 0;
}

static uint64_t take_long(Reader *reader) {
        uint64_t high = take_word(reader);
        return high << 32 | take_word(reader);
}

static double take_double(Reader *reader) {
        uint64_t bits = take_long(reader);
        double value;
        memcpy(&value, &bits, sizeof value);
        return value;
}

/* Bytes with their length before them, and zeros up to a whole word. */
static bool take_bytes(Reader *reader, size_t max, const uint8_t **data, size_t *size) {
        const uint8_t *pad;
        *size = take_word(reader);
        if (*size > max)
                return refuse(reader, LIBVIRT_RPC, "a value is too long");
        return take(reader, *size, data) && take(reader, xdr_padding(*size), &pad);
}

static GVariant *text_of(Reader *reader, const char *data, size_t size) {
        if (memchr(data, 0, size))
                refuse(reader, LIBVIRT_RPC, "a string has a zero in it");
        else if (!g_utf8_validate_len(data, size, NULL))
                refuse(reader, LIBVIRT_INVALID_ARG, "a string is not UTF-8");
        else
                return g_variant_new_take_string(g_strndup(data, size));
        return g_variant_new_string("");
}

static GVariant *read_string(Reader *reader) {
        const uint8_t *data = (const uint8_t *) "";
        size_t size = 0;
        if (!take_bytes(reader, WIRE_STRING_MAX, &data, &size))
                return g_variant_new_string("");
        return text_of(reader, (const char *) data, size);
}

/* Text of a word for each character ends at the first zero. */
static GVariant *read_characters(Reader *reader, size_t count) {
        g_autoptr(GString) text = g_string_new(NULL);
        bool ended = false;
        for (size_t i = 0; i < count && !reader->error; i++) {
                uint32_t word = take_word(reader);
                ended |= word == 0;
                if (!ended)
                        g_string_append_c(text, (char) word);
        }
        return text_of(reader, text->str, text->len);
}

static GVariant *read_uuid(Reader *reader) {
        const uint8_t *data = NULL;
        GString *text = g_string_sized_new(2 * XDR_UUID_BYTES + 4);
        bool is_there = take(reader, XDR_UUID_BYTES, &data);
        for (size_t i = 0; is_there && i < XDR_UUID_BYTES; i++)
                g_string_append_printf(text, "%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", data[i]);
        return g_variant_new_take_string(g_string_free(text, FALSE));
}

/* The limit that follows a letter. */
static size_t read_limit(const char **type) {
        char *end;
        size_t limit = g_ascii_strtoull(*type, &end, 10);
        g_assert(*end == ':');
        *type = end + 1;
        return limit;
}

/* Passes over one type. */
static void skip_type(const char **type) {
        char letter = *(*type)++;
        if (letter == 'm')
                skip_type(type);
        else if (letter == 'a') {
                read_limit(type);
                skip_type(type);
        } else if (strchr("ycC", letter))
                read_limit(type);
        else if (letter == '(') {
                while (**type != ')')
                        skip_type(type);
                (*type)++;
        }
}

static void append_variant_type(const char **type, GString *into) {
        char letter = *(*type)++;
        if (letter == 'm' || letter == 'a') {
                g_string_append_c(into, letter);
                if (letter == 'a')
                        read_limit(type);
                append_variant_type(type, into);
        } else if (letter == '(') {
                g_string_append_c(into, '(');
                while (**type != ')')
                        append_variant_type(type, into);
                (*type)++;
                g_string_append_c(into, ')');
        } else if (letter == 'y') {
                read_limit(type);
                g_string_append(into, "ay");
        } else if (letter == 'c' || letter == 'C') {
                read_limit(type);
                g_string_append_c(into, 's');
        } else
                g_string_append_c(into, letter == 'U' ? 's' : letter);
}

char *wire_variant_type(const char *type) {
        GString *text = g_string_new(NULL);
        append_variant_type(&type, text);
        return g_string_free(text, FALSE);
}

static GVariantType *next_variant_type(const char *type) {
        g_autoptr(GString) text = g_string_new(NULL);
        append_variant_type(&type, text);
        return g_variant_type_new(text->str);
}

static GVariant *read_value(Reader *reader, const char **type);

static GVariant *read_typed(Reader *reader) {
        uint32_t kind = take_word(reader);
        if (kind == 0 || kind >= G_N_ELEMENTS(value_types)) {
                refuse(reader, LIBVIRT_RPC, "a typed value is of an unknown kind");
                return g_variant_new_variant(g_variant_new_int32(0));
        }
        if (*value_types[kind] == 'b')
                return g_variant_new_variant(g_variant_new_boolean(take_word(reader) != 0));
        const char *type = value_types[kind];
        return g_variant_new_variant(read_value(reader, &type));
}

static GVariant *read_bytes(Reader *reader, size_t max) {
        const uint8_t *data = NULL;
        size_t size = 0;
        if (!take_bytes(reader, max, &data, &size))
                size = 0;
        return g_variant_new_fixed_array(G_VARIANT_TYPE_BYTE, data, size, 1);
}

static GVariant *read_array(Reader *reader, const char **type) {
        size_t limit = read_limit(type), count = take_word(reader);
        g_autoptr(GVariantType) element = next_variant_type(*type);
        g_autoptr(GVariantType) array = g_variant_type_new_array(element);
        GVariantBuilder builder;
        /* Each element has a word at least: what is left bounds how many there can be. */
        if (count > limit || count > reader->left / XDR_WORD) {
                refuse(reader, LIBVIRT_RPC, "a list is too long");
                count = 0;
        }
        g_variant_builder_init(&builder, array);
        for (size_t i = 0; i < count && !reader->error; i++) {
                const char *again = *type;
                g_variant_builder_add_value(&builder, read_value(reader, &again));
        }
        skip_type(type);
        return g_variant_builder_end(&builder);
}

static GVariant *read_struct(Reader *reader, const char **type) {
        GVariantBuilder builder;
        g_variant_builder_init(&builder, G_VARIANT_TYPE_TUPLE);
        while (**type != ')')
                g_variant_builder_add_value(&builder, read_value(reader, type));
        (*type)++;
        return g_variant_builder_end(&builder);
}

static GVariant *read_optional(Reader *reader, const char **type) {
        g_autoptr(GVariantType) element = next_variant_type(*type);
        if (take_word(reader) != 0)
                return g_variant_new_maybe(element, read_value(reader, type));
        skip_type(type);
        return g_variant_new_maybe(element, NULL);
}

/* Where the reader has failed, any value of the type: the caller sees the error at the end. */
static GVariant *read_value(Reader *reader, const char **type) {
        char letter = *(*type)++;
        switch (letter) {
        case 'i':
                return g_variant_new_int32((int32_t) take_word(reader));
        case 'u':
                return g_variant_new_uint32(take_word(reader));
        case 'x':
                return g_variant_new_int64((int64_t) take_long(reader));
        case 't':
                return g_variant_new_uint64(take_long(reader));
        case 'd':
                return g_variant_new_double(take_double(reader));
        case 's':
                return read_string(reader);
        case 'U':
                return read_uuid(reader);
        case 'v':
                return read_typed(reader);
        case 'm':
                return read_optional(reader, type);
        case 'a':
                return read_array(reader, type);
        case 'y':
                return read_bytes(reader, read_limit(type));
        case 'C':
                return read_characters(reader, read_limit(type));
        case 'c': {
                size_t limit = read_limit(type), count = take_word(reader);
                if (count > limit)
                        refuse(reader, LIBVIRT_RPC, "a text is too long");
                return read_characters(reader, count);
        }
        case '(':
                return read_struct(reader, type);
        default:
                g_assert_not_reached();
        }
}

GVariant *wire_decode(const char *type, const uint8_t *data, size_t size, GError **error) {
        Reader reader = { .at = size > 0 ? data : (const uint8_t *) "", .left = size };
        g_autoptr(GVariant) value = g_variant_ref_sink(read_value(&reader, &type));
        if (!reader.error && reader.left > 0)
                refuse(&reader, LIBVIRT_RPC, "it has more in it than its procedure has arguments");
        if (reader.error) {
                g_propagate_error(error, reader.error);
                return NULL;
        }
        return g_steal_pointer(&value);
}

static bool check_count(size_t count, size_t limit, GError **error) {
        if (count <= limit)
                return true;
        return libvirt_error_set(error, LIBVIRT_RPC,
                                 "the answer is too long for libvirt's protocol: %zu of something that it may have %zu of", count,
                                 limit);
}

static bool put_bytes(GByteArray *into, const void *data, size_t size, size_t max, GError **error) {
        if (!check_count(size, max, error))
                return false;
        xdr_put_bytes(into, data, size);
        return true;
}

static bool put_uuid(GByteArray *into, const char *text, GError **error) {
        uint8_t uuid[XDR_UUID_BYTES];
        if (!xdr_read_uuid(text, uuid))
                return libvirt_error_set(error, LIBVIRT_INTERNAL_ERROR, "what should be a UUID is not one");
        g_byte_array_append(into, uuid, XDR_UUID_BYTES);
        return true;
}

/* EXACT: so many characters, the rest zeros. Else LIMIT is how many there may be. */
static bool put_characters(GByteArray *into, const char *text, size_t limit, bool exact, GError **error) {
        size_t length = strlen(text);
        if (exact)
                length = MIN(length, limit - 1);
        if (!check_count(length, limit, error))
                return false;
        if (!exact)
                xdr_put_word(into, length);
        for (size_t i = 0; i < (exact ? limit : length); i++)
                xdr_put_word(into, i < length ? (uint32_t) (int32_t) text[i] : 0);
        return true;
}

static bool put_value(const char **type, GVariant *value, GByteArray *into, GError **error);

static bool put_typed(GByteArray *into, GVariant *value, GError **error) {
        g_autoptr(GVariant) inner = g_variant_get_variant(value);
        size_t kind = 1;
        while (kind < G_N_ELEMENTS(value_types) && !g_variant_is_of_type(inner, G_VARIANT_TYPE(value_types[kind])))
                kind++;
        if (kind == G_N_ELEMENTS(value_types))
                return libvirt_error_set(error, LIBVIRT_INTERNAL_ERROR, "cannot write a value of type %s",
                                         g_variant_get_type_string(inner));
        xdr_put_word(into, kind);
        if (*value_types[kind] == 'b') {
                xdr_put_word(into, g_variant_get_boolean(inner));
                return true;
        }
        const char *type = value_types[kind];
        return put_value(&type, inner, into, error);
}

static bool put_children(const char **type, GVariant *value, bool is_struct, GByteArray *into, GError **error) {
        size_t n = g_variant_n_children(value);
        bool good = true;
        for (size_t i = 0; good && i < n; i++) {
                g_autoptr(GVariant) child = g_variant_get_child_value(value, i);
                const char *again = *type;
                good = put_value(is_struct ? type : &again, child, into, error);
        }
        return good;
}

static bool put_array(const char **type, GVariant *value, GByteArray *into, GError **error) {
        size_t limit = read_limit(type), count = g_variant_n_children(value);
        if (!check_count(count, limit, error))
                return false;
        xdr_put_word(into, count);
        bool good = put_children(type, value, false, into, error);
        skip_type(type);
        return good;
}

static bool put_optional(const char **type, GVariant *value, GByteArray *into, GError **error) {
        g_autoptr(GVariant) inner = g_variant_get_maybe(value);
        xdr_put_word(into, inner != NULL);
        if (inner)
                return put_value(type, inner, into, error);
        skip_type(type);
        return true;
}

static bool put_value(const char **type, GVariant *value, GByteArray *into, GError **error) {
        char letter = *(*type)++;
        switch (letter) {
        case 'i':
                xdr_put_word(into, (uint32_t) g_variant_get_int32(value));
                return true;
        case 'u':
                xdr_put_word(into, g_variant_get_uint32(value));
                return true;
        case 'x':
                xdr_put_long(into, (uint64_t) g_variant_get_int64(value));
                return true;
        case 't':
                xdr_put_long(into, g_variant_get_uint64(value));
                return true;
        case 'd':
                xdr_put_double(into, g_variant_get_double(value));
                return true;
        case 's':
                return put_bytes(into, g_variant_get_string(value, NULL), strlen(g_variant_get_string(value, NULL)),
                                 WIRE_STRING_MAX, error);
        case 'U':
                return put_uuid(into, g_variant_get_string(value, NULL), error);
        case 'v':
                return put_typed(into, value, error);
        case 'm':
                return put_optional(type, value, into, error);
        case 'a':
                return put_array(type, value, into, error);
        case 'y':
                return put_bytes(into, g_variant_get_data(value), g_variant_get_size(value), read_limit(type), error);
        case 'c':
        case 'C':
                return put_characters(into, g_variant_get_string(value, NULL), read_limit(type), letter == 'C', error);
        case '(': {
                bool good = put_children(type, value, true, into, error);
                (*type)++; /* where it is good, the type is at its end */
                return good;
        }
        default:
                g_assert_not_reached();
        }
}

bool wire_encode(const char *type, GVariant *value, GByteArray *into, GError **error) {
        g_autoptr(GVariant) kept = g_variant_ref_sink(value);
        g_autofree char *expected = wire_variant_type(type);
        size_t before = into->len;
        g_assert(g_variant_is_of_type(kept, G_VARIANT_TYPE(expected)));
        if (put_value(&type, kept, into, error))
                return true;
        g_byte_array_set_size(into, before);
        return false;
}
