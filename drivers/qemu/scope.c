/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "scope.h"

#include <inttypes.h>
#include <string.h>
#include <sys/vfs.h>
#include <systemd/sd-login.h>

#include "bus.h"
#include "log.h"

#define MACHINED "org.freedesktop.machine1"
#define SYSTEMD "org.freedesktop.systemd1"

/* How long systemd may take to answer, in microseconds. */
#define ANSWER_TIMEOUT (10 * UINT64_C(1000000))

/* A machine's name is a host name's label or several: machined checks that. */
#define MACHINE_NAME_MAX 64

/* statfs(2) */
#define CGROUP2_MAGIC 0x63677270

/* The period of cputune's quota where the document gives none: the kernel's, in microseconds. */
#define PERIOD_DEFAULT 100000

/* A call that waits for systemd. */
struct ScopeCall {
        Guest *guest;
        sd_bus_slot *slot;
        ScopeDone done;
        bool limited;
};

void scope_call_free(struct ScopeCall *call) {
        sd_bus_slot_unref(call->slot);
        g_free(call);
}

static bool is_unified(void) {
        struct statfs info;
        return statfs("/sys/fs/cgroup", &info) == 0 && (unsigned long) info.f_type == CGROUP2_MAGIC;
}

/* A number at a path of the document, with its unit if it is a size; false where it is not there. */
static bool read_limit(xmlNode *root, const char *path, bool is_size, uint64_t *value) {
        xmlNode *element = xml_find(root, path);
        g_autofree char *text = xml_text(element), *unit = is_size ? xml_attribute(element, "unit") : NULL;
        uint64_t factor = is_size ? xml_unit(unit ? unit : "KiB") : 1;
        if (!text || factor == 0 || !g_ascii_string_to_unsigned(text, 10, 0, UINT64_MAX / factor, value, NULL))
                return false;
        *value *= factor;
        return true;
}

bool scope_has_limits(xmlDoc *document) {
        static const char *const paths[] = { "cputune/shares",     "cputune/global_quota",    "memtune/hard_limit",
                                             "memtune/soft_limit", "memtune/swap_hard_limit", "blkiotune/weight" };
        uint64_t value;
        for (size_t i = 0; i < G_N_ELEMENTS(paths); i++)
                if (read_limit(xmlDocGetRootElement(document), paths[i], false, &value))
                        return true;
        return false;
}

static int append_limit(sd_bus_message *message, const char *name, uint64_t value) {
        return sd_bus_message_append(message, "(sv)", name, "t", value);
}

/* What the document asks for as properties of a unit. systemd writes them into whichever kind of control group it has. ALL: what
 * is not asked for is not limited any more. */
