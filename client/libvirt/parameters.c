/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "parameters.h"

#include <string.h>

#include "xdr.h"

typedef enum ValueKind { VALUE_INT = 1, VALUE_UINT = 2, VALUE_LONG = 3, VALUE_ULONG = 4, VALUE_TEXT = 7 } ValueKind;

Parameters parameters_begin(GByteArray *into) {
        Parameters parameters = { into, into->len, 0 };
        xdr_put_word(into, 0);
        return parameters;
}

void parameters_end(Parameters *parameters) {
        xdr_set_word(parameters->into, parameters->count_at, parameters->n);
}

static void add(Parameters *parameters, const char *prefix, const char *name, ValueKind kind) {
        static const uint8_t zeros[XDR_WORD];
        GByteArray *into = parameters->into;
        size_t before = strlen(prefix), length = strlen(name);
        xdr_put_word(into, (uint32_t) (before + length));
        g_byte_array_append(into, (const uint8_t *) prefix, (unsigned int) before);
        g_byte_array_append(into, (const uint8_t *) name, (unsigned int) length);
        g_byte_array_append(into, zeros, (unsigned int) xdr_padding(before + length));
        xdr_put_word(into, kind);
        parameters->n++;
}

void parameters_add_int(Parameters *parameters, const char *prefix, const char *name, int32_t value) {
        add(parameters, prefix, name, VALUE_INT);
        xdr_put_word(parameters->into, (uint32_t) value);
}

void parameters_add_uint(Parameters *parameters, const char *prefix, const char *name, uint32_t value) {
        add(parameters, prefix, name, VALUE_UINT);
        xdr_put_word(parameters->into, value);
}

void parameters_add_ulong(Parameters *parameters, const char *prefix, const char *name, uint64_t value) {
        add(parameters, prefix, name, VALUE_ULONG);
        xdr_put_long(parameters->into, value);
}

void parameters_add_long(Parameters *parameters, const char *prefix, const char *name, int64_t value) {
        add(parameters, prefix, name, VALUE_LONG);
        xdr_put_long(parameters->into, (uint64_t) value);
}

void parameters_add_text(Parameters *parameters, const char *prefix, const char *name, const char *value) {
        add(parameters, prefix, name, VALUE_TEXT);
        xdr_put_text(parameters->into, value);
}
