/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test/test-abilities.h"

#include <string.h>

#include "domain/guest-kinds.h"
#include "errors.h"

/* The processors that documents may name. */
static char cpu_model[] = "test";

static char *capabilities(Connection *connection) {
        static const char *const architectures[] = { "x86_64", NULL };
        (void) connection;
        return guest_kinds_capabilities("hvm", "test", architectures, "", "");
}

static bool check_architecture(const char *arch, GError **error) {
        return !*arch || strcmp(arch, "x86_64") == 0 ||
               virtbus_error_set(error, VIRTBUS_ERROR_UNSUPPORTED, "architecture is '%.32s'; test machines are x86_64", arch);
}

static char *domain_capabilities(Connection *connection, const char *emulator, const char *arch, const char *machine,
                                 const char *type, GError **error) {
        (void) connection;
        if (*type && strcmp(type, "test") != 0) {
                virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT, "type is '%.32s'; it must be test", type);
                return NULL;
        }
        if (*emulator || *machine) {
                virtbus_error_set(error, VIRTBUS_ERROR_UNSUPPORTED, "test machines have neither an emulator nor a machine type");
                return NULL;
        }
        if (!check_architecture(arch, error))
                return NULL;
        return g_strdup_printf(
                        "<domainCapabilities>\n  <domain>test</domain>\n  <arch>x86_64</arch>\n"
                        "  <cpu>\n    <mode name='custom' supported='yes'>\n      <model usable='yes'>%s</model>\n    </mode>\n"
                        "  </cpu>\n</domainCapabilities>\n",
                        cpu_model);
}

static GPtrArray *cpu_models(Connection *connection, const char *arch, GError **error) {
        (void) connection;
        if (!check_architecture(arch, error))
                return NULL;
        GPtrArray *models = g_ptr_array_new();
        g_ptr_array_add(models, cpu_model);
        g_ptr_array_add(models, NULL);
        return models;
}

const HypervisorAbilities test_abilities = {
        .capabilities = capabilities,
        .domain_capabilities = domain_capabilities,
        .cpu_models = cpu_models,
};

/* Its machines have nothing of the host. */
static bool check_rights(Connection *connection, const Definition *definition, const Definition *before, bool live,
                         GError **error) {
        (void) connection;
        (void) definition;
        (void) before;
        (void) live;
        (void) error;
        return true;
}

const HypervisorDocuments test_documents = { .check_rights = check_rights };
