/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lxc/lxc.h"

#include "domain/guest-kinds.h"
#include "lxc/conf-read.h"
#include "lxc/container-claim.h"
#include "lxc/container-entry.h"
#include "lxc/container-plan.h"
#include "lxc/container-power.h"
#include "lxc/container.h"
#include "lxc/lxc-document.h"

/* Documents */

static bool complete(Connection *connection, xmlDoc *document, GError **error) {
        (void) connection;
        (void) error;
        lxc_document_complete(document);
        return true;
}

static bool check(Connection *connection, const Definition *definition, xmlDoc *document, bool unsupported, GError **error) {
        (void) connection;
        (void) definition;
        return lxc_document_check(document, !unsupported, error) &&
               (unsupported || container_plan_check(xmlDocGetRootElement(document), error));
}

static const HypervisorDocuments documents = {
        .complete = complete,
        .check = check,
        .native_format = "lxc-tools",
        .from_native = conf_from_native,
};

static char *capabilities(Connection *connection) {
        static const char *const architectures[] = { "x86_64", "i686", NULL };
        (void) connection;
        return guest_kinds_capabilities("exe", "lxc", architectures, "", "");
}

static const HypervisorAbilities abilities = {
        .capabilities = capabilities,
};

static const HypervisorConsoles consoles = {
        .open_console = container_console_open,
};

const Hypervisor lxc_hypervisor = {
        .connection = "lxc",
        .bus_name = "org.virtbus1.Driver.LXC",
        .open = container_entries_open,
        .close = container_entries_close,
        .recover = container_claim_recover,
        .start = container_start,
        .reattach = container_reattach,
        .destroy = container_destroy,
        .release = container_release,
        .save = container_save,
        .documents = &documents,
        .abilities = &abilities,
        .power = &container_power,
        .devices = &container_devices,
        .consoles = &consoles,
        .containers = &container_entries,
        .statistics = &container_statistics,
};
