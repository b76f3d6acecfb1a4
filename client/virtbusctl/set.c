/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Changing what a domain and its devices have, as NAME=VALUE. */

#include <stdio.h>
#include <string.h>

#include "ctl.h"

#define DOMAIN "org.virtbus1.Domain"
#define DISK "org.virtbus1.Device.Disk"
#define CARD "org.virtbus1.Device.NetworkInterface"

typedef enum Kind {
        KIND_SIZE,   /* bytes, or with K, M, G, T */
        KIND_GROWTH, /* the same, or +SIZE: so much more than it is now */
        KIND_COUNT,  /* a number */
        KIND_TEXT,   /* as it is */
        KIND_SWITCH, /* on or off */
        KIND_MEDIUM, /* PATH[,FORMAT], or nothing */
        KIND_MEMBER, /* a number, which is one of several by the name PART */
} Kind;

/* What has a method of its own. Those that are NUMBERED are of one of several: vcpu_cpus.3. */
static const struct Setting {
        const char *name, *interface, *method;
        Kind kind;
        bool is_numbered;
        const char *off;  /* of a switch, where that is another method */
        const char *part; /* the first argument, of one that is not numbered; of a member its name */
        bool is_listed;   /* what is numbered may be a list: vcpu.1-3 */
} settings[] = {
        { "title", DOMAIN, "SetTitle", KIND_TEXT },
        { "description", DOMAIN, "SetDescription", KIND_TEXT },
        { "max_memory", DOMAIN, "SetMaxMemory", KIND_SIZE },
        { "max_vcpus", DOMAIN, "SetMaxVCPUs", KIND_COUNT },
        { "memory", DOMAIN, "SetMemory", KIND_SIZE },
        { "vcpus", DOMAIN, "SetVCPUs", KIND_COUNT },
        { "vcpu", DOMAIN, "SetVCPUList", KIND_SWITCH, .is_numbered = true, .is_listed = true },
        { "on_poweroff", DOMAIN, "SetLifecycleAction", KIND_TEXT, .part = "poweroff" },
        { "on_reboot", DOMAIN, "SetLifecycleAction", KIND_TEXT, .part = "reboot" },
        { "on_crash", DOMAIN, "SetLifecycleAction", KIND_TEXT, .part = "crash" },
        { "vcpu_cpus", DOMAIN, "PinVCPU", KIND_TEXT, .is_numbered = true },
        { "emulator_cpus", DOMAIN, "PinEmulator", KIND_TEXT },
        { "iothread", DOMAIN, "AddIOThread", KIND_SWITCH, .is_numbered = true, .off = "RemoveIOThread" },
        { "iothread_cpus", DOMAIN, "PinIOThread", KIND_TEXT, .is_numbered = true },
        { "iothread_poll_max_ns", DOMAIN, "SetIOThread", KIND_MEMBER, .is_numbered = true, .part = "poll_max_ns" },
        { "iothread_poll_grow", DOMAIN, "SetIOThread", KIND_MEMBER, .is_numbered = true, .part = "poll_grow" },
        { "iothread_poll_shrink", DOMAIN, "SetIOThread", KIND_MEMBER, .is_numbered = true, .part = "poll_shrink" },
        { "iothread_pool_min", DOMAIN, "SetIOThread", KIND_MEMBER, .is_numbered = true, .part = "thread_pool_min" },
        { "iothread_pool_max", DOMAIN, "SetIOThread", KIND_MEMBER, .is_numbered = true, .part = "thread_pool_max" },
        { "memory_nodes", DOMAIN, "SetMemoryNodes", KIND_TEXT },
        { "size", DISK, "Resize", KIND_GROWTH },
        { "media", DISK, "ChangeMedia", KIND_MEDIUM },
        { "link", CARD, "SetLink", KIND_SWITCH },
};

