/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The agent in a guest: commands over its channel's socket, one after the other, each after a guest-sync that throws away what
 * was left of earlier ones. Nothing waits but for the socket and for the time that the user has set.
 *
 * What comes from the guest is hostile until checked: a line is bounded, JSON is shallow, and a guest that talks without being
 * asked is cut off.
 *
 * Protocol: QEMU Guest Agent Protocol Reference, guest-sync. */

#include "base/json.h"
#include <systemd/sd-event.h>

/* The longest line of an answer, in bytes; what may come besides answers between two of them; commands that may wait; and what
 * may wait of them for a guest that does not read, in bytes: commands that were given up count too. */
#define AGENT_LINE_MAX (4 * 1024 * 1024)
#define AGENT_NOISE_MAX (8 * 1024 * 1024)
#define AGENT_COMMANDS_MAX 32
#define AGENT_OUTPUT_MAX (8 * 1024 * 1024)

/* How long a guest-sync may take, and a command by default, in seconds, but for those that may take long, which have no end as
 * with libvirt; the longest that can be set. */
#define AGENT_TIMEOUT_DEFAULT 5
#define AGENT_TIMEOUT_MAX 86400

/* Special values of a timeout. */
#define AGENT_WAIT_FOR_EVER -2
#define AGENT_WAIT_DEFAULT -1
#define AGENT_NO_WAIT 0

typedef struct Agent Agent;

/* Takes over a connected socket. NAME is the domain's, for errors and the log. CHANGED is called when it is connected or is
 * not any more, before what waits fails for that: a change is told before the answer to what has seen it. */
typedef void (*AgentChanged)(void *data);
Agent *agent_new(sd_event *event, int fd, const char *name, AgentChanged changed, void *data);

/* Fails what waits, with this reason, and frees it. */
void agent_free(Agent *agent, const GError *error);

/* Whether the guest has opened its port. What waits fails when it closes it, or has succeeded: a shutdown. */
void agent_set_connected(Agent *agent, bool connected);
bool agent_is_connected(const Agent *agent);

/* The machine does what a command that ends the agent asked for: SHUTDOWN, SUSPEND. */
void agent_machine_obeys(Agent *agent);

/* How long later commands wait, in seconds, or a special value. */
void agent_set_timeout(Agent *agent, int seconds);
int agent_timeout(const Agent *agent);

/* How long a command may take where TIMEOUT is set: by default without an end what a guest's system may well need minutes for. */
int agent_patience(int timeout, const char *command);

typedef enum AgentExpectation {
        AGENT_ANSWER, /* something */
        AGENT_DONE,   /* that it was done: with AGENT_NO_WAIT, that it was sent */
        AGENT_END,    /* that the agent or the machine ends */
} AgentExpectation;

/* Sends a command. ARGUMENTS is taken, or NULL. DONE gets the answer's "return", or NULL for AGENT_END, or an error. */
typedef void (*AgentDone)(void *data, JsonNode *answer, const GError *error);
void agent_command(Agent *agent, const char *name, JsonObject *arguments, AgentExpectation expectation, AgentDone done,
                   void *data);

/* The same of a command of the driver's own, which has so many seconds, whatever the user has set. It is sent together with its
 * sync: a guest that reads it later obeys it then, though nobody waits any more. */
void agent_command_within(Agent *agent, const char *name, int seconds, AgentDone done, void *data);
