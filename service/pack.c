/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pack.h"

#include <errno.h>
#include <string.h>

#define SIGNATURE_MAX 255 /* D-Bus specification, "Valid Signatures" */

/* Copies the first complete type of a signature, and its contents where it is a container. Returns what follows. */
typedef struct Type {
        char code; /* 'r' for a structure, 'e' for a dictionary entry */
        char contents[SIGNATURE_MAX + 1];
} Type;

static size_t type_length(const char *signature) {
        if (*signature == 'a')
                return 1 + type_length(signature + 1);
        if (*signature != '(' && *signature != '{')
                return 1;
        size_t depth = 0, i = 0;
        do {
                if (strchr("({", signature[i]))
                        depth++;
                else if (strchr(")}", signature[i]))
                        depth--;
                i++;
        } while (depth > 0);
        return i;
}

static const char *type_next(const char *signature, Type *type) {
        size_t length = type_length(signature);
        type->code = *signature;
        size_t skip = 1, trail = 0;
        if (*signature == '(' || *signature == '{') {
                type->code = *signature == '(' ? 'r' : 'e';
                trail = 1;
        }
        memcpy(type->contents, signature + skip, length - skip - trail);
        type->contents[length - skip - trail] = '\0';
        return signature + length;
}

/* The size of a fixed-size type as packed, or 0. */
static size_t fixed_size(char code) {
        switch (code) {
        case 'y':
        case 'b':
                return 1;
        case 'n':
        case 'q':
                return 2;
        case 'i':
        case 'u':
        case 'h':
                return 4;
        case 'x':
        case 't':
        case 'd':
                return 8;
        default:
                return 0;
        }
}

/* Types whose arrays sd-bus hands out in one piece. */
static bool is_bulk(const char *contents) {
        return contents[0] && !contents[1] && strchr("ynqiuxtd", contents[0]);
}

/* What is read, and how far into it. */
typedef struct Reader {
        GByteArray *pack;
        size_t max;
        sd_bus_message *message;
        bool takes_descriptors;
        unsigned in_variants; /* how many descriptors may be in variants yet */
        unsigned depth, variants;
} Reader;

static int read_values(Reader *reader, const char *signature);

static int put(Reader *reader, const void *data, size_t size) {
        if (reader->pack->len + size > reader->max)
                return -E2BIG;
        g_byte_array_append(reader->pack, data, (guint) size);
        return 0;
}

static int put_string(Reader *reader, const char *string) {
        uint32_t length = (uint32_t) strlen(string);
        int r = put(reader, &length, sizeof length);
        return r < 0 ? r : put(reader, string, length + 1);
}

static int read_array(Reader *reader, const char *contents) {
        GByteArray *pack = reader->pack;
        guint size_at = pack->len;
        uint32_t size = 0;
        int r = put(reader, &size, sizeof size);
        if (r < 0)
                return r;
        if (is_bulk(contents)) {
                const void *data;
                size_t length;
                r = sd_bus_message_read_array(reader->message, contents[0], &data, &length);
                if (r >= 0)
                        r = put(reader, data, length);
        } else {
                r = sd_bus_message_enter_container(reader->message, 'a', contents);
                while (r >= 0 && (r = sd_bus_message_at_end(reader->message, false)) == 0)
                        r = read_values(reader, contents);
                if (r >= 0)
                        r = sd_bus_message_exit_container(reader->message);
        }
        if (r < 0)
                return r;
        size = pack->len - size_at - (uint32_t) sizeof size;
        memcpy(pack->data + size_at, &size, sizeof size);
        return 0;
}

static int read_variant(Reader *reader) {
        const char *contents;
        int r = sd_bus_message_peek_type(reader->message, NULL, &contents);
        if (r < 0)
                return r;
        uint8_t length = (uint8_t) strlen(contents);
        r = put(reader, &length, 1);
        if (r >= 0)
                r = put(reader, contents, length + 1u);
        if (r >= 0)
                r = sd_bus_message_enter_container(reader->message, 'v', contents);
        reader->variants++;
        if (r >= 0)
                r = read_values(reader, contents);
        reader->variants--;
        return r < 0 ? r : sd_bus_message_exit_container(reader->message);
}

