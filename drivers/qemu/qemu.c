/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/qemu.h"

#include "qemu/abilities.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <sys/stat.h>

#include "bus.h"
#include "qemu/command/files-plan.h"
#include "qemu/command/firmware.h"
#include "qemu/command/from-native.h"
#include "qemu/command/rights.h"
#include "qemu/check/check.h"
#include "qemu/complete/hardware.h"
#include "qemu/complete/machine-kind.h"
#include "qemu/guest/agent-channel.h"
#include "qemu/guest/checkpoint.h"
#include "qemu/guest/guest-backup-begin.h"
#include "qemu/guest/guest-backup-follow.h"
#include "qemu/guest/block-job-begin.h"
#include "qemu/guest/block-job-follow.h"
#include "qemu/guest/collect.h"
#include "qemu/guest/console.h"
#include "qemu/guest/control.h"
#include "qemu/guest/device-helpers.h"
#include "qemu/guest/dirty-rate.h"
#include "qemu/guest/disk-info.h"
#include "qemu/guest/dump.h"
#include "qemu/guest/fd-sets.h"
#include "qemu/guest/guest-events.h"
#include "qemu/guest/guest-notices.h"
#include "qemu/guest/guest-log.h"
#include "qemu/guest/guest-end.h"
#include "qemu/guest/guest-reattach.h"
#include "qemu/guest/guest-cpu.h"
#include "qemu/guest/guest-run.h"
#include "qemu/guest/guest-tpm.h"
#include "qemu/guest/hotplug.h"
#include "qemu/guest/isolation.h"
#include "qemu/guest/migration.h"
#include "qemu/guest/monitor-command.h"
#include "qemu/guest/monitor-events.h"
#include "qemu/guest/nodes.h"
#include "qemu/guest/plugging.h"
#include "qemu/guest/power.h"
#include "qemu/guest/resize-disk.h"
#include "qemu/guest/snapshot.h"
#include "qemu/guest/quiesce.h"
#include "qemu/guest/snapshot-live.h"
#include "qemu/guest/snapshot-off.h"
#include "qemu/guest/snapshot-merge.h"
#include "qemu/guest/snapshot-overlay.h"
#include "qemu/guest/tuning.h"
#include "qemu/guest/update.h"
#include "qemu/host/claims.h"
#include "qemu/host/guest-user.h"
#include "qemu/host/helper-programs.h"
#include "qemu/host/runtime.h"
#include "qemu/host/tpm-folder.h"
#include "qemu/host/user-record.h"
#include "qemu/host/cpu-choice.h"
#include "qemu/monitor/cpu-tables.h"

/* What is done with a guest that runs; told in this order. */
static const GuestModule *const modules[] = {
        &guest_notices_module, /* before what may end the guest for it */
        &guest_events_module,
        &control_module,
        &plugging_module,
        &hotplug_module,
        &update_module,
        &collect_module,
        &console_module,
        &dump_module,
        &migration_module,
        &agent_channel_module,
        &isolation_module,
        &nodes_module,
        &fd_sets_module,
        &block_job_begin_module,
        &block_job_follow_module,
        &block_job_module,
        &guest_tpm_module,
        &guest_cpu_module,
        &snapshot_live_module,
        &quiesce_module,
        &snapshot_overlay_module,
        &snapshot_merge_module,
        &checkpoint_module,
        &device_helpers_module,
        &tuning_module,
        &guest_backup_begin_module,
        &guest_backup_follow_module,
        &guest_backup_module,
        NULL,
};

static bool complete(Connection *connection, xmlDoc *document, GError **error) {
        g_autofree char *emulator = abilities_emulator(document);
        return machine_kind_check(xmlDocGetRootElement(document), error) && check_given(document, error) &&
               hardware_complete(document, capabilities_find(host_of(connection)->capabilities, emulator), error);
}

/* What is the same for showing and checking. */
static CommandLineContext context_of(Connection *connection, const Definition *definition, const char *emulator,
                                     xmlDoc *document) {
        return (CommandLineContext){
                .connection = connection,
                .definition = definition,
                .emulator = emulator,
                .capabilities = capabilities_find(host_of(connection)->capabilities, emulator),
                .n_host_nodes = host_of(connection)->n_nodes,
                .document = document,
                .directory = "",
                .monitor = -1,
                .rights = USER_RIGHTS_ALL,
        };
}

