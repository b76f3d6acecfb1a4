/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "esx/esx.h"

#include <string.h>

#include "domain/connection-life.h"
#include "domain/domain-run.h"
#include "errors.h"
#include "esx/define.h"
#include "esx/login.h"
#include "esx/inventory.h"
#include "esx/power-task.h"
#include "esx/quick-stats.h"
#include "esx/snapshot-task.h"
#include "vmx/vmx-hypervisor.h"
#include "vmx/vmx-read.h"

/* URIs */

static const char *const parameters[] = { "auto_answer", "fingerprint", "no_verify", "proxy", "transport", NULL };
static const char *const proxies[] = { "http", "socks", "socks4", "socks4a", "socks5", NULL };

#define FINGERPRINT_DIGITS 64

static bool refuse(GError **error, const char *why) {
        return virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT, "OpenConnection: %s", why);
}

static bool check_proxy(const char *proxy, GError **error) {
        g_autofree char *scheme = proxy && strstr(proxy, "://") ? g_strndup(proxy, (gsize) (strstr(proxy, "://") - proxy)) : NULL;
        if (proxy && ((scheme && !g_strv_contains(proxies, scheme)) || strchr(proxy, '@')))
                return refuse(error, "the URI's proxy is not [http|socks|socks4|socks4a|socks5://]HOST[:PORT]");
        return true;
}

static RemoteUri *read_uri(const char *text, GError **error) {
        g_autoptr(RemoteUri) uri = remote_uri_parse(text, parameters, error);
        bool flag;
        if (!uri || !remote_uri_flag(uri, "no_verify", &flag, error) || !remote_uri_flag(uri, "auto_answer", &flag, error))
                return NULL;
        const char *fingerprint = remote_uri_parameter(uri, "fingerprint"), *transport = remote_uri_parameter(uri, "transport");
        bool is_fine = check_proxy(remote_uri_parameter(uri, "proxy"), error);
        if (is_fine && strcmp(uri->scheme, "vpx") != 0 && *uri->path)
                is_fine = refuse(error, "the URI of an ESX host has no path; write esx://HOST/");
        if (is_fine && fingerprint &&
            (strlen(fingerprint) != FINGERPRINT_DIGITS || strspn(fingerprint, "0123456789abcdefABCDEF") != FINGERPRINT_DIGITS))
                is_fine = refuse(error, "the URI's fingerprint is not a SHA-256 of a public key, in 64 hexadecimal digits");
        if (is_fine && transport && strcmp(transport, "http") != 0 && strcmp(transport, "https") != 0)
                is_fine = refuse(error, "the URI's transport is http or https");
        return is_fine ? g_steal_pointer(&uri) : NULL;
}

/* Those of a host and of a vCenter are not the same, nor are parts of one. */
static char *name(const char *text, GError **error) {
        g_autoptr(RemoteUri) uri = read_uri(text, error);
        if (!uri)
                return NULL;
        g_autofree char *port = uri->port ? g_strdup_printf(":%d", uri->port) : g_strdup("");
        bool is_vcenter = strcmp(uri->scheme, "vpx") == 0;
        return g_strconcat(is_vcenter ? "vpx:" : "", uri->host, port, *uri->path ? "/" : "", uri->path, NULL);
}

/* Connecting */

static void on_ended(Esx *esx, const GError *error) {
        g_autoptr(GError) unknown = NULL;
        virtbus_error_set(&unknown, virtbus_error_code(error), "%s; whether it was done is not known", error->message);
        inventory_cut(esx, unknown);
        tasks_end(esx, unknown);
        snapshot_task_end(esx, unknown);
        quick_stats_end(esx);
        define_end(esx, unknown);
}

static void on_told_all(Esx *esx, bool is_last) {
        define_settle(esx, is_last);
        snapshot_task_settle(esx, is_last);
}

static void on_ready(Esx *esx) {
        connection_connected(esx->connection);
}

static void connect(Connection *connection) {
        login_begin(connection->data, on_ready);
}