static int read_type(Reader *reader, const Type *type) {
        union {
                uint8_t bytes[8];
                int boolean;
                const char *string;
        } value;
        int r;
        switch (type->code) {
        case 's':
        case 'o':
        case 'g':
                r = sd_bus_message_read_basic(reader->message, type->code, &value.string);
                return r < 0 ? r : r == 0 ? -EBADMSG : put_string(reader, value.string);
        case 'a':
                return read_array(reader, type->contents);
        case 'v':
                return read_variant(reader);
        case 'r':
        case 'e':
                r = sd_bus_message_enter_container(reader->message, type->code, type->contents);
                if (r >= 0)
                        r = read_values(reader, type->contents);
                return r < 0 ? r : sd_bus_message_exit_container(reader->message);
        case 'h':
                /* Each time that one is named it is copied. */
                if (!reader->takes_descriptors || (reader->variants > 0 && reader->in_variants == 0))
                        return -EPERM;
                reader->in_variants -= reader->variants > 0;
                /* fall through */
        default:
                r = sd_bus_message_read_basic(reader->message, type->code, &value);
                if (r <= 0)
                        return r < 0 ? r : -EBADMSG;
                if (type->code == 'b')
                        value.bytes[0] = value.boolean != 0;
                return put(reader, value.bytes, fixed_size(type->code));
        }
}

static int read_values(Reader *reader, const char *signature) {
        int r = reader->depth < PACK_DEPTH_MAX ? 0 : -E2BIG;
        reader->depth++;
        while (r >= 0 && *signature) {
                Type type;
                signature = type_next(signature, &type);
                r = read_type(reader, &type);
        }
        reader->depth--;
        return MIN(r, 0);
}

int pack_read(GByteArray *pack, size_t max, sd_bus_message *message, const char *signature) {
        Reader reader = { .pack = pack, .max = max, .message = message };
        return read_values(&reader, signature);
}

char *pack_strings(const uint8_t *at) {
        const uint8_t *end = at + sizeof(uint32_t) + pack_uint32(at);
        GString *text = g_string_new(NULL);
        for (at += sizeof(uint32_t); at < end; at += sizeof(uint32_t) + pack_uint32(at) + 1) {
                if (text->len > 0)
                        g_string_append_c(text, ',');
                g_string_append(text, pack_string(at));
        }
        return g_string_free(text, FALSE);
}

bool pack_boolean(const uint8_t *at) {
        return *at;
}

uint32_t pack_uint32(const uint8_t *at) {
        uint32_t value;
        memcpy(&value, at, sizeof value);
        return value;
}

const char *pack_string(const uint8_t *at) {
        return (const char *) at + sizeof(uint32_t);
}

static const uint8_t *append_type(const uint8_t *at, sd_bus_message *message, const Type *type) {
        union {
                uint8_t bytes[8];
                int boolean;
        } value;
        const uint8_t *end;
        uint32_t length;
        switch (type->code) {
        case 's':
        case 'o':
        case 'g':
                if (sd_bus_message_append_basic(message, type->code, pack_string(at)) < 0)
                        return NULL;
                return at + sizeof length + pack_uint32(at) + 1;
        case 'a':
                length = pack_uint32(at);
                at += sizeof length;
                end = at + length;
                if (is_bulk(type->contents))
                        return sd_bus_message_append_array(message, type->contents[0], at, length) < 0 ? NULL : end;
                if (sd_bus_message_open_container(message, 'a', type->contents) < 0)
                        return NULL;
                while (at && at < end)
                        at = pack_append(at, message, type->contents);
                return at && sd_bus_message_close_container(message) >= 0 ? at : NULL;
        case 'v':
                length = *at;
                if (sd_bus_message_open_container(message, 'v', (const char *) at + 1) < 0)
                        return NULL;
                at = pack_append(at + length + 2, message, (const char *) at + 1);
                return at && sd_bus_message_close_container(message) >= 0 ? at : NULL;
        case 'r':
        case 'e':
                if (sd_bus_message_open_container(message, type->code, type->contents) < 0)
                        return NULL;
                at = pack_append(at, message, type->contents);
                return at && sd_bus_message_close_container(message) >= 0 ? at : NULL;
        default:
                memcpy(value.bytes, at, fixed_size(type->code));
                if (type->code == 'b')
                        value.boolean = *at;
                if (sd_bus_message_append_basic(message, type->code, &value) < 0)
                        return NULL;
                return at + fixed_size(type->code);
        }
}