/* Everything else is a limit. All that are given are set by one call. */
static const struct {
        const char *interface, *method;
        const char *const *names;
} limits[] = {
        { DOMAIN, "SetLimits",
          (const char *const[]){ "cpu_shares", "cpu_quota", "cpu_period", "vcpu_quota", "vcpu_period", "emulator_quota",
                                 "emulator_period", "iothread_quota", "iothread_period", "memory_hard_limit", "memory_soft_limit",
                                 "swap_hard_limit", "blkio_weight", NULL } },
        { DISK, "SetIOLimits",
          (const char *const[]){ "total_bytes_sec",
                                 "read_bytes_sec",
                                 "write_bytes_sec",
                                 "total_iops_sec",
                                 "read_iops_sec",
                                 "write_iops_sec",
                                 "total_bytes_sec_max",
                                 "read_bytes_sec_max",
                                 "write_bytes_sec_max",
                                 "total_iops_sec_max",
                                 "read_iops_sec_max",
                                 "write_iops_sec_max",
                                 "total_bytes_sec_max_length",
                                 "read_bytes_sec_max_length",
                                 "write_bytes_sec_max_length",
                                 "total_iops_sec_max_length",
                                 "read_iops_sec_max_length",
                                 "write_iops_sec_max_length",
                                 "size_iops_sec",
                                 NULL } },
        { CARD, "SetBandwidth",
          (const char *const[]){ "inbound_average", "inbound_peak", "inbound_burst", "outbound_average", "outbound_peak",
                                 "outbound_burst", NULL } },
};

typedef struct Target {
        const char *path;
        VirtbusObject *device; /* NULL: the domain itself */
} Target;

static bool object_has(VirtbusObject *device, const char *interface) {
        if (!device)
                return strcmp(interface, DOMAIN) == 0;
        g_autoptr(GDBusInterface) found = g_dbus_object_get_interface(G_DBUS_OBJECT(device), interface);
        return found != NULL;
}

static bool has_interface(const Target *target, const char *interface) {
        return object_has(target->device, interface);
}

char **setting_names(VirtbusObject *device) {
        g_autoptr(GStrvBuilder) names = g_strv_builder_new();
        for (size_t i = 0; i < G_N_ELEMENTS(settings); i++)
                if (object_has(device, settings[i].interface)) {
                        g_autofree char *name = g_strconcat(settings[i].name,
                                                            settings[i].is_listed     ? ".1"
                                                            : settings[i].is_numbered ? ".0"
                                                                                      : "",
                                                            NULL);
                        g_strv_builder_add(names, name);
                }
        for (size_t i = 0; i < G_N_ELEMENTS(limits); i++)
                if (object_has(device, limits[i].interface))
                        g_strv_builder_addv(names, (const char **) limits[i].names);
        return g_strv_builder_end(names);
}

/* What can be set there, for who has typed something else. */
static char *known_settings(const Target *target, const char *name) {
        g_auto(GStrv) names = setting_names(target->device);
        g_autofree char *list = g_strjoinv(", ", names), *hint = suggestion(name, (const char *const *) names);
        if (*hint)
                return g_steal_pointer(&hint);
        return *list ? g_strdup_printf("; there are: %s", list) : g_strdup("; a device of this kind has no settings");
}

static bool fail(GError **error, const char *name, const char *value, const char *what) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, "%s=%s: %s", name, value, what);
        return false;
}

static bool read_limit(const char *name, const char *value, guint64 *limit, GError **error) {
        *limit = 0;
        return strcmp(value, "off") == 0 || ctl_read_size(value, limit) ||
               fail(error, name, value, "it is neither a number, such as 5000 or 10M, nor off");
}

/* Adds a value to a call's arguments. */
static bool add_value(const Ctl *ctl, GVariantBuilder *arguments, const struct Setting *setting, const char *name,
                      const char *value, GError **error) {
        guint64 number = 0;
        switch (setting->kind) {
        case KIND_SIZE:
                if (!ctl_read_size(value, &number))
                        return fail(error, name, value, "it is not a size, such as 512M or 2G");
                if (number < MEMORY_LIKELY_MIN)
                        return fail(error, name, value, "that is in bytes; add M for mebibytes");
                g_variant_builder_add(arguments, "t", number);
                return true;
        case KIND_GROWTH:
                if (!ctl_read_size(value + (value[0] == '+'), &number))
                        return fail(error, name, value, "it is not a size, such as 20G, or +10G for so much more");
                g_variant_builder_add(arguments, "t", number);
                return true;
        case KIND_COUNT:
                if (!g_ascii_string_to_unsigned(value, 10, 0, G_MAXUINT32, &number, NULL))
                        return fail(error, name, value, "it is not a number");
                g_variant_builder_add(arguments, "u", (guint32) number);
                return true;
        case KIND_MEMBER:
                if (!ctl_read_size(value, &number))
                        return fail(error, name, value, "it is not a number");
                g_variant_builder_open(arguments, G_VARIANT_TYPE("a{st}"));
                g_variant_builder_add(arguments, "{st}", setting->part, number);
                g_variant_builder_close(arguments);
                return true;
        case KIND_TEXT:
                if (setting->part)
                        g_variant_builder_add(arguments, "s", setting->part);
                g_variant_builder_add(arguments, "s", value);
                return true;
        case KIND_SWITCH:
                if (strcmp(value, "on") != 0 && strcmp(value, "off") != 0)
                        return fail(error, name, value, "it is neither on nor off");
                if (!setting->off)
                        g_variant_builder_add(arguments, "b", strcmp(value, "on") == 0);
                return true;
        case KIND_MEDIUM: {
                g_autoptr(DiskSpec) spec = *value ? disk_spec_read(ctl, value, error) : NULL;
                if (*value && !spec)
                        return false;
                if (spec && (spec->size > 0 || spec->bus || spec->serial || spec->cache))
                        return fail(error, name, value, "a medium has a path and a format, no more");
                g_variant_builder_add(arguments, "s", spec ? spec->path : "");
                g_variant_builder_add(arguments, "s", spec ? spec->format : "");
                return true;
        }
        }
        return false;
}

