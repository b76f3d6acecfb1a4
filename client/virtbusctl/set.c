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
        KIND_COUNT,  /* a number */
        KIND_TEXT,   /* as it is */
        KIND_SWITCH, /* on or off */
        KIND_MEDIUM, /* PATH[,FORMAT], or nothing */
} Kind;

/* What has a method of its own. Those that are NUMBERED are of one of several: vcpu_cpus.3. */
static const struct Setting {
        const char *name, *interface, *method;
        Kind kind;
        bool is_numbered;
        const char *off; /* of a switch, where that is another method */
} settings[] = {
        { "memory", DOMAIN, "SetMemory", KIND_SIZE },
        { "vcpus", DOMAIN, "SetVCPUs", KIND_COUNT },
        { "vcpu_cpus", DOMAIN, "PinVCPU", KIND_TEXT, .is_numbered = true },
        { "emulator_cpus", DOMAIN, "PinEmulator", KIND_TEXT },
        { "iothread", DOMAIN, "AddIOThread", KIND_SWITCH, .is_numbered = true, .off = "RemoveIOThread" },
        { "iothread_cpus", DOMAIN, "PinIOThread", KIND_TEXT, .is_numbered = true },
        { "memory_nodes", DOMAIN, "SetMemoryNodes", KIND_TEXT },
        { "size", DISK, "Resize", KIND_SIZE },
        { "media", DISK, "ChangeMedia", KIND_MEDIUM },
        { "link", CARD, "SetLink", KIND_SWITCH },
};

/* Everything else is a limit, whose names the service knows. All that are given are set by one call. */
static const struct {
        const char *interface, *method;
} limits[] = { { DOMAIN, "SetLimits" }, { DISK, "SetIOLimits" }, { CARD, "SetBandwidth" } };

typedef struct Target {
        const char *path;
        VirtbusObject *device; /* NULL: the domain itself */
} Target;

static bool has_interface(const Target *target, const char *interface) {
        if (!target->device)
                return strcmp(interface, DOMAIN) == 0;
        g_autoptr(GDBusInterface) found = g_dbus_object_get_interface(G_DBUS_OBJECT(target->device), interface);
        return found != NULL;
}

static bool fail(GError **error, const char *name, const char *value, const char *what) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, "%s=%s: %s", name, value, what);
        return false;
}

static bool read_limit(const char *name, const char *value, guint64 *limit, GError **error) {
        *limit = 0;
        return strcmp(value, "off") == 0 || ctl_read_size(value, limit) ||
               fail(error, name, value, "it is no number, such as 5000 or 10M, nor off");
}

/* Adds a value to a call's arguments. */
static bool add_value(GVariantBuilder *arguments, const struct Setting *setting, const char *name, const char *value,
                      GError **error) {
        guint64 number = 0;
        switch (setting->kind) {
        case KIND_SIZE:
                if (!ctl_read_size(value, &number))
                        return fail(error, name, value, "it is no size, such as 512M or 2G");
                g_variant_builder_add(arguments, "t", number);
                return true;
        case KIND_COUNT:
                if (!g_ascii_string_to_unsigned(value, 10, 0, G_MAXUINT32, &number, NULL))
                        return fail(error, name, value, "it is no number");
                g_variant_builder_add(arguments, "u", (guint32) number);
                return true;
        case KIND_TEXT:
                g_variant_builder_add(arguments, "s", value);
                return true;
        case KIND_SWITCH:
                if (strcmp(value, "on") != 0 && strcmp(value, "off") != 0)
                        return fail(error, name, value, "it is neither on nor off");
                if (!setting->off)
                        g_variant_builder_add(arguments, "b", strcmp(value, "on") == 0);
                return true;
        case KIND_MEDIUM: {
                g_autofree char *path = NULL, *format = NULL;
                if (*value)
                        ctl_read_image(value, &path, &format);
                g_variant_builder_add(arguments, "s", path ? path : "");
                g_variant_builder_add(arguments, "s", format ? format : "");
                return true;
        }
        }
        return false;
}

/* Makes the call that a setting is. */
static GVariant *make_call(const Ctl *ctl, const struct Setting *setting, const char *name, const char *number, const char *value,
                           GError **error) {
        GVariantBuilder arguments;
        guint64 which;
        g_variant_builder_init(&arguments, G_VARIANT_TYPE_TUPLE);
        bool is_fine = !!number == setting->is_numbered &&
                       (!number || g_ascii_string_to_unsigned(number, 10, 0, G_MAXUINT32, &which, NULL));
        if (!is_fine)
                fail(error, name, value, setting->is_numbered ? "say which: NAME.NUMBER=VALUE" : "there is only one");
        else if (number)
                g_variant_builder_add(&arguments, "u", (guint32) which);
        if (!is_fine || !add_value(&arguments, setting, name, value, error)) {
                g_variant_builder_clear(&arguments);
                return NULL;
        }
        g_variant_builder_add_value(&arguments, ctl_change_options(ctl, setting->kind == KIND_MEDIUM && ctl->force));
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
        if (g_variant_n_children(rest) == 0)
                return g_steal_pointer(&changes);
        const char *name;
        g_variant_get_child(rest, 0, "{&st}", &name, NULL);
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, "%s: a device of this kind has nothing of that name", name);
        return NULL;
}

int verb_set(Ctl *ctl, char **arguments) {
        int status = EXIT_DONE;
        g_autoptr(VirtbusDomain) domain = ctl_find(ctl, arguments[0], &status);
        g_autoptr(GError) error = NULL;
        g_autoptr(VirtbusObject) device = NULL;
        char **pairs = arguments + 1;
        if (!domain)
                return status;
        if (!strchr(*pairs, '=') && !(device = ctl_find_device(ctl, domain, *pairs++, NULL, &error)))
                return ctl_fail(g_steal_pointer(&error));
        const Target target = { device ? g_dbus_object_get_object_path(G_DBUS_OBJECT(device)) : ctl_path(domain), device };
        g_autoptr(GPtrArray) changes = read_changes(ctl, &target, pairs, &error);
        if (!changes || changes->len == 0) {
                fprintf(stderr, "virtbusctl: %s\n", error ? error->message : "what is to be set? Say NAME=VALUE");
                return EXIT_USAGE;
        }
        for (guint i = 0; i < changes->len && status == EXIT_DONE; i++) {
                const Change *change = changes->pdata[i];
                status = ctl_do(ctl, target.path, change->interface, change->method, change->arguments);
        }
        return status;
}