const uint8_t *pack_append(const uint8_t *at, sd_bus_message *message, const char *signature) {
        while (at && *signature) {
                Type type;
                signature = type_next(signature, &type);
                at = append_type(at, message, &type);
        }
        return at;
}

const uint8_t *pack_skip(const uint8_t *at, const char *signature) {
        while (*signature) {
                size_t length = type_length(signature);
                switch (*signature) {
                case 's':
                case 'o':
                case 'g':
                        at += sizeof(uint32_t) + pack_uint32(at) + 1;
                        break;
                case 'a':
                        at += sizeof(uint32_t) + pack_uint32(at);
                        break;
                case 'v':
                        at = pack_skip(at + *at + 2, (const char *) at + 1);
                        break;
                case '(':
                case '{': {
                        Type type;
                        type_next(signature, &type);
                        at = pack_skip(at, type.contents);
                        break;
                }
                default:
                        at += fixed_size(*signature);
                }
                signature += length;
        }
        return at;
}

static size_t align(size_t offset, size_t to) {
        return (offset + to - 1) / to * to;
}

/* D-Bus specification, "Marshaling (Wire Format)" */
static size_t alignment(char code) {
        if (strchr("sobau", code))
                return 4;
        return code == 'g' || code == 'v' ? 1 : strchr("({re", code) ? 8 : fixed_size(code);
}

static const uint8_t *measure_type(const uint8_t *at, const Type *type, size_t *offset) {
        const uint8_t *end;
        *offset = align(*offset, alignment(type->code));
        switch (type->code) {
        case 's':
        case 'o':
        case 'g':
                *offset += (type->code == 'g' ? 1 : sizeof(uint32_t)) + pack_uint32(at) + 1;
                return at + sizeof(uint32_t) + pack_uint32(at) + 1;
        case 'a':
                *offset = align(*offset + sizeof(uint32_t), alignment(type->contents[0]));
                end = at + sizeof(uint32_t) + pack_uint32(at);
                at += sizeof(uint32_t);
                if (is_bulk(type->contents))
                        *offset += (size_t) (end - at);
                else
                        while (at < end)
                                at = pack_measure(at, type->contents, offset);
                return end;
        case 'v':
                *offset += *at + 2u;
                return pack_measure(at + *at + 2, (const char *) at + 1, offset);
        case 'r':
        case 'e':
                return pack_measure(at, type->contents, offset);
        default:
                *offset += type->code == 'b' ? sizeof(uint32_t) : fixed_size(type->code);
                return at + fixed_size(type->code);
        }
}

const uint8_t *pack_measure(const uint8_t *at, const char *signature, size_t *offset) {
        while (*signature) {
                Type type;
                signature = type_next(signature, &type);
                at = measure_type(at, &type, offset);
        }
        return at;
}

int pack_relay(sd_bus_message *from, sd_bus_message *to, const char *signature, size_t max, unsigned in_variants, size_t *size) {
        g_autoptr(GByteArray) pack = g_byte_array_new();
        Reader reader = { .pack = pack, .max = max, .message = from, .takes_descriptors = true, .in_variants = in_variants };
        size_t body = 0;
        int r = sd_bus_message_rewind(from, true);
        if (r >= 0)
                r = read_values(&reader, signature);
        if (r < 0)
                return r;
        pack_measure(pack->data, signature, &body);
        if (body > max)
                return -E2BIG;
        *size += body;
        return pack->len == 0 || pack_append(pack->data, to, signature) ? 0 : -EINVAL;
}
