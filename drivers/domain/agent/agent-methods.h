/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What each method of org.virtbus1.Domain.Guest is to a guest's agent: a table. A new one is a row. */

#include <systemd/sd-bus.h>

#include "domain/agent/agent.h"

/* An argument: the method's is put into the command under this name. Types are the method's own, but for "ay" as base64, "p" for a
 * string as base64, and for "a(xb)" the agent's name of a unit's number. */
typedef struct AgentArgument {
        const char *name, *type;
} AgentArgument;

#define AGENT_ARGUMENTS_MAX 5

/* How many methods the interface has. */
#define AGENT_METHODS 38

typedef struct AgentMethod {
        const char *member, *command; /* no command: the object does it */
        AgentArgument arguments[AGENT_ARGUMENTS_MAX + 1];
        AgentExpectation expectation;
        int (*answer)(sd_bus_message *message, JsonNode *node); /* NULL: nothing is answered */
        bool (*check)(JsonObject *arguments, GError **error);   /* what the agent would not check, or not say well */
} AgentMethod;

/* The row of a method; NULL where there is none. */
const AgentMethod *agent_method_find(const char *member);

/* The command's arguments, of a call's; NULL with InvalidArgument where they are not what the row and its check want. */
JsonObject *agent_method_arguments(const AgentMethod *method, sd_bus_message *message, GError **error);

/* The members of the table in its order, which is the interface's: NULL at the end. */
const char *const *agent_method_members(void);
