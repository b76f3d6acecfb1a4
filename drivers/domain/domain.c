/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/domain.h"

#include <stdarg.h>
#include <string.h>

#include "bus.h"
#include "domain/connection.h"
#include "vtables.h"

/* A domain may be freed by the last that hears of it. */
#define TELL(domain, event, ...) \
        do { \
                for (const DomainListener *const *told = (domain)->connection->listeners; *told; told++) \
                        if ((*told)->event) \
                                (*told)->event((domain), ##__VA_ARGS__); \
        } while (0)

static const char *const state_names[DOMAIN_N_STATES] = {
        [DOMAIN_SHUTOFF] = "shutoff",         [DOMAIN_STARTING] = "starting", [DOMAIN_RUNNING] = "running",
        [DOMAIN_PAUSED] = "paused",           [DOMAIN_STOPPING] = "stopping", [DOMAIN_CRASHED] = "crashed",
        [DOMAIN_PMSUSPENDED] = "pmsuspended",
};

static const char *const reason_names[DOMAIN_N_REASONS] = {
        [REASON_UNKNOWN] = "unknown",   [REASON_BOOTED] = "booted",         [REASON_RESUMED] = "resumed",
        [REASON_USER] = "user",         [REASON_SHUTDOWN] = "shutdown",     [REASON_DESTROYED] = "destroyed",
        [REASON_CRASHED] = "crashed",   [REASON_FAILED] = "failed",         [REASON_IO_ERROR] = "io-error",
        [REASON_DUMP] = "dump",         [REASON_SAVING] = "saving",         [REASON_SAVED] = "saved",
        [REASON_RESTORED] = "restored", [REASON_REATTACHED] = "reattached", [REASON_SNAPSHOT] = "snapshot",
        [REASON_WATCHDOG] = "watchdog",
};

Domain *domain_ref(Domain *domain) {
        domain->n_references++;
        return domain;
}

void domain_unref(Domain *domain) {
        if (--domain->n_references > 0)
                return;
        TELL(domain, freed);
        g_clear_pointer(&domain->disk_errors, g_hash_table_unref);
        g_clear_pointer(&domain->open_trays, g_hash_table_unref);
        g_clear_pointer(&domain->disk_jobs, g_hash_table_unref);
        g_ptr_array_unref(domain->devices);
        g_clear_pointer(&domain->live, definition_unref);
        g_clear_pointer(&domain->persistent, definition_unref);
        g_free(domain->uuid);
        g_free(domain->known_as);
        g_strfreev(domain->shares);
        g_free(domain);
}

Domain *domain_new(Connection *connection, const Definition *definition, bool persistent, uid_t owner, bool owners_rights) {
        Domain *domain = g_new0(Domain, 1);
        domain->n_references = 1;
        domain->connection = connection;
        domain->uuid = g_strdup(definition->uuid);
        domain->owner = owner;
        domain->owners_rights = owners_rights;
        if (persistent)
                domain->persistent = definition_ref((Definition *) definition);
        else
                domain->live = definition_ref((Definition *) definition);
        domain->devices = g_ptr_array_new();
        g_queue_init(&domain->waiting);
        g_queue_init(&domain->destroyers);
        TELL(domain, added);
        return domain;
}

Definition *domain_definition(const Domain *domain) {
        return domain->live ? domain->live : domain->persistent;
}

const char *domain_name(const Domain *domain) {
        return domain_definition(domain)->name;
}

bool domain_is_active(const Domain *domain) {
        return domain->state != DOMAIN_SHUTOFF;
}

bool domain_is_up(const Domain *domain) {
        return domain_is_active(domain) && domain->state != DOMAIN_STARTING && domain->state != DOMAIN_STOPPING;
}

const char *domain_state_name(DomainState state) {
        return state_names[state];
}

const char *domain_reason_name(DomainReason reason) {
        return reason_names[reason];
}

static int find_name(const char *const *names, int n, const char *name) {
        for (int i = 0; i < n; i++)
                if (strcmp(names[i], name) == 0)
                        return i;
        return 0;
}

DomainState domain_state_from_name(const char *name) {
        return (DomainState) find_name(state_names, DOMAIN_N_STATES, name);
}

DomainReason domain_reason_from_name(const char *name) {
        return (DomainReason) find_name(reason_names, DOMAIN_N_REASONS, name);
}

bool domain_fail(const Domain *domain, GError **error, VirtbusError code, const char *format, ...) {
        va_list arguments;
        va_start(arguments, format);
        g_autofree char *message = g_strdup_vprintf(format, arguments);
        va_end(arguments);
        return virtbus_error_set(error, code, "domain '%s': %s", domain_name(domain), message);
}

GError *domain_name_error(const Domain *domain, const GError *error) {
        g_autofree char *prefix = g_strdup_printf("domain '%s': ", domain_name(domain));
        GError *named = NULL;
        if (g_str_has_prefix(error->message, prefix))
                return g_error_copy(error);
        domain_fail(domain, &named, virtbus_error_code(error), "%s", error->message);
        return named;
}

void domain_forget_disk_errors(Domain *domain) {
        if (!domain->disk_errors)
                return;
        g_clear_pointer(&domain->disk_errors, g_hash_table_unref);
        domain_announce_disk_errors(domain);
}

void domain_set_live(Domain *domain, Definition *definition) {
        const Domain before = *domain;
        domain->live = definition_ref(definition);
        domain_announce_redefined(domain, &before);
        if (before.live)
                definition_unref(before.live);
}

void domain_disk_failed(Domain *domain, const char *alias, const char *error) {
        if (!domain->disk_errors)
                domain->disk_errors = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        g_hash_table_insert(domain->disk_errors, g_strdup(alias), (void *) error);
        domain_announce_disk_errors(domain);
}

bool domain_tray_is_open(const Domain *domain, const char *alias) {
        return domain->open_trays && g_hash_table_contains(domain->open_trays, alias);
}

void domain_tray_moved(Domain *domain, const char *alias, bool is_open) {
        if (is_open == domain_tray_is_open(domain, alias))
                return;
        if (!domain->open_trays)
                domain->open_trays = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        if (is_open)
                g_hash_table_add(domain->open_trays, g_strdup(alias));
        else
                g_hash_table_remove(domain->open_trays, alias);
        TELL(domain, trays_changed);
}

void domain_forget_trays(Domain *domain) {
        if (!domain->open_trays)
                return;
        g_clear_pointer(&domain->open_trays, g_hash_table_unref);
        TELL(domain, trays_changed);
}

void domain_redefine(Domain *domain, Definition *definition) {
        const Domain before = *domain;
        domain->persistent = definition_ref(definition);
        if (!domain_is_active(domain)) { /* one that had none, and has ended, would have gone */
                domain->live = NULL;
                domain_announce_redefined(domain, &before);
                if (before.live)
                        definition_unref(before.live);
        } else if (!before.persistent)
                domain_announce(domain, (const int[]){ DOMAIN_PERSISTENT, -1 });
        if (before.persistent) {
                TELL(domain, definition_changed);
                definition_unref(before.persistent);
        }
}

char *domain_device_path(const Domain *domain, const char *alias) {
        g_autofree char *prefix = g_strdup_printf("%s/device", published_path(domain->published));
        char *path = NULL;
        sd_bus_path_encode(prefix, alias, &path);
        return path;
}

/* Listeners */

void domain_announce(Domain *domain, const int *properties) {
        TELL(domain, changed, properties);
}

void domain_announce_state(Domain *domain, DomainState old) {
        TELL(domain, state_changed, old);
}

void domain_announce_state_kept(Domain *domain) {
        TELL(domain, state_kept);
}

void domain_announce_devices(Domain *domain) {
        TELL(domain, devices_changed);
}

void domain_announce_redefined(Domain *domain, const Domain *before) {
        TELL(domain, redefined, before);
}

void domain_announce_disk_errors(Domain *domain) {
        TELL(domain, disk_errors_changed);
}

void domain_announce_disk_jobs(Domain *domain) {
        TELL(domain, disk_jobs_changed);
}

void domain_announce_disk_job(Domain *domain, const char *alias, const char *operation, const char *state, const char *error) {
        TELL(domain, disk_job_told, alias, operation, state, error);
}

void domain_announce_backup(Domain *domain) {
        TELL(domain, backup_changed);
}

void domain_announce_snapshots(Domain *domain) {
        TELL(domain, snapshots_changed);
}

void domain_announce_checkpoints(Domain *domain) {
        TELL(domain, checkpoints_changed);
}

void domain_announce_idle(Domain *domain) {
        TELL(domain, idle);
}

void domain_announce_run_end(Domain *domain) {
        TELL(domain, run_ended);
}

void domain_announce_end(Domain *domain) {
        TELL(domain, gone);
}
