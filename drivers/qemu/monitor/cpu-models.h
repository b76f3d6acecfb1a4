/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The processor models of a QEMU and what each has, as QEMU's query-cpu-model-expansion tells it: of x86, whose features are on
 * or off. They differ with and without KVM, so there is a table for each. Features have QEMU's names, and libvirt's, which differ
 * for a few. */

#include <stdbool.h>
#include <stdint.h>

#include "base/json.h"

/* How many features and models of a QEMU are believed, and the longest name of one, in bytes. */
#define CPU_FEATURES_MAX 512
#define CPU_MODELS_MAX 1024
#define CPU_NAME_MAX 64

/* One bit for each feature of a table. */
typedef struct CpuFeatures {
        uint64_t words[CPU_FEATURES_MAX / 64];
} CpuFeatures;

typedef struct CpuModel {
        char *name, *vendor; /* "AMD", "Intel"; "" where it is nobody's */
        CpuFeatures features;
} CpuModel;

typedef struct CpuModels CpuModels;

CpuModels *cpu_models_new(void);
void cpu_models_free(CpuModels *models);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CpuModels, cpu_models_free)

/* Adds a model from the properties of its static expansion; what is not on or off, and what belongs to KVM rather than to a
 * processor, is left out. False where that is not believed. The first one says which features there are. */
bool cpu_models_add(CpuModels *models, const char *name, JsonObject *properties);

const CpuModel *cpu_models_find(const CpuModels *models, const char *name);

/* The processor that guests of this machine get: "host" with KVM, "max" without; NULL where it was not added. */
const CpuModel *cpu_models_host(const CpuModels *models);

/* The model that differs least from what a processor of VENDOR ("" for any) has; of those whose names are in ONLY, which ends with
 * NULL, or, where that is NULL, of those that are not a version of another one, are not this machine's own, and are not another
 * vendor's. NULL: there is none. */
const CpuModel *cpu_models_nearest(const CpuModels *models, const CpuFeatures *features, const char *vendor,
                                   const char *const *only);

/* The model of VENDOR that has most of these features, and no other; NULL: there is none. */
const CpuModel *cpu_models_largest(const CpuModels *models, const CpuFeatures *features, const char *vendor);

/* Features: the place of the one of a name, libvirt's or QEMU's, or -1; how many there are; and their names. */
int cpu_models_feature(const CpuModels *models, const char *name);
int cpu_models_n_features(const CpuModels *models);
const char *cpu_models_feature_name(const CpuModels *models, int feature);

/* Whether a name is of what QEMU computes or has taken away, and libvirt's documents name: it is nothing that a model has. */
bool cpu_feature_is_no_choice(const char *name);

/* QEMU's name of a feature that libvirt's documents name; to be freed. */
char *cpu_feature_of_document(const char *name);

bool cpu_features_has(const CpuFeatures *features, int feature);
void cpu_features_set(CpuFeatures *features, int feature, bool on);
/* Of ONE those that OTHER has, or has not. */
CpuFeatures cpu_features_and(const CpuFeatures *one, const CpuFeatures *other);
CpuFeatures cpu_features_without(const CpuFeatures *one, const CpuFeatures *other);
unsigned cpu_features_count(const CpuFeatures *features);
