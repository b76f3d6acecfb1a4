/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* libvirt's <cpu>, by what the processor models of a QEMU have: what one asks for, whether a processor has that, what several
 * have in common, and the processor that a guest of this host gets. */

#include "base/xml.h"
#include "qemu/monitor/cpu-models.h"

/* How many documents are compared or brought together at once (libvirt's protocol has the same bound), and how long one may be in
 * bytes. */
#define CPU_DOCUMENTS_MAX 256
#define CPU_DOCUMENT_BYTES_MAX 262144

typedef enum CpuComparison { CPU_INCOMPATIBLE, CPU_IDENTICAL, CPU_SUPERSET } CpuComparison;

/* A processor that is there. */
typedef struct CpuHost {
        const char *arch;
        const char *vendor; /* "" where that is not known */
        CpuFeatures features;
} CpuHost;

/* What guests of a table's machine get. */
CpuHost cpu_host_of_guests(const CpuModels *models, const char *arch);

/* The processor that flags of /proc/cpuinfo's TEXT tell of. */
CpuHost cpu_host_of_flags(const CpuModels *models, const char *arch, const char *text);

/* Compares what XML, a <cpu> or a document that has one, asks for with what HOST has: a superset has more. *MISSING gets what
 * an incompatible one lacks, in words, to be freed. False with an error: InvalidXML. */
bool cpu_document_compare(const CpuModels *models, const CpuHost *host, const char *xml, CpuComparison *result, char **missing,
                          GError **error);

typedef struct CpuBaseline {
        const CpuHost *host; /* nothing that this has not; NULL: whatever they have */
        bool expand;         /* with all features by name */
        bool migratable;     /* without features that a guest which moves may not have */
} CpuBaseline;

/* A <cpu> that each of the XMLS, which end with NULL, has; to be freed. NULL with an error: InvalidXML, or OperationInvalid where
 * they have none in common. */
char *cpu_document_baseline(const CpuModels *models, const char *const *xmls, const CpuBaseline *baseline, GError **error);

/* Writes a processor by its nearest model into CPU: <model>, <vendor> and a <feature> for each difference. A host's says which it
 * has beside the model's; a guest's has policies. False: no model is near. */
bool cpu_document_write_host(const CpuModels *models, const CpuHost *host, xmlNode *cpu);
bool cpu_document_write_guest(const CpuModels *models, const CpuHost *host, xmlNode *cpu);

/* Makes the <cpu> of a guest, of mode host-model or with match minimum, the one that it gets on HOST: by model, with each
 * difference, and its own features beside. False with an error where the host lacks what it requires, or has what it forbids. */
bool cpu_document_expand(const CpuModels *models, const CpuHost *host, xmlNode *cpu, GError **error);

/* Whether it is such a one. */
bool cpu_document_is_of_host(const xmlNode *cpu);
