/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What serves most procedures of domains: functions for a row's RUN, which take the method or property from the row. */

#include "call.h"
#include "documents.h"

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

/* Asks the agent in the domain's guest; refuses the call where there is no agent to ask. */
void row_ask_guest(Call *call, const char *member, GVariant *arguments, const char *reply, CallStep step);

/* For a row's ELSEWHERE: refuses what no connection tells of another host. */
void row_not_elsewhere(Call *call, GVariant *host);

/* For steps whose reply is not used, and for those that answer its first value, a string, or a document in libvirt's style. */
void step_answer_nothing(Call *call, GVariant *reply);
void step_answer_string(Call *call, GVariant *reply);
void step_answer_document(Call *call, GVariant *reply);

/* The descriptor that has come with a reply (h), to be closed; -1, with the call refused, where it cannot be had. */
int row_take_fd(Call *call, GVariant *reply);

/* Flags that say where a change is made. */
extern const FlagOption affect_flags[];

/* Those of procedures that answer typed parameters: strings among them are understood by every client that is served. */
#define FLAG_STRINGS_OKAY \
        { 4, NULL }

/* Flags that a procedure knows and that change nothing, as what they ask for is always so. */
#define FLAG_IS_ALWAYS_SO(bit) \
        { bit, NULL }

/* Bits of flags that say where something is looked up or changed. */
#define AFFECT_LIVE 1
#define AFFECT_CONFIG 2

/* Goes on with the properties of the call's domain if that is active; refuses the call if not. */
void row_if_active(Call *call, CallStep step);

/* Goes on with the domain's document (s): of the running guest, or, where the flags say so or it does not run, its definition. */
void row_document(Call *call, CallStep step);

/* The root of the document that such a step got; NULL, with the call refused, where it cannot be read. OWNER keeps it. */
xmlNode *row_root(Call *call, GVariant *reply, xmlDoc **owner);

/* Goes on with all objects of the call's domain (a{oa{sa{sv}}} in a tuple). */
void row_objects(Call *call, CallStep step);

/* Members of a dictionary, a{sv}, that the agent has told; "" and 0 where they are not there. The text is borrowed. */
const char *member_text(GVariant *dictionary, const char *name);
int64_t member_number(GVariant *dictionary, const char *name);
