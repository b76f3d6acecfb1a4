/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/guest/scope.h"

#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <systemd/sd-login.h>

#include "bus.h"
#include "log.h"
#include "qemu/guest/threads.h"
#include "qemu/host/cgroup.h"
#include "qemu/host/claims.h"
#include "qemu/host/cpu-set.h"

#define MACHINED "org.freedesktop.machine1"
#define SYSTEMD "org.freedesktop.systemd1"

/* How long systemd may take to answer, in microseconds. */
#define ANSWER_TIMEOUT (10 * UINT64_C(1000000))

/* A machine's name is a host name's label or several: machined checks that. */
#define MACHINE_NAME_MAX 64

/* A call that waits for systemd. */
struct ScopeCall {
        Guest *guest;
        sd_bus_slot *slot;
        ScopeDone done;
        xmlDoc *document; /* whose limits it sets, or NULL */
        bool is_watched;  /* whether machined comes was watched before it was sent */
};

static void scope_call_free(struct ScopeCall *call) {
        sd_bus_slot_unref(call->slot);
        xmlFreeDoc(call->document);
        g_free(call);
}

bool scope_has_limits(xmlDoc *document) {
        xmlNode *root = xmlDocGetRootElement(document);
        uint64_t value, period;
        for (size_t i = 0; i < CONTROL_GROUP_LIMITS; i++)
                if (control_group_read_limit(root, control_group_limits[i].path, control_group_limits[i].is_size, &value))
                        return true;
        if (control_group_read_quota(root, &cgroup_quota, &value, &period) || control_group_read_swap_limit(root, false, &value))
                return true;
        return threads_have_quotas(document) || xml_attribute_is(xml_find(root, "numatune/memory"), "mode", "restrictive");
}

static int append_limit(sd_bus_message *message, const char *name, uint64_t value) {
        return sd_bus_message_append(message, "(sv)", name, "t", value);
}

/* A set as systemd has it: one bit for each node, the lowest first. */
static int append_nodes(sd_bus_message *message, xmlNode *root) {
        g_autofree char *text = control_group_memory_nodes(root);
        cpu_set_t set;
        uint8_t bits[CPU_SETSIZE / 8] = { 0 };
        size_t length = 0;
        if (!text || !cpu_set_read(text, &set))
                return 0;
        for (size_t i = 0; i < CPU_SETSIZE; i++)
                if (CPU_ISSET(i, &set)) {
                        bits[i / 8] |= (uint8_t) (1 << i % 8);
                        length = i / 8 + 1;
                }
        int r = sd_bus_message_open_container(message, 'r', "sv");
        if (r >= 0)
                r = sd_bus_message_append(message, "s", "AllowedMemoryNodes");
        if (r >= 0)
                r = sd_bus_message_open_container(message, 'v', "ay");
        if (r >= 0)
                r = sd_bus_message_append_array(message, 'y', bits, length);
        if (r >= 0)
                r = sd_bus_message_close_container(message);
        return r < 0 ? r : sd_bus_message_close_container(message);
}

/* What the document asks for as properties of a unit. systemd writes them into whichever kind of control group it has. ALL: what
 * is not asked for is not limited any more. */
static int append_limits(sd_bus_message *message, xmlNode *root, bool all) {
        uint64_t value, period;
        bool unified = control_group_is_unified();
        int r = 0;
        for (size_t i = 0; r >= 0 && i < CONTROL_GROUP_LIMITS; i++) {
                const ControlGroupLimit *limit = control_group_limits + i;
                const char *name = unified ? limit->unified_property : limit->legacy_property;
                bool given = control_group_read_limit(root, limit->path, limit->is_size, &value);
                if (name && (given || all))
                        r = append_limit(message, name, given ? value : UINT64_MAX);
        }
        if (r >= 0 && control_group_read_quota(root, &cgroup_quota, &value, &period) && value < UINT64_MAX / 1000000)
                r = append_limit(message, "CPUQuotaPerSecUSec", value * 1000000 / period);
        else if (r >= 0 && all)
                r = append_limit(message, "CPUQuotaPerSecUSec", UINT64_MAX);
        if (r >= 0 && unified && control_group_read_swap_limit(root, true, &value))
                r = append_limit(message, "MemorySwapMax", value);
        else if (r >= 0 && unified && all)
                r = append_limit(message, "MemorySwapMax", UINT64_MAX);
        return r < 0 || !unified ? r : append_nodes(message, root);
}

