/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/json-grammar.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "errors.h"

/* The longest number that is read: more digits than any value of 64 bits or double needs. */
#define NUMBER_BYTES_MAX 400

typedef struct Reader {
        const char *start, *at, *end;
        unsigned depth, n_values, n_members, n_comparisons;
        GError **error;
} Reader;

static bool fail(const Reader *reader, const char *what) {
        return virtbus_error_set(reader->error, VIRTBUS_ERROR_HYPERVISOR_FAILED, "JSON, byte %zu: %s",
                                 (size_t) (reader->at - reader->start) + 1, what);
}

static char peek(const Reader *reader) {
        return reader->at < reader->end ? *reader->at : '\0';
}

static bool take(Reader *reader, char wanted) {
        if (reader->at == reader->end || *reader->at != wanted)
                return false;
        reader->at++;
        return true;
}

static void skip_blanks(Reader *reader) {
        while (reader->at < reader->end && strchr(" \t\r\n", *reader->at) && *reader->at)
                reader->at++;
}

static bool read_word(Reader *reader, const char *word) {
        size_t length = strlen(word);
        if ((size_t) (reader->end - reader->at) < length || memcmp(reader->at, word, length) != 0)
                return fail(reader, "a value is expected");
        reader->at += length;
        return true;
}

static bool skip_digits(Reader *reader) {
        const char *from = reader->at;
        while (g_ascii_isdigit(peek(reader)))
                reader->at++;
        return reader->at > from;
}

/* Whether a 64-bit integer, or a double, can hold it. */
static bool fits(const char *number, bool whole) {
        errno = 0;
        if (!whole)
                return isfinite(g_ascii_strtod(number, NULL));
        if (number[0] == '-')
                g_ascii_strtoll(number, NULL, 10);
        else
                g_ascii_strtoull(number, NULL, 10);
        return errno != ERANGE;
}

static bool read_number(Reader *reader) {
        const char *from = reader->at;
        char number[NUMBER_BYTES_MAX + 1];
        bool whole = true, fine;
        take(reader, '-');
        fine = take(reader, '0') || skip_digits(reader);
        if (fine && take(reader, '.')) {
                whole = false;
                fine = skip_digits(reader);
        }
        if (fine && (take(reader, 'e') || take(reader, 'E'))) {
                whole = false;
                if (!take(reader, '+'))
                        take(reader, '-');
                fine = skip_digits(reader);
        }
        if (!fine || g_ascii_isalnum(peek(reader)))
                return fail(reader, "this is not a number");
        size_t length = (size_t) (reader->at - from);
        if (length > NUMBER_BYTES_MAX)
                return fail(reader, "the number is too long");
        memcpy(number, from, length);
        number[length] = '\0';
        return fits(number, whole) || fail(reader, "the number is too large");
}

/* The four digits after \u; -1 where they are not. */
static int read_unit(Reader *reader) {
        int unit = 0;
        for (int i = 0; i < 4; i++) {
                int digit = g_ascii_xdigit_value(peek(reader));
                if (digit < 0)
                        return -1;
                unit = unit * 16 + digit;
                reader->at++;
        }
        return unit;
}

static bool is_surrogate(int unit, int first) {
        return unit >= first && unit < first + 0x400;
}

static bool read_escape(Reader *reader) {
        if (!take(reader, 'u')) {
                if (!peek(reader) || !strchr("\"\\/bfnrt", peek(reader)))
                        return fail(reader, "there is no such escape");
                reader->at++;
                return true;
        }
        int unit = read_unit(reader);
        bool fine = unit > 0 && !is_surrogate(unit, 0xdc00);
        if (is_surrogate(unit, 0xd800))
                fine = take(reader, '\\') && take(reader, 'u') && is_surrogate(read_unit(reader), 0xdc00);
        return fine || fail(reader, "the escape is not a character");
}

static bool read_string(Reader *reader) {
        if (!take(reader, '"'))
                return fail(reader, "a string is expected");
        while (reader->at < reader->end) {
                if ((unsigned char) *reader->at < 0x20)
                        return fail(reader, "a string may not hold control characters");
                if (take(reader, '"'))
                        return true;
                if (!take(reader, '\\'))
                        reader->at++;
                else if (!read_escape(reader))
                        return false;
        }
        return fail(reader, "a string does not end");
}

static bool read_value(Reader *reader);

static bool read_element(Reader *reader, unsigned number) {
        (void) number;
        return read_value(reader);
}

static bool read_member(Reader *reader, unsigned number) {
        skip_blanks(reader);
        reader->n_comparisons += number;
        if (reader->n_comparisons > JSON_COMPARISONS_MAX)
                return fail(reader, "objects have too many members");
        if (!read_string(reader))
                return false;
        skip_blanks(reader);
        reader->n_members++;
        return take(reader, ':') ? read_value(reader) : fail(reader, "':' is expected");
}

/* What is between the brackets of an object or an array. */
static bool read_items(Reader *reader, char closing, bool (*item)(Reader *reader, unsigned number)) {
        unsigned number = 0;
        skip_blanks(reader);
        if (take(reader, closing))
                return true;
        do {
                if (!item(reader, number++))
                        return false;
        } while (take(reader, ','));
        return take(reader, closing) || fail(reader, "',' or the closing bracket is expected");
}

static bool read_container(Reader *reader) {
        bool is_object = *reader->at++ == '{';
        if (++reader->depth > JSON_DEPTH_MAX)
                return virtbus_error_set(reader->error, VIRTBUS_ERROR_HYPERVISOR_FAILED, "JSON nests deeper than %d",
                                         JSON_DEPTH_MAX);
        bool fine = is_object ? read_items(reader, '}', read_member) : read_items(reader, ']', read_element);
        reader->depth--;
        return fine;
}

static bool read_value(Reader *reader) {
        bool fine;
        skip_blanks(reader);
        if (++reader->n_values > JSON_VALUES_MAX)
                return fail(reader, "there are too many values");
        switch (peek(reader)) {
        case '{':
        case '[':
                fine = read_container(reader);
                break;
        case '"':
                fine = read_string(reader);
                break;
        case '-':
        case '0' ... '9':
                fine = read_number(reader);
                break;
        case 't':
                fine = read_word(reader, "true");
                break;
        case 'f':
                fine = read_word(reader, "false");
                break;
        default:
                fine = read_word(reader, "null");
                break;
        }
        skip_blanks(reader);
        return fine;
}

bool json_check_grammar(const char *text, size_t length, unsigned *n_members, GError **error) {
        const char *invalid;
        Reader reader = { .start = text, .at = text, .end = text + length, .error = error };
        if (!g_utf8_validate_len(text, length, &invalid)) {
                reader.at = invalid;
                return fail(&reader, "this is not UTF-8");
        }
        if (!read_value(&reader))
                return false;
        *n_members = reader.n_members;
        return reader.at == reader.end || fail(&reader, "something follows the value");
}
