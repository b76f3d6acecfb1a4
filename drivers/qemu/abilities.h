/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What this host's QEMUs can do: the documents that tell it, and the processors that they are asked about. */

#include "domain/hypervisor.h"

extern const HypervisorAbilities abilities_group;

/* The binary that a document asks for: its architecture's where it names none; to be freed. */
char *abilities_emulator(const xmlDoc *document);

/* HypervisorDocuments.prepare: has the binary of a document, or all, looked at. */
bool abilities_prepare(Connection *connection, const xmlDoc *document, uid_t user, void (*done)(void *data), void *data);
