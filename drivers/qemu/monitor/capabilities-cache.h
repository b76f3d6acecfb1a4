/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What each QEMU binary can do: it is asked once over QMP, without and with KVM at the same time, and that is kept in a file
 * for as long as the binary has the same size and time. */

#include "base/executable.h"
#include "domain/connection.h"
#include "qemu/monitor/capabilities.h"
#include "qemu/monitor/interview.h"

/* How many binaries are asked at the same time: the others wait for their turn. And how many are remembered. */
#define CAPABILITIES_ASKED_MAX 4
#define CAPABILITIES_KNOWN_MAX 256

typedef struct CapabilitiesCache CapabilitiesCache;

/* INTERVIEWS stay while the cache does. Files lie in a directory of the connection's state. */
CapabilitiesCache *capabilities_cache_new(Connection *connection, Interviews *interviews);
void capabilities_cache_free(CapabilitiesCache *cache);

/* Nothing here waits for a file system but a worker: what is known of a binary is what it was when it was last looked at. */

/* What is known of it, or NULL. Borrowed until the cache changes. */
Capabilities *capabilities_find(CapabilitiesCache *cache, const char *emulator);

/* Why it is not run (executable.h), or NULL where it may be, or has not been looked at. */
const GError *capabilities_problem(const CapabilitiesCache *cache, const char *emulator);

/* Has a worker look at a binary, asks it what it can do where that is not known, and calls DONE when all that can be known is. */
typedef void (*CapabilitiesDone)(void *data);
void capabilities_look(CapabilitiesCache *cache, const char *emulator, uid_t user, CapabilitiesDone done, void *data);

/* Keeps what a worker has just seen of a binary, and found fit to be run. Returns whether all is known of it that can be. */
bool capabilities_see(CapabilitiesCache *cache, const char *emulator, const ExecutableIdentity *identity);

/* The same, and asks it what it can do where that is not known: DONE is called later then. */
bool capabilities_learn(CapabilitiesCache *cache, const char *emulator, const ExecutableIdentity *identity, CapabilitiesDone done,
                        void *data);

/* Drops the calls that are to be made with DATA. */
void capabilities_forget(CapabilitiesCache *cache, const void *data);