static void disconnect(Connection *connection) {
        Esx *esx = connection->data;
        g_autoptr(GError) error = NULL;
        if (!esx)
                return;
        session_leave(esx);
        virtbus_error_set(&error, VIRTBUS_ERROR_CANCELLED, "connection %s is not connected any more", connection->name);
        on_ended(esx, error);
}

static const HypervisorRemote remote = {
        .name = name,
        .connect = connect,
        .disconnect = disconnect,
};

static bool open_elsewhere(Connection *connection, GError **error) {
        g_autoptr(RemoteUri) uri = read_uri(connection->uri, error);
        if (!uri)
                return false;
        Esx *esx = g_new0(Esx, 1);
        connection->data = esx;
        esx->connection = connection;
        remote_uri_flag(uri, "no_verify", &esx->no_verify, NULL);
        remote_uri_flag(uri, "auto_answer", &esx->answers, NULL);
        esx->uri = g_steal_pointer(&uri);
        esx->facts = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, g_free);
        esx->changes = g_hash_table_new(NULL, NULL);
        esx->started = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        esx->ended = on_ended;
        esx->snapshot_tasks = g_hash_table_new(NULL, NULL);
        esx->told_all = on_told_all;
        quick_stats_open(esx);
        inventory_open(esx);
        tasks_open(esx);
        return true;
}

static void close_elsewhere(Connection *connection) {
        Esx *esx = connection->data;
        session_end(esx);
        quick_stats_close(esx);
        inventory_close(esx);
        tasks_close(esx);
        session_clear(esx);
        g_hash_table_unref(esx->changes);
        g_hash_table_unref(esx->snapshot_tasks);
        g_hash_table_unref(esx->facts);
        g_hash_table_unref(esx->started);
        remote_uri_free(esx->uri);
        g_free(esx);
}

/* Documents */

static bool check(Connection *connection, const Definition *definition, xmlDoc *document, bool unsupported, GError **error) {
        if (!connection->hypervisor->remote)
                return virtbus_error_set(
                                error, VIRTBUS_ERROR_UNSUPPORTED,
                                "connection %s is not one to a host, and translates documents alone; open esx://HOST/ or "
                                "vpx://HOST/",
                                connection->name);
        return vmx_hypervisor_check(connection, definition, document, unsupported, error);
}

static const HypervisorDocuments documents = {
        .complete = vmx_hypervisor_complete,
        .check = check,
        .native_format = VMX_NATIVE_FORMAT,
        .to_native = vmx_hypervisor_to_native,
        .from_native = vmx_from_native,
};

/* What the host is */

static char *fact(const Esx *esx, const char *property) {
        const char *text = esx ? g_hash_table_lookup(esx->facts, property) : NULL;
        return text && *text ? g_markup_escape_text(text, -1) : NULL;
}

static char *capabilities(Connection *connection) {
        const Esx *esx = connection->data;
        g_autofree char *uuid = fact(esx, "summary.hardware.uuid"), *model = fact(esx, "summary.hardware.cpuModel"),
                        *packages = fact(esx, "summary.hardware.numCpuPkgs"), *cores = fact(esx, "summary.hardware.numCpuCores"),
                        *threads = fact(esx, "summary.hardware.numCpuThreads");
        g_autofree char *host = uuid ? g_strdup_printf("    <uuid>%s</uuid>\n", uuid) : g_strdup("");
        g_autoptr(GString) cpu = g_string_new(NULL);
        guint64 n_packages = packages ? g_ascii_strtoull(packages, NULL, 10) : 0,
                n_cores = cores ? g_ascii_strtoull(cores, NULL, 10) : 0,
                n_threads = threads ? g_ascii_strtoull(threads, NULL, 10) : 0;
        if (model)
                g_string_append_printf(cpu, "      <model>%s</model>\n", model);
        if (n_packages > 0 && n_cores >= n_packages && n_threads >= n_cores)
                g_string_append_printf(cpu,
                                       "      <topology sockets='%" G_GUINT64_FORMAT "' dies='1' cores='%" G_GUINT64_FORMAT
                                       "' threads='%" G_GUINT64_FORMAT "'/>\n",
                                       n_packages, n_cores / n_packages, n_threads / n_cores);
        return vmx_hypervisor_capabilities(host, cpu->str);
}