/* The options of a call: Resize has its own. */
static GVariant *call_options(const Ctl *ctl, const struct Setting *setting, const char *value) {
        if (setting->kind == KIND_GROWTH)
                return ctl_options(ctl->force        ? "shrink"
                                   : value[0] == '+' ? "add"
                                                     : NULL,
                                   ctl->force && value[0] == '+' ? "add" : NULL, NULL);
        return ctl_change_options(ctl, setting->kind == KIND_MEDIUM && ctl->force);
}

/* Makes the call that a setting is. */
static GVariant *make_call(const Ctl *ctl, const struct Setting *setting, const char *name, const char *number, const char *value,
                           GError **error) {
        GVariantBuilder arguments;
        guint64 which;
        g_variant_builder_init(&arguments, G_VARIANT_TYPE_TUPLE);
        bool is_fine = !!number == setting->is_numbered &&
                       (!number || setting->is_listed || g_ascii_string_to_unsigned(number, 10, 0, G_MAXUINT32, &which, NULL));
        if (!is_fine)
                fail(error, name, value, setting->is_numbered ? "say which: NAME.NUMBER=VALUE" : "there is only one");
        else if (number && setting->is_listed)
                g_variant_builder_add(&arguments, "s", number);
        else if (number)
                g_variant_builder_add(&arguments, "u", (guint32) which);
        if (!is_fine || !add_value(ctl, &arguments, setting, name, value, error)) {
                g_variant_builder_clear(&arguments);
                return NULL;
        }
        g_variant_builder_add_value(&arguments, call_options(ctl, setting, value));
        return g_variant_builder_end(&arguments);
}

/* A call that is to be made: nothing is changed before all that was typed has been understood. */
typedef struct Change {
        const char *interface, *method;
        GVariant *arguments;
} Change;

static void change_free(Change *change) {
        g_variant_unref(change->arguments);
        g_free(change);
}

static void add_change(GPtrArray *changes, const char *interface, const char *method, GVariant *arguments) {
        Change *change = g_new0(Change, 1);
        *change = (Change){ interface, method, g_variant_ref_sink(arguments) };
        g_ptr_array_add(changes, change);
}

static bool is_limit(const Target *target, const char *name) {
        for (size_t i = 0; i < G_N_ELEMENTS(limits); i++)
                if (has_interface(target, limits[i].interface) && g_strv_contains(limits[i].names, name))
                        return true;
        return false;
}

/* Reads NAME=VALUE: a change of its own, or a limit. */
static bool read_pair(const Ctl *ctl, const Target *target, const char *text, GPtrArray *changes, GVariantBuilder *rest,
                      GError **error) {
        g_auto(GStrv) pair = g_strsplit(text, "=", 2);
        const char *dot = strchr(pair[0], '.');
        g_autofree char *base = dot ? g_strndup(pair[0], (gsize) (dot - pair[0])) : g_strdup(pair[0]);
        guint64 limit;
        if (!*pair[0] || !pair[1]) {
                g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, "'%s' is not NAME=VALUE", text);
                return false;
        }
        for (size_t i = 0; i < G_N_ELEMENTS(settings); i++) {
                const struct Setting *setting = settings + i;
                if (strcmp(setting->name, base) != 0 || !has_interface(target, setting->interface))
                        continue;
                GVariant *arguments = make_call(ctl, setting, pair[0], dot ? dot + 1 : NULL, pair[1], error);
                if (arguments)
                        add_change(changes, setting->interface,
                                   setting->off && strcmp(pair[1], "off") == 0 ? setting->off : setting->method, arguments);
                return arguments != NULL;
        }
        if (!is_limit(target, pair[0])) {
                g_autofree char *known = known_settings(target, base);
                g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, "'%s' cannot be set%s", pair[0], known);
                return false;
        }
        if (!read_limit(pair[0], pair[1], &limit, error))
                return false;
        g_variant_builder_add(rest, "{st}", pair[0], limit);
        return true;
}