static char *to_native(Connection *connection, const Definition *definition, xmlDoc *document, GError **error) {
        g_autofree char *emulator = command_line_emulator(definition);
        CommandLineContext context = context_of(connection, definition, emulator, document);
        context.to_show = true;
        if (!cpu_choice_make(connection, context.capabilities, document, error))
                return NULL;
        CommandLine *line = command_line_build(&context, NULL, error);
        if (!line)
                return NULL;
        char *text = command_line_text(line);
        command_line_free(line);
        return text;
}

/* Whether a document with aliases is within its limits by the size of its definition alone, as most are. */
static bool is_small(const Definition *definition) {
        const size_t shortest = strlen("<a/>"), alias = strlen("<alias name=''/>") + NAME_BYTES_MAX + 64 /* to lay it out */;
        size_t length = strlen(definition->xml), n = definition->devices->len;
        return length / shortest + n <= XML_ELEMENTS_MAX && length + n * alias <= XML_BYTES_MAX;
}

/* Aliases may make a document too large. */
static bool check_live_size(const Definition *definition, xmlDoc *document, GError **error) {
        g_autofree char *live = is_small(definition) ? NULL : xml_checked_text(document, error);
        return live || is_small(definition);
}

/* What a start does, up to what needs the host: what it would refuse by itself is refused when the document is defined. */
static bool check(Connection *connection, const Definition *definition, xmlDoc *document, bool unsupported, GError **error) {
        g_autofree char *emulator = command_line_emulator(definition);
        CommandLineContext context = context_of(connection, definition, emulator, document);
        context.to_show = unsupported;
        definition_write_aliases(definition, document);
        if (!check_live_size(definition, document, error))
                return false;
        g_ptr_array_unref(files_plan(&context));
        CommandLine *line = command_line_build(&context, NULL, error);
        if (!line)
                return false;
        command_line_free(line);
        const GError *problem = capabilities_problem(host_of(connection)->capabilities, emulator);
        if (problem) {
                xmlNode *element = xml_find(xmlDocGetRootElement(document), "devices/emulator");
                return xml_fail(error, (VirtbusError) problem->code, element ? element : xmlDocGetRootElement(document), "%s",
                                problem->message);
        }
        return true;
}

/* What a domain with its owner's rights alone runs is what this driver would choose. */
static bool check_emulator(const char *emulator, const char *architecture, GError **error) {
        g_autofree char *chosen = capabilities_default_emulator(architecture);
        return strcmp(emulator, chosen) == 0 ||
               virtbus_error_set(error, VIRTBUS_ERROR_ACCESS_DENIED,
                                 "<emulator> %.256s is not for a domain that has the rights of its owner alone; use %.256s",
                                 emulator, chosen);
}

/* Nothing is looked at, or asked what it can do, that somebody else has chosen. */
static bool check_prepare(const xmlDoc *document, GError **error) {
        const xmlNode *root = xmlDocGetRootElement((xmlDoc *) document);
        g_autofree char *emulator = abilities_emulator(document), *arch = xml_attribute(xml_find(root, "os/type"), "arch");
        if (arch && strchr(arch, '/'))
                return virtbus_error_set(error, VIRTBUS_ERROR_ACCESS_DENIED, "'%.64s' is not an architecture", arch);
        return check_emulator(emulator, arch ? arch : "x86_64", error);
}

static bool check_rights(Connection *connection, const Definition *definition, const Definition *before, bool live,
                         GError **error) {
        g_autofree char *emulator = command_line_emulator(definition);
        g_autoptr(xmlDoc) document = definition_document(definition, error);
        g_autoptr(xmlDoc) known = before && document ? definition_document(before, error) : NULL;
        if (!document || (before && !known) || !rights_check_document(document, known, error) ||
            !check_emulator(definition->emulator, definition->architecture, error))
                return false;
        if (live) /* its devices are made by commands, of files that are checked when they are opened */
                return true;
        CommandLineContext context = context_of(connection, definition, emulator, document);
        context.directory = RIGHTS_FOLDER;
        context.rights = 0; /* anybody's */
        definition_write_aliases(definition, document);
        g_autoptr(GPtrArray) files = files_plan(&context);
        g_auto(GStrv) let = rights_let(files);
        CommandLine *line = files_check_rights(files, error) ? command_line_build(&context, NULL, error) : NULL;
        bool fine = line && rights_check_line(line, RIGHTS_FOLDER, files, (const char *const *) let, document, error);
        if (line)
                command_line_free(line);
        return fine;
}

/* How many NUMA nodes the host has: one at least. */
static size_t count_nodes(void) {
        g_autofree char *text = NULL;
        size_t last = 0;
        if (g_file_get_contents("/sys/devices/system/node/possible", &text, NULL, NULL)) {
                const char *end = strrchr(text, '-');
                last = strtoul(end ? end + 1 : text, NULL, 10);
        }
        return last + 1;
}

