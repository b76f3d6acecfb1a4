/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What serves most procedures of domains: functions for a row's RUN, which take the method or property from the row. */

#include "call.h"

/* CHANGES of a row, in words. */
#define READS false
#define CHANGES true

/* Domain.MEMBER without arguments. */
void row_method(Call *call);

/* Domain.MEMBER with options that the flags are, and nothing else. */
void row_method_with_options(Call *call);

/* Domain.MEMBER with such options, whose answer is a job; answers when that is completed. */
void row_job(Call *call);

/* Domain.MEMBER, a property: a string; a flag or a number as i32; bytes as KiB in u64. */
void row_string(Call *call);
void row_number(Call *call);
void row_kib(Call *call);

/* For steps whose reply is not used, and for those that answer its first value, a string. */
void step_answer_nothing(Call *call, GVariant *reply);
void step_answer_string(Call *call, GVariant *reply);

/* Flags that say where a change is made. */
extern const FlagOption affect_flags[];

/* Those of procedures that answer typed parameters: strings among them are understood by every client that is served. */
#define FLAG_STRINGS_OKAY \
        { 4, NULL }

/* Flags that a procedure knows and that change nothing, as what they ask for is always so. */
#define FLAG_IS_ALWAYS_SO(bit) \
        { bit, NULL }
