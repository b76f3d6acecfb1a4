/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmware/vmware.h"

#include "domain/connection.h"
#include "vmware/machines.h"
#include "vmware/power.h"
#include "vmware/running.h"
#include "vmware/watch.h"
#include "vmx/vmx-hypervisor.h"
#include "vmx/vmx-read.h"

/* Where VMware's own windows put machines, below the user's home. */
#define OTHER_MACHINES "vmware"

/* Documents */

static const HypervisorDocuments documents = {
        .complete = vmx_hypervisor_complete,
        .check = vmx_hypervisor_check,
        .native_format = VMX_NATIVE_FORMAT,
        .to_native = vmx_hypervisor_to_native,
        .from_native = vmx_from_native,
};

static char *capabilities(Connection *connection) {
        (void) connection;
        return vmx_hypervisor_capabilities("", "");
}

static const HypervisorAbilities abilities = {
        .capabilities = capabilities,
};

/* The connection */

static bool open_vmware(Connection *connection, GError **error) {
        Vmware *vmware = g_new0(Vmware, 1);
        (void) error;
        connection->data = vmware;
        vmware->connection = connection;
        vmware->vmrun = vmrun_new(connection->event, &connection->answer_timeout);
        vmware->folders = g_new0(char *, 3);
        vmware->folders[0] = g_build_filename(connection->state_directory, "machines", NULL);
        vmware->folders[1] = g_build_filename(g_get_home_dir(), OTHER_MACHINES, NULL);
        vmware->paths = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
        vmware->told = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
        vmware->watches = g_hash_table_new_full(g_str_hash, g_str_equal, g_free,
                                                (GDestroyNotify) (void (*)(void)) sd_event_source_disable_unref);
        vmware->was_listed = true;
        g_mkdir_with_parents(vmware->folders[0], 0700); /* so that it is watched; who needs it says what is wrong with it */
        watch_begin(vmware);
        return true;
}

static void close_vmware(Connection *connection) {
        Vmware *vmware = connection->data;
        watch_end(vmware);
        vmrun_free(vmware->vmrun);
        g_hash_table_unref(vmware->paths);
        g_hash_table_unref(vmware->told);
        g_strfreev(vmware->folders);
        g_free(vmware);
}

static void recover(Connection *connection) {
        running_look(connection->data); /* for who has been started by somebody else */
}

static const char *const schemes[] = { "vmwarews", "vmwareplayer", "vmwarefusion", NULL };

const Hypervisor vmware_hypervisor = {
        .connection = "vmware",
        .bus_name = "org.virtbus1.Driver.VMware",
        .schemes = schemes,
        .open = open_vmware,
        .close = close_vmware,
        .recover = recover,
        .start = power_start,
        .reattach = power_reattach,
        .destroy = power_destroy,
        .release = running_free,
        .save = power_save,
        .definitions = &machines_definitions,
        .documents = &documents,
        .abilities = &abilities,
        .power = &power_functions,
};