static GPtrArray *read_changes(const Ctl *ctl, const Target *target, char **pairs, GError **error) {
        g_autoptr(GPtrArray) changes = g_ptr_array_new_with_free_func((GDestroyNotify) change_free);
        g_autoptr(GVariantBuilder) builder = g_variant_builder_new(G_VARIANT_TYPE("a{st}"));
        for (; *pairs; pairs++)
                if (!read_pair(ctl, target, *pairs, changes, builder, error))
                        return NULL;
        g_autoptr(GVariant) rest = g_variant_ref_sink(g_variant_builder_end(builder));
        for (size_t i = 0; i < G_N_ELEMENTS(limits) && g_variant_n_children(rest) > 0; i++)
                if (has_interface(target, limits[i].interface)) {
                        add_change(changes, limits[i].interface, limits[i].method,
                                   g_variant_new("(@a{st}@a{sv})", rest, ctl_change_options(ctl, false)));
                        return g_steal_pointer(&changes);
                }
        return g_steal_pointer(&changes);
}

/* Of a domain that is off, what it is given at most follows what it is given. */
static int raise_maxima(Ctl *ctl, VirtbusDomain *domain, const GPtrArray *changes) {
        int status = EXIT_DONE;
        if (virtbus_domain_get_active(domain))
                return status;
        for (guint i = 0; i < changes->len && status == EXIT_DONE; i++) {
                const Change *change = changes->pdata[i];
                g_autoptr(GVariant) value = g_variant_get_child_value(change->arguments, 0);
                if (strcmp(change->method, "SetMemory") == 0 &&
                    g_variant_get_uint64(value) > virtbus_domain_get_max_memory(domain))
                        status = ctl_do(ctl, ctl_path(domain), DOMAIN, "SetMaxMemory",
                                        g_variant_new("(t@a{sv})", g_variant_get_uint64(value), ctl_options(NULL, NULL)));
                else if (strcmp(change->method, "SetVCPUs") == 0 &&
                         g_variant_get_uint32(value) > virtbus_domain_get_max_vcpus(domain))
                        status = ctl_do(ctl, ctl_path(domain), DOMAIN, "SetMaxVCPUs",
                                        g_variant_new("(u@a{sv})", g_variant_get_uint32(value), ctl_options(NULL, NULL)));
        }
        return status;
}

int verb_set(Ctl *ctl, char **arguments) {
        int status = EXIT_DONE;
        g_autoptr(VirtbusDomain) domain = ctl_find(ctl, arguments[0], &status);
        g_autoptr(GError) error = NULL;
        g_autoptr(VirtbusObject) device = NULL;
        g_auto(GStrv) names = setting_names(NULL);
        const char *const *domain_settings = (const char *const *) names;
        char **pairs = arguments + 1;
        if (!domain)
                return status;
        if (!strchr(*pairs, '=') && g_strv_contains(domain_settings, *pairs)) {
                ctl_say("say what it is to be: %s=VALUE", *pairs);
                return EXIT_USAGE;
        }
        if (!strchr(*pairs, '=') && !(device = ctl_find_device(ctl, domain, *pairs++, NULL, &error)))
                return ctl_fail(g_steal_pointer(&error));
        const Target target = { device ? g_dbus_object_get_object_path(G_DBUS_OBJECT(device)) : ctl_path(domain), device };
        g_autoptr(GPtrArray) changes = read_changes(ctl, &target, pairs, &error);
        if (!changes || changes->len == 0) {
                ctl_say("%s", error ? error->message : "what is to be set? Say NAME=VALUE");
                return EXIT_USAGE;
        }
        if (!device)
                status = raise_maxima(ctl, domain, changes);
        for (guint i = 0; i < changes->len && status == EXIT_DONE; i++) {
                const Change *change = changes->pdata[i];
                status = ctl_do(ctl, target.path, change->interface, change->method, change->arguments);
        }
        return status;
}
