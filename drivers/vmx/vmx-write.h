/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A domain document as VMware's configuration, and its parts (vmx-write-*.c). What it cannot say is refused by name. */

#include <libxml/tree.h>

#include "vmx/vmx-file.h"

/* The version of the hardware that is written: of Workstation 7, Fusion 3 and ESX 4, which all since can run. */
#define VMX_HARDWARE_VERSION 7

/* The configuration, to be freed. The document is complete; Unsupported and InvalidXML name the element. */
char *vmx_write(xmlDoc *document, GError **error);

/* The same with the lines EXTRA, and where there is a configuration already, OLD, or NULL: what nothing was made of there
 * stays. To be freed. */
char *vmx_rewrite(xmlDoc *document, const char *old, const char *extra, GError **error);

/* The parts, of <devices>. */
bool vmx_write_disks(xmlNode *devices, GString *out, GError **error);
bool vmx_write_interfaces(xmlNode *devices, GString *out, GError **error);
bool vmx_write_characters(xmlNode *devices, GString *out, GError **error);
bool vmx_write_vnc(xmlNode *devices, GString *out, GError **error);
bool vmx_write_video(xmlNode *devices, GString *out, GError **error);
bool vmx_write_shares(xmlNode *devices, GString *out, GError **error);
