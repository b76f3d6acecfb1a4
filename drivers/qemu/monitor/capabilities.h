/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a QEMU binary can do, as it said itself over QMP (capabilities-cache.h asks it): machines, devices, processors. A
 * running guest keeps what its own QEMU has said, whatever becomes of the binary. */

#include "base/executable.h"
#include "base/json.h"

/* How many machines, devices or processors of a QEMU are believed. */
#define CAPABILITIES_ITEMS_MAX 8192

typedef struct Capabilities Capabilities;

Capabilities *capabilities_ref(Capabilities *capabilities);
void capabilities_unref(Capabilities *capabilities);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Capabilities, capabilities_unref)

/* As text, to be kept with a guest, and back; NULL where it is not what capabilities_text makes. */
const char *capabilities_text(const Capabilities *capabilities);
Capabilities *capabilities_parse(const char *text);

const char *capabilities_version(const Capabilities *capabilities);

/* The machine of a name or alias, by its own name; NULL where there is none. */
const char *capabilities_machine(const Capabilities *capabilities, const char *name);

bool capabilities_has_device(const Capabilities *capabilities, const char *driver);

/* The names of the processors it knows, NULL at the end; the strings are borrowed. */
GPtrArray *capabilities_cpus(const Capabilities *capabilities, bool kvm);
bool capabilities_has_cpu(const Capabilities *capabilities, bool kvm, const char *name);

/* Whether it knows a feature of a processor, by QEMU's own name; true where it has not said which there are, as one of an
 * architecture whose features differ by model, or one that was asked by an earlier version of this driver. */
bool capabilities_has_feature(const Capabilities *capabilities, const char *name);
/* Whether it was asked for them, if it could be. */
bool capabilities_knows_features(const Capabilities *capabilities);

/* The type whose properties are all features that a target's processors can have; NULL where there is none. */
const char *capabilities_feature_type(const char *target);

bool capabilities_has_kvm(const Capabilities *capabilities);

/* The processor models as one text: each is its name, '|', '+' where it lacks nothing here or '-' where it does, and '!' where it
 * is deprecated. */
#define CAPABILITIES_CPU_USABLE '+'
#define CAPABILITIES_CPU_UNUSABLE '-'
#define CAPABILITIES_CPU_DEPRECATED '!'

/* The processors in that form; to be freed. */
GStrv capabilities_cpu_words(const Capabilities *capabilities, bool kvm);

/* All that is known, and one machine of a name or alias (NULL: there is none), to be read; borrowed. */
JsonObject *capabilities_data(const Capabilities *capabilities);
JsonObject *capabilities_find_machine(const Capabilities *capabilities, const char *name);

/* Whether they are those of a binary that has not been changed since. */
bool capabilities_is_of(const Capabilities *capabilities, const ExecutableIdentity *identity);

/* From the answers of a binary, without and with KVM (NULL: it has none); members are named after the questions. */
Capabilities *capabilities_make(const char *emulator, const ExecutableIdentity *identity, JsonObject *tcg, JsonObject *kvm);

/* The program of an architecture; the one that runs a definition. */
char *capabilities_default_emulator(const char *architecture);

/* The package that Debian has such a program in; NULL for one that is not of QEMU's own name. */
const char *capabilities_package(const char *emulator);