static bool has_nvram(Connection *connection, const char *uuid) {
        g_autofree char *path = firmware_nvram(connection, uuid);
        return access(path, F_OK) == 0;
}

static bool has_any(Connection *connection, const char *uuid) {
        g_autofree char *path = guest_log_path(connection, uuid);
        return has_nvram(connection, uuid) || tpm_folder_is_there(connection, uuid) || access(path, F_OK) == 0;
}

static void forget(Connection *connection, const char *uuid) {
        g_autofree char *path = guest_log_path(connection, uuid);
        guest_log_remove(path);
}

static void delete_nvram(Connection *connection, const char *uuid) {
        g_autofree char *path = firmware_nvram(connection, uuid);
        unlink(path);
}

static bool has_tpm(Connection *connection, const char *uuid) {
        return tpm_folder_is_there(connection, uuid);
}

static void remove_folder(void *folder, GError **error) {
        (void) error;
        runtime_remove(folder);
}

static void on_folder_removed(void *folder, const GError *error) {
        (void) error;
        g_free(folder);
}

static void delete_tpm(Connection *connection, const char *uuid) {
        char *folder = tpm_folder_put_aside(connection, uuid);
        if (folder)
                worker_undo(connection->worker, remove_folder, on_folder_removed, folder);
}

static bool find_user(Host *host, GError **error) {
        int n = GROUPS_MAX;
        errno = 0;
        const struct passwd *user = getpwnam(QEMU_USER); /* before anything is served: it may take its time */
        if (!user)
                return virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                         "there is no user " QEMU_USER " to run guests; run: systemd-sysusers");
        host->uid = user->pw_uid;
        host->gid = user->pw_gid;
        if (getgrouplist(QEMU_USER, user->pw_gid, host->groups, &n) >= 0)
                host->n_groups = (size_t) n;
        return true;
}

/* Their names are found where this driver is the system's; another has them beside its folder. */
static bool find_guest_users(const Connection *connection, GError **error) {
        g_autofree char *beside = g_path_get_dirname(connection->runtime_directory),
                        *records = g_str_has_prefix(connection->runtime_directory, "/run/")
                                                   ? g_strdup(USER_RECORDS)
                                                   : g_build_filename(beside, "userdb", NULL);
        return guest_users_open(&host_of(connection)->users, g_getenv("VIRTBUS_GUEST_USERS"), records, error);
}

static bool open_host(Connection *connection, GError **error) {
        Host *host = g_new0(Host, 1);
        connection->data = host;
        host->monitors = g_build_filename(connection->runtime_directory, "monitors", NULL);
        host->n_nodes = count_nodes();
        host->uid = geteuid();
        host->gid = getegid();
        if (connection->privileged && (!find_user(host, error) || !find_guest_users(connection, error)))
                return false;
        const ProcessSetup template = { .uid = host->uid,
                                        .gid = host->gid,
                                        .groups = host->groups,
                                        .n_groups = host->n_groups,
                                        .confinement = &host->helpers };
        host_register_claims();
        host->modules = modules;
        host->interviews = interviews_new(connection->event, &template);
        host->capabilities = capabilities_cache_new(connection, host->interviews);
        host->cpus = cpu_tables_new(host->interviews);
        host->readers = monitor_readers_new(connection->event);
        host->logs = guest_logs_new(connection);
        host->resizings = g_ptr_array_new();
        host->snapshots = g_ptr_array_new();
        /* QEMU's user goes through this directory to its own one. */
        if (!runtime_open(connection->runtime_directory, error) || !tpm_folder_open_all(connection, error))
                return false;
        if (!isolation_open(connection, error))
                return false;
        connection->filter_user.confinement = &host->helpers;
        if (chmod(connection->runtime_directory, 0711) < 0 || (mkdir(host->monitors, 0700) < 0 && errno != EEXIST))
                return virtbus_error_set_errno(error, errno, "directory %s cannot be made", host->monitors);
        return true;
}

static void close_host(Connection *connection) {
        Host *host = host_of(connection);
        if (host->capabilities)
                capabilities_cache_free(host->capabilities);
        if (host->readers)
                monitor_readers_free(host->readers);
        if (host->cpus)
                cpu_tables_free(host->cpus);
        if (host->interviews)
                interviews_free(host->interviews);
        if (host->resizings)
                resize_disk_end(host->resizings);
        if (host->snapshots)
                snapshot_off_end(host->snapshots);
        if (host->logs)
                guest_logs_free(host->logs);
        g_strfreev((char **) host->helpers.paths);
        g_free((char *) host->helpers.root);
        guest_users_close(&host->users);
        g_free(host->monitors);
        g_free(host);
}

