/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the methods of every kind have in common that a registry holds: their options, of which there are none yet, and their
 * answers. */

#include "base/objects.h"
#include "base/registry-change.h"

/* Whether a call has the options that it takes, which are none; else it has failed. */
bool registry_check_options(Call *call, sd_bus_message *options);

/* Answers a call, which is an EntryDone's data, with the path of the entry, or why there is none. */
void registry_answer_entry(void *call, Entry *entry, const GError *error);

/* The same of a change that answers nothing. */
void registry_answer_nothing(void *call, Entry *entry, const GError *error);

/* Makes the entry of a document that a call has, and answers with its path. */
void registry_answer_define(Call *call, Registry *registry, const char *xml, sd_bus_message *options);
