/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* VMware's configuration as a domain document of libvirt's format, and its parts (vmx-read-*.c). */

#include <libxml/tree.h>

#include "vmx/vmx-file.h"

/* How many a machine may have of each: VMware's own maxima. */
#define VMX_CONTROLLERS_MAX 4
#define VMX_ETHERNETS_MAX 10
#define VMX_SERIALS_MAX 4
#define VMX_PARALLELS_MAX 3
#define VMX_FLOPPIES_MAX 2
#define VMX_SHARES_MAX 64

/* The smallest machine, in MiB, and what its memory is a multiple of; VMware's default. */
#define VMX_MEMORY_STEP 4
#define VMX_MEMORY_DEFAULT 32
#define VMX_MEMORY_MAX (INT64_C(1) << 30)
#define VMX_VCPUS_MAX 1024

/* The shares of a processor, per virtual one. */
#define VMX_SHARES_LOW 500
#define VMX_SHARES_NORMAL 1000
#define VMX_SHARES_HIGH 2000

/* Bytes of the screen's memory where none are said. */
#define VMX_VIDEO_DEFAULT (4 * 1024 * 1024)

/* What is taken of a file is in the document; a comment at its end names the keys that nothing was made of, and that say
 * something of the machine. */
xmlDoc *vmx_read(VmxFile *file, GError **error);

/* The same of a text; as HypervisorDocuments.from_native. */
xmlDoc *vmx_from_native(const char *text, GError **error);

/* The parts, into <devices>. */
void vmx_read_disks(VmxFile *file, xmlNode *devices);
void vmx_read_interfaces(VmxFile *file, xmlNode *devices);
void vmx_read_characters(VmxFile *file, xmlNode *devices);
void vmx_read_displays(VmxFile *file, xmlNode *devices);
void vmx_read_shares(VmxFile *file, xmlNode *devices);

/* A path of the file's as the document's, into an attribute. */
void vmx_read_path(xmlNode *source, const char *attribute, const char *path);
