/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Processors that are plugged into a machine: those that a document lists as such (domain/vcpu-list.h) before the machine runs,
 * as others come while it does. */

#include "qemu/guest/guest.h"
#include "qemu/monitor/script.h"

/* Adds to a script what plugs a processor into the place of this number; PLACES is QEMU's list of them. False: there is no such
 * place, or it is taken. */
bool processors_add(Script *script, JsonArray *places, uint32_t id);

/* START: whether its document lists some; plugs them, where ANSWER is that of query-hotpluggable-cpus, and calls THEN with the
 * guest. */
bool processors_are_listed(const Guest *guest);
void processors_plug(Guest *guest, JsonObject *answer, ScriptDone then);