/* qemu-NUMBER-NAME, of what may be in a host name. */
static char *machine_name(const Domain *domain) {
        char *name = g_strdup_printf("qemu-%u-%s", domain->id, domain_name(domain));
        if (strlen(name) > MACHINE_NAME_MAX)
                name[MACHINE_NAME_MAX] = '\0';
        for (char *c = name; *c; c++)
                if (!g_ascii_isalnum(*c) && *c != '-')
                        *c = '-';
        for (size_t length = strlen(name); length > 0 && name[length - 1] == '-';)
                name[--length] = '\0';
        return name;
}

/* Without systemd the driver makes a control group itself. */
struct Limiting {
        Guest *guest; /* NULL: it has gone meanwhile */
        Connection *connection;
        char *uuid;
        pid_t pid;
        xmlDoc *document;
        ScopeDone done;
};

static void limit_in_worker(void *data, GError **error) {
        struct Limiting *limiting = data;
        cgroup_limit_guest(limiting->connection, limiting->uuid, limiting->pid, xmlDocGetRootElement(limiting->document), error);
}

static void limiting_free(struct Limiting *limiting) {
        xmlFreeDoc(limiting->document);
        g_free(limiting->uuid);
        g_free(limiting);
}

static void return_in_worker(void *data, GError **error) {
        const struct Limiting *limiting = data;
        (void) error;
        claims_give_back(limiting->connection, limiting->uuid, "");
}

static void on_returned(void *data, const GError *error) {
        (void) error;
        limiting_free(data);
}

static void on_limited(void *data, const GError *error) {
        struct Limiting *limiting = data;
        Guest *guest = limiting->guest;
        g_autoptr(GError) failure = NULL;
        if (!guest) { /* it has ended meanwhile */
                worker_undo(limiting->connection->worker, return_in_worker, on_returned, limiting);
                return;
        }
        guest->limiting = NULL;
        if (error)
                domain_fail(guest->domain, &failure, virtbus_error_code(error), "%s", error->message);
        limiting->done(guest, failure);
        limiting_free(limiting);
}

static void limit_without_systemd(Guest *guest, xmlDoc *document, ScopeDone done) {
        struct Limiting *limiting = g_new0(struct Limiting, 1);
        *limiting = (struct Limiting){
                .guest = guest,
                .connection = guest->domain->connection,
                .uuid = g_strdup(guest->domain->uuid),
                .pid = process_pid(guest->process),
                .document = xmlCopyDoc(document, 1),
                .done = done,
        };
        guest->limiting = limiting;
        worker_run(limiting->connection->worker, limit_in_worker, on_limited, limiting);
}

void scope_forget(Guest *guest) {
        if (guest->limiting)
                guest->limiting->guest = NULL;
        g_clear_pointer(&guest->scope_call, scope_call_free);
}

/* Where there is no machined, guests without limits do not ask for it each time, but when one has come: by itself, or to be
 * started by a call. */
static int on_machined_came(sd_bus_message *signal, void *data, sd_bus_error *unused) {
        Host *host = data;
        (void) signal;
        (void) unused;
        host->lacks_machined = false;
        return 0;
}

static void watch_machined(const Connection *connection) {
        static const char *const matches[] = {
                "type='signal',sender='org.freedesktop.DBus',member='NameOwnerChanged',arg0='" MACHINED "'",
                "type='signal',sender='org.freedesktop.DBus',member='ActivatableServicesChanged'",
        };
        Host *host = host_of(connection);
        for (size_t i = 0; i < G_N_ELEMENTS(matches); i++)
                sd_bus_add_match_async(connection->bus, NULL, matches[i], on_machined_came, NULL, host);
        host->watches_machined = true;
}

static void note_absence(const struct ScopeCall *call) {
        const Connection *connection = call->guest->domain->connection;
        if (call->is_watched)
                host_of(connection)->lacks_machined = true;
        else if (!host_of(connection)->watches_machined)
                watch_machined(connection);
}

static int on_answered(sd_bus_message *answer, void *data, sd_bus_error *unused) {
        struct ScopeCall *call = data;
        Guest *guest = call->guest;
        const sd_bus_error *fault = sd_bus_message_get_error(answer);
        g_autoptr(GError) error = NULL;
        g_autoptr(xmlDoc) document = g_steal_pointer(&call->document);
        ScopeDone done = call->done;
        bool is_absent = fault && (sd_bus_error_has_name(fault, SD_BUS_ERROR_SERVICE_UNKNOWN) ||
                                   sd_bus_error_has_name(fault, SD_BUS_ERROR_NAME_HAS_NO_OWNER));
        (void) unused;
        if (is_absent)
                note_absence(call);
        if (fault && !is_absent && document)
                domain_fail(guest->domain, &error, VIRTBUS_ERROR_UNSUPPORTED, "cannot set its limits: systemd: %.256s",
                            fault->message);
        else if (fault && !is_absent)
                log_warning("domain '%s': it is not registered with systemd-machined: %s", domain_name(guest->domain),
                            fault->message);
        guest->scope_call = NULL;
        scope_call_free(call);
        if (is_absent && document)
                limit_without_systemd(guest, document, done);
        else
                done(guest, error);
        return 1;
}

