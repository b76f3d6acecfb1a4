/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* org.virtbus1.Domain.Guest: the agent's commands as methods of an object below the domain's, by a table. */

#include "domain/agent/agent.h"
#include "domain/connection.h"

/* The name that agents look for among a machine's virtio-serial ports. */
#define AGENT_CHANNEL "org.qemu.guest_agent.0"

typedef struct GuestObject GuestObject;

/* The channel in a document that an agent uses, and its place among the devices; NULL where there is none. */
xmlNode *guest_object_channel(xmlDoc *document, guint *index);

/* Publishes the object of a domain whose agent's socket is FD, which is taken. */
GuestObject *guest_object_new(Domain *domain, int fd);

/* Withdraws it; calls that wait fail with ERROR. */
void guest_object_free(GuestObject *object, const GError *error);

/* Asks the agent for something that another object tells of. */
void guest_object_ask(GuestObject *object, const char *command, AgentDone done, void *data);

/* Has it do something for the driver: agent_command_within. */
void guest_object_ask_within(GuestObject *object, const char *command, int seconds, AgentDone done, void *data);

/* What the machine tells. */
void guest_object_set_connected(GuestObject *object, bool connected);
void guest_object_machine_obeys(GuestObject *object);

/* The setting that is kept with a running guest. */
int guest_object_timeout(const GuestObject *object);
void guest_object_restore_timeout(GuestObject *object, int seconds);