static int append_limits(sd_bus_message *message, xmlNode *root, bool all) {
        static const struct {
                const char *path, *unified, *legacy;
                bool is_size;
        } limits[] = {
                { "cputune/shares", "CPUWeight", "CPUShares", false },
                { "blkiotune/weight", "IOWeight", "BlockIOWeight", false },
                { "memtune/hard_limit", "MemoryMax", "MemoryLimit", true },
                { "memtune/soft_limit", "MemoryHigh", NULL, true },
        };
        uint64_t value, hard = 0, period = PERIOD_DEFAULT;
        bool unified = is_unified();
        int r = 0;
        for (size_t i = 0; r >= 0 && i < G_N_ELEMENTS(limits); i++) {
                const char *name = unified ? limits[i].unified : limits[i].legacy;
                bool given = read_limit(root, limits[i].path, limits[i].is_size, &value);
                if (name && (given || all))
                        r = append_limit(message, name, given ? value : UINT64_MAX);
        }
        read_limit(root, "cputune/global_period", false, &period);
        if (r >= 0 && period > 0 && read_limit(root, "cputune/global_quota", false, &value) && value < UINT64_MAX / 1000000)
                r = append_limit(message, "CPUQuotaPerSecUSec", value * 1000000 / period);
        else if (r >= 0 && all)
                r = append_limit(message, "CPUQuotaPerSecUSec", UINT64_MAX);
        /* Of memory and swap together in the document, of swap alone for systemd. */
        read_limit(root, "memtune/hard_limit", true, &hard);
        if (r >= 0 && unified && read_limit(root, "memtune/swap_hard_limit", true, &value))
                r = append_limit(message, "MemorySwapMax", value > hard ? value - hard : 0);
        else if (r >= 0 && unified && all)
                r = append_limit(message, "MemorySwapMax", UINT64_MAX);
        return r;
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

static int on_answered(sd_bus_message *answer, void *data, sd_bus_error *unused) {
        struct ScopeCall *call = data;
        Guest *guest = call->guest;
        const sd_bus_error *fault = sd_bus_message_get_error(answer);
        g_autoptr(GError) error = NULL;
        ScopeDone done = call->done;
        (void) unused;
        if (fault && call->limited)
                domain_fail(guest->domain, &error, VIRTBUS_ERROR_UNSUPPORTED,
                            "its limits need systemd-machined, which says: %.256s; install it, or leave <cputune>, <memtune> and "
                            "<blkiotune> out",
                            fault->message);
        else if (fault && !sd_bus_error_has_name(fault, SD_BUS_ERROR_SERVICE_UNKNOWN) &&
                 !sd_bus_error_has_name(fault, SD_BUS_ERROR_NAME_HAS_NO_OWNER))
                log_warning("domain '%s': it is not registered with systemd-machined: %s", domain_name(guest->domain),
                            fault->message);
        guest->scope_call = NULL;
        scope_call_free(call);
        done(guest, error);
        return 1;
}

static void send_call(Guest *guest, sd_bus_message *message, int r, bool limited, ScopeDone done) {
        g_autoptr(GError) error = NULL;
        struct ScopeCall *call = g_new0(struct ScopeCall, 1);
        *call = (struct ScopeCall){ .guest = guest, .done = done, .limited = limited };
        if (r >= 0)
                r = sd_bus_call_async(guest->domain->connection->bus, &call->slot, message, on_answered, call, ANSWER_TIMEOUT);
        if (r >= 0) {
                guest->scope_call = call;
                return;
        }
        g_free(call);
        virtbus_error_set_errno(&error, -r, "domain '%s': systemd cannot be asked", domain_name(guest->domain));
        done(guest, limited ? error : NULL);
}

void scope_create(Guest *guest, xmlDoc *document, ScopeDone done) {
        Domain *domain = guest->domain;
        g_autoptr(sd_bus_message) message = NULL;
        g_autoptr(GError) error = NULL;
        sd_id128_t id;
        bool limited = scope_has_limits(document);
        if (!domain->connection->bus || !domain->connection->privileged) {
                if (limited)
                        domain_fail(domain, &error, VIRTBUS_ERROR_UNSUPPORTED,
                                    "its limits need the system's systemd; leave <cputune>, <memtune> and <blkiotune> out");
                done(guest, error);
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
        send_call(guest, message, r, limited, done);
}

void scope_set_limits(Guest *guest, xmlDoc *document, ScopeDone done) {
        Domain *domain = guest->domain;
        g_autoptr(sd_bus_message) message = NULL;
        g_autofree char *unit = NULL;
        g_autoptr(GError) error = NULL;
        char *found = NULL;
        if (domain->connection->bus && domain->connection->privileged &&
            sd_pid_get_unit(process_pid(guest->process), &found) >= 0)
                unit = g_strdup(found);
        free(found);
        if (!unit || !g_str_has_suffix(unit, ".scope")) {
                domain_fail(domain, &error, VIRTBUS_ERROR_UNSUPPORTED, "it has no scope of systemd's, whose limits could be set");
                done(guest, error);
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
        send_call(guest, message, r, true, done);
}