static bool is_active(const Connection *connection, const char *uuid) {
        const Domain *domain = g_hash_table_lookup(connection->by_uuid, uuid);
        return domain && domain_is_active(domain);
}

static void sweep_in_worker(void *data, GError **error) {
        const Connection *connection = data;
        (void) error;
        runtime_sweep(connection->runtime_directory);
        tpm_folder_sweep(connection);
}

static void on_swept(void *data, const GError *error) {
        (void) data;
        (void) error;
}

/* Before anything is served, so that no guest starts between. */
static void recover(Connection *connection) {
        guest_adopt_lost(connection);
        claims_sweep(connection, is_active);
        runtime_put_lost_aside(connection, is_active);
        worker_run(connection->worker, sweep_in_worker, on_swept, connection);
}

static const HypervisorDocuments qemu_documents = {
        .check_prepare = check_prepare,
        .prepare = abilities_prepare,
        .complete = complete,
        .check = check,
        .check_rights = check_rights,
        .native_format = "qemu-argv",
        .to_native = to_native,
        .from_native = from_native,
};

static const HypervisorPower qemu_power = {
        .suspend = power_suspend,
        .resume = power_resume,
        .shutdown = power_shut_down,
        .reset = power_reset,
};

static const HypervisorDevices qemu_devices = {
        .attach = hotplug_attach,
        .detach = hotplug_detach,
        .update = update_device,
        .resize = tuning_resize,
        .resize_disk = resize_disk,
        .get_disk_info = disk_info_answer,
        .get_addresses = collect_addresses,
};

static const HypervisorDumping qemu_dumping = {
        .dump = dump_memory,
};

static const HypervisorSaving qemu_saving = {
        .save_memory = migration_save,
        .cancel_save = migration_cancel,
        .continue_saved = migration_continue,
};

static const HypervisorDiskJobs qemu_disk_jobs = {
        .begin = block_job_begin,
        .pivot = block_job_follow_pivot,
        .finish = block_job_follow_finish,
        .cancel = block_job_follow_cancel,
        .set_bandwidth = block_job_follow_set_bandwidth,
        .set_threshold = block_job_follow_set_threshold,
};

static const HypervisorBackups qemu_backups = {
        .begin = guest_backup_begin,
        .finish = guest_backup_follow_finish,
        .cancel = guest_backup_follow_cancel,
        .open = guest_backup_follow_open,
};

static const HypervisorConsoles qemu_consoles = {
        .open_console = console_open,
        .open_graphics = console_open_graphics,
};

static const HypervisorMachine qemu_machine = {
        .open_log = guest_log_answer,
        .screenshot = control_screenshot,
        .send_keys = control_send_keys,
        .inject_nmi = control_inject_nmi,
        .wake_up = control_wake_up,
        .peek_memory = control_peek_memory,
        .monitor_command = monitor_command_answer,
        .open_monitor_events = monitor_events_open,
        .open_monitor_events_of = monitor_events_open_of,
        .measure_dirty_rate = dirty_rate_measure,
};

static const HypervisorStatistics qemu_statistics = {
        .collect = collect_statistics,
};

static const HypervisorLeftovers qemu_leftovers = {
        .has_nvram = has_nvram,
        .delete_nvram = delete_nvram,
        .has_tpm = has_tpm,
        .delete_tpm = delete_tpm,
        .has_any = has_any,
        .forget = forget,
};

const Hypervisor qemu_hypervisor = {
        .connection = "qemu",
        .bus_name = "org.virtbus1.Driver.QEMU",
        .open = open_host,
        .close = close_host,
        .recover = recover,
        .start = guest_start,
        .reattach = guest_reattach,
        .destroy = guest_destroy,
        .release = guest_release,
        .save = guest_save,
        .isolation = isolation_append,
        .takes_fds = true,
        .documents = &qemu_documents,
        .abilities = &abilities_group,
        .power = &qemu_power,
        .devices = &qemu_devices,
        .dumping = &qemu_dumping,
        .saving = &qemu_saving,
        .consoles = &qemu_consoles,
        .disk_jobs = &qemu_disk_jobs,
        .snapshots = &snapshot_functions,
        .checkpoints = &checkpoint_functions,
        .backups = &qemu_backups,
        .machine = &qemu_machine,
        .statistics = &qemu_statistics,
        .leftovers = &qemu_leftovers,
};
