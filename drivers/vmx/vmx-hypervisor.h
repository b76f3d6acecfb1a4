/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What hypervisors whose machines have a .vmx file have in common: their documents, and what their guests are. */

#include "domain/hypervisor.h"

/* As in HypervisorDocuments. */
bool vmx_hypervisor_complete(Connection *connection, xmlDoc *document, GError **error);
bool vmx_hypervisor_check(Connection *connection, const Definition *definition, xmlDoc *document, bool unsupported,
                          GError **error);
char *vmx_hypervisor_to_native(Connection *connection, const Definition *definition, xmlDoc *document, GError **error);

/* Its capabilities; HOST and CPU as of guest_kinds_capabilities. */
char *vmx_hypervisor_capabilities(const char *host, const char *cpu);

#define VMX_NATIVE_FORMAT "vmware-vmx"