/* LIMITS: the document whose limits it sets, or NULL where there are none. */
static void send_call(Guest *guest, sd_bus_message *message, int r, xmlDoc *limits, ScopeDone done) {
        g_autoptr(GError) error = NULL;
        struct ScopeCall *call = g_new0(struct ScopeCall, 1);
        *call = (struct ScopeCall){ .guest = guest,
                                    .done = done,
                                    .is_watched = host_of(guest->domain->connection)->watches_machined };
        if (r >= 0)
                r = sd_bus_call_async(guest->domain->connection->bus, &call->slot, message, on_answered, call, ANSWER_TIMEOUT);
        if (r >= 0) {
                call->document = limits ? xmlCopyDoc(limits, 1) : NULL;
                guest->scope_call = call;
                return;
        }
        g_free(call);
        virtbus_error_set_errno(&error, -r, "domain '%s': systemd cannot be asked", domain_name(guest->domain));
        done(guest, limits ? error : NULL);
}

void scope_create(Guest *guest, xmlDoc *document, ScopeDone done) {
        Domain *domain = guest->domain;
        g_autoptr(sd_bus_message) message = NULL;
        sd_id128_t id;
        bool limited = scope_has_limits(document);
        if (!domain->connection->bus || !domain->connection->privileged || host_of(domain->connection)->lacks_machined) {
                if (limited)
                        limit_without_systemd(guest, document, done);
                else
                        done(guest, NULL);
                return;
        }
        g_autofree char *name = machine_name(domain), *description = g_strdup_printf("Virtual machine %s", domain_name(domain));
        int r = sd_bus_message_new_method_call(domain->connection->bus, &message, MACHINED, "/org/freedesktop/machine1",
                                               MACHINED ".Manager", "CreateMachine");
        if (r >= 0)
                r = sd_id128_from_string(domain->uuid, &id);
        if (r >= 0)
                r = sd_bus_message_append(message, "s", name);
        if (r >= 0)
                r = sd_bus_message_append_array(message, 'y', id.bytes, sizeof id.bytes);
        if (r >= 0)
                r = sd_bus_message_append(message, "ssus", "virtbus", "vm", (uint32_t) process_pid(guest->process), "");
        if (r >= 0)
                r = sd_bus_message_open_container(message, 'a', "(sv)");
        if (r >= 0)
                r = sd_bus_message_append(message, "(sv)(sv)", "Description", "s", description, "CollectMode", "s",
                                          "inactive-or-failed");
        if (r >= 0)
                r = append_limits(message, xmlDocGetRootElement(document), false);
        if (r >= 0)
                r = sd_bus_message_close_container(message);
        send_call(guest, message, r, limited ? document : NULL, done);
}

void scope_end(Guest *guest) {
        const Domain *domain = guest->domain;
        sd_bus *bus = domain->connection->bus;
        g_autofree char *name = machine_name(domain);
        if (bus && domain->connection->privileged && guest->process &&
            !host_of(domain->connection)->lacks_machined) /* an error says that there is nobody any more */
                sd_bus_call_method_async(bus, NULL, MACHINED, "/org/freedesktop/machine1", MACHINED ".Manager", "KillMachine",
                                         NULL, NULL, "ssi", name, "all", SIGKILL);
}

void scope_set_limits(Guest *guest, xmlDoc *document, ScopeDone done) {
        Domain *domain = guest->domain;
        g_autoptr(sd_bus_message) message = NULL;
        g_autofree char *unit = NULL;
        char *found = NULL;
        if (domain->connection->bus && domain->connection->privileged &&
            sd_pid_get_unit(process_pid(guest->process), &found) >= 0)
                unit = g_strdup(found);
        free(found);
        if (!unit || !g_str_has_prefix(unit, "machine-") || !g_str_has_suffix(unit, ".scope")) {
                limit_without_systemd(guest, document, done);
                return;
        }
        int r = sd_bus_message_new_method_call(domain->connection->bus, &message, SYSTEMD, "/org/freedesktop/systemd1",
                                               SYSTEMD ".Manager", "SetUnitProperties");
        if (r >= 0)
                r = sd_bus_message_append(message, "sb", unit, true);
        if (r >= 0)
                r = sd_bus_message_open_container(message, 'a', "(sv)");
        if (r >= 0)
                r = append_limits(message, xmlDocGetRootElement(document), true);
        if (r >= 0)
                r = sd_bus_message_close_container(message);
        send_call(guest, message, r, document, done);
}
