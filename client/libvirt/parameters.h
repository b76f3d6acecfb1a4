/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A list of typed parameters, written as libvirt's protocol has it: one of thousands in a second is not worth a GVariant. */

#include <glib.h>
#include <stdint.h>

typedef struct Parameters {
        GByteArray *into;
        size_t count_at; /* where it says how many there are */
        uint32_t n;
} Parameters;

/* Begins a list at the end of INTO; until it ends, nothing else is appended there. */
Parameters parameters_begin(GByteArray *into);
void parameters_end(Parameters *parameters);

/* PREFIX and NAME together are its name. */
void parameters_add_int(Parameters *parameters, const char *prefix, const char *name, int32_t value);
void parameters_add_uint(Parameters *parameters, const char *prefix, const char *name, uint32_t value);
void parameters_add_ulong(Parameters *parameters, const char *prefix, const char *name, uint64_t value);
void parameters_add_long(Parameters *parameters, const char *prefix, const char *name, int64_t value);
void parameters_add_text(Parameters *parameters, const char *prefix, const char *name, const char *value);
