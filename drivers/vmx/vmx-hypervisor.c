/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmx/vmx-hypervisor.h"

#include "domain/guest-kinds.h"
#include "vmx/vmx-complete.h"
#include "vmx/vmx-write.h"

bool vmx_hypervisor_complete(Connection *connection, xmlDoc *document, GError **error) {
        (void) connection;
        (void) error;
        vmx_complete(document);
        return true;
}

bool vmx_hypervisor_check(Connection *connection, const Definition *definition, xmlDoc *document, bool unsupported,
                          GError **error) {
        (void) connection;
        (void) definition;
        (void) unsupported;
        g_autofree char *text = vmx_write(document, error);
        return text != NULL;
}

char *vmx_hypervisor_to_native(Connection *connection, const Definition *definition, xmlDoc *document, GError **error) {
        (void) connection;
        (void) definition;
        return vmx_write(document, error);
}

char *vmx_hypervisor_capabilities(const char *host, const char *cpu) {
        static const char *const architectures[] = { "i686", "x86_64", NULL };
        return guest_kinds_capabilities("hvm", "vmware", architectures, host, cpu);
}
