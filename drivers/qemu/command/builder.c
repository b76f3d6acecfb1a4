/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/command/builder.h"

#include <string.h>

/* Errors */

static void fail_va(Builder *builder, VirtbusError code, const xmlNode *element, const char *format, va_list arguments) {
        g_autofree char *text = g_strdup_vprintf(format, arguments);
        if (!builder->error)
                xml_fail(&builder->error, code, element, "%s", text);
}

#define FAIL(builder, code, element, format) \
        do { \
                va_list arguments; \
                va_start(arguments, format); \
                fail_va(builder, code, element, format, arguments); \
                va_end(arguments); \
        } while (false)

void builder_fail(Builder *builder, VirtbusError code, const xmlNode *element, const char *format, ...) {
        FAIL(builder, code, element, format);
}

void builder_invalid(Builder *builder, const xmlNode *element, const char *format, ...) {
        FAIL(builder, VIRTBUS_ERROR_INVALID_XML, element ? element : builder->at, format);
}

void builder_unsupported(Builder *builder, const xmlNode *element, const char *format, ...) {
        FAIL(builder, VIRTBUS_ERROR_UNSUPPORTED, element ? element : builder->at, format);
}

void builder_not_here(Builder *builder, const xmlNode *element, const char *what) {
        if (!builder->context->to_show)
                builder_unsupported(builder, element, "the QEMU driver cannot yet start a guest with %s", what);
}

/* Text */

const char *builder_escape(Builder *builder, const char *text) {
        g_auto(GStrv) parts = g_strsplit(text, ",", -1);
        g_autofree char *joined = g_strjoinv(",,", parts);
        return g_string_chunk_insert(builder->strings, joined);
}

const char *builder_format(Builder *builder, const char *format, ...) {
        va_list arguments;
        va_start(arguments, format);
        g_autofree char *text = g_strdup_vprintf(format, arguments);
        va_end(arguments);
        return g_string_chunk_insert(builder->strings, text);
}

bool builder_is_plain_name(const char *name) {
        return *name && strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") == strlen(name);
}
