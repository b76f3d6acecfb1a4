/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a QEMU binary can do: asked once over QMP, without and with KVM at the same time, and kept in a file for as long as the
 * binary has the same size and time. A running guest keeps what its own QEMU has said, whatever becomes of the binary. */

#include "base/executable.h"
#include "base/json.h"
#include "base/process.h"
#include "domain/connection.h"

/* What every QEMU that is run may not do, whether it has a guest or is only asked. */
#define QEMU_SANDBOX "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"

/* How many machines, devices or processors of a QEMU are believed; and how long it may take to answer, in microseconds. */
#define CAPABILITIES_ITEMS_MAX 8192
#define CAPABILITIES_TIMEOUT (30 * UINT64_C(1000000))

/* How many binaries are asked at the same time: the others wait for their turn. And how many are remembered. */
#define CAPABILITIES_ASKED_MAX 4
#define CAPABILITIES_KNOWN_MAX 256

/* What a QEMU that is asked may use: seconds of a processor, and bytes in a file. */
#define CAPABILITIES_SECONDS 30
#define CAPABILITIES_FILE_BYTES (UINT64_C(1) << 20)

typedef struct Capabilities Capabilities;
typedef struct CapabilitiesCache CapabilitiesCache;

Capabilities *capabilities_ref(Capabilities *capabilities);
void capabilities_unref(Capabilities *capabilities);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Capabilities, capabilities_unref)

/* As text, to be kept with a guest, and back; NULL where it is not what capabilities_text makes. */
const char *capabilities_text(const Capabilities *capabilities);
Capabilities *capabilities_parse(const char *text);

/* TEMPLATE says whom a QEMU that is asked runs as. Files lie in a directory of the connection's state. */
CapabilitiesCache *capabilities_cache_new(Connection *connection, const ProcessSetup *template);
void capabilities_cache_free(CapabilitiesCache *cache);

/* Nothing here waits for a file system but a worker: what is known of a binary is what it was when it was last looked at. */

/* What is known of it, or NULL. Borrowed until the cache changes. */
Capabilities *capabilities_find(CapabilitiesCache *cache, const char *emulator);

/* Why it is not run (executable.h), or NULL where it may be, or has not been looked at. */
const GError *capabilities_problem(const CapabilitiesCache *cache, const char *emulator);

/* Has a worker look at a binary, asks it what it can do where that is not known, and calls DONE when all that can be known is. */
typedef void (*CapabilitiesDone)(void *data);
void capabilities_look(CapabilitiesCache *cache, const char *emulator, CapabilitiesDone done, void *data);

/* Keeps what a worker has just seen of a binary, and found fit to be run. Returns whether all is known of it that can be. */
bool capabilities_see(CapabilitiesCache *cache, const char *emulator, const ExecutableIdentity *identity);

/* The same, and asks it what it can do where that is not known: DONE is called later then. */
bool capabilities_learn(CapabilitiesCache *cache, const char *emulator, const ExecutableIdentity *identity, CapabilitiesDone done,
                        void *data);

/* Drops the calls that are to be made with DATA. */
void capabilities_forget(CapabilitiesCache *cache, const void *data);

const char *capabilities_version(const Capabilities *capabilities);

/* The machine of a name or alias, by its own name; NULL where there is none. */
const char *capabilities_machine(const Capabilities *capabilities, const char *name);

bool capabilities_has_device(const Capabilities *capabilities, const char *driver);

/* The names of the processors it knows, NULL at the end; the strings are borrowed. */
GPtrArray *capabilities_cpus(const Capabilities *capabilities, bool kvm);
bool capabilities_has_kvm(const Capabilities *capabilities);

/* libvirt's documents: of the host and all binaries; of one machine of one binary. */
char *capabilities_host_xml(CapabilitiesCache *cache, const char *const *emulators);
char *capabilities_domain_xml(const Capabilities *capabilities, const char *emulator, const char *machine, bool kvm,
                              GError **error);

/* The program of an architecture; the one that runs a definition. */
char *capabilities_default_emulator(const char *architecture);