/* A fact as a word, and as a number: with UNIT of what it is counted in. */
static int append_word(sd_bus_message *message, const char *name, const char *word) {
        return word && *word ? sd_bus_message_append(message, "{sv}", name, "s", word) : 0;
}

static int append_number(sd_bus_message *message, const char *name, const Esx *esx, const char *property, uint64_t unit) {
        const char *text = g_hash_table_lookup(esx->facts, property);
        guint64 number;
        return text && g_ascii_string_to_unsigned(text, 10, 1, UINT64_MAX / unit, &number, NULL)
                               ? sd_bus_message_append(message, "{sv}", name, "t", number * unit)
                               : 0;
}

static int host(const Connection *connection, sd_bus_message *message) {
        static const struct {
                const char *name, *property;
                uint64_t unit;
        } numbers[] = {
                { "speed", "summary.hardware.cpuMhz", 1000000 }, { "sockets", "summary.hardware.numCpuPkgs", 1 },
                { "cores", "summary.hardware.numCpuCores", 1 },  { "threads", "summary.hardware.numCpuThreads", 1 },
                { "memory", "summary.hardware.memorySize", 1 },
        };
        static const struct {
                const char *name, *property;
        } words[] = { { "name", "name" }, { "uuid", "summary.hardware.uuid" }, { "model", "summary.hardware.cpuModel" } };
        const Esx *esx = connection->data;
        int r = sd_bus_message_open_container(message, 'a', "{sv}");
        for (size_t i = 0; r >= 0 && esx && i < G_N_ELEMENTS(words); i++)
                r = append_word(message, words[i].name, g_hash_table_lookup(esx->facts, words[i].property));
        for (size_t i = 0; r >= 0 && esx && i < G_N_ELEMENTS(numbers); i++)
                r = append_number(message, numbers[i].name, esx, numbers[i].property, numbers[i].unit);
        if (r >= 0 && esx)
                r = append_word(message, "address", esx->uri->host);
        if (r >= 0 && esx)
                r = append_word(message, "product", esx->content.product);
        if (r >= 0 && esx)
                r = append_word(message, "version", esx->content.version);
        return r < 0 ? r : sd_bus_message_close_container(message);
}

static const HypervisorAbilities abilities = {
        .capabilities = capabilities,
        .host = host,
};

/* Of this machine: nothing can be started */

static void start_nothing(Operation *operation) {
        g_autoptr(GError) error = NULL;
        check(operation->domain->connection, NULL, NULL, false, &error);
        operation_finish(operation, error);
}

static void reattach_nothing(Operation *operation, xmlNode *saved) {
        (void) saved;
        start_nothing(operation);
}

static void destroy_nothing(Domain *domain) {
        domain_stopped(domain, REASON_UNKNOWN, NULL);
}

static void release_nothing(Domain *domain) {
        (void) domain;
}

static const char *const schemes[] = { "esx", "vpx", NULL };

static const Hypervisor elsewhere = {
        .connection = "esx",
        .bus_name = "org.virtbus1.Driver.ESX",
        .open = open_elsewhere,
        .close = close_elsewhere,
        .start = power_task_start,
        .reattach = power_task_reattach,
        .destroy = power_task_destroy,
        .release = inventory_free_run,
        .save = power_task_save,
        .remote = &remote,
        .definitions = &define_definitions,
        .documents = &documents,
        .abilities = &abilities,
        .power = &power_task_functions,
        .own_snapshots = &snapshot_task_functions,
        .statistics = &quick_stats_functions,
};

const Hypervisor esx_hypervisor = {
        .connection = "esx",
        .bus_name = "org.virtbus1.Driver.ESX",
        .schemes = schemes,
        .elsewhere = &elsewhere,
        .start = start_nothing,
        .reattach = reattach_nothing,
        .destroy = destroy_nothing,
        .release = release_nothing,
        .save = power_task_save,
        .definitions = &define_definitions,
        .documents = &documents,
        .abilities = &abilities,
};
