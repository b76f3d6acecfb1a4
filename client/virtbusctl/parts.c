/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Lists, which are read in parts: they may be longer than any message of the bus, and few of their properties are wanted. */

#include <string.h>

#include "ctl.h"

/* What is asked for; AFTER is NULL where the service knows no parts, as that of another host may. */
static GVariant *ask(Ctl *ctl, const char *path, const char *after, GVariant *wanted, GError **error) {
        GVariantDict options;
        if (!after)
                return ctl_call(ctl, path, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects", NULL, NULL, NULL, error);
        g_variant_dict_init(&options, NULL);
        g_variant_dict_insert_value(&options, "properties", wanted);
        return ctl_call(ctl, path, "org.virtbus1.ManagedObjects", "GetPart",
                        g_variant_new("(s@a{sv})", after, g_variant_dict_end(&options)), NULL, NULL, error);
}

/* The first part, or the whole. */
static GVariant *ask_first(Ctl *ctl, const char *path, GVariant *wanted, GError **error) {
        g_autoptr(GError) failure = NULL;
        GVariant *part = ask(ctl, path, "", wanted, &failure);
        if (g_error_matches(failure, G_DBUS_ERROR, G_DBUS_ERROR_UNKNOWN_METHOD) ||
            g_error_matches(failure, G_DBUS_ERROR, G_DBUS_ERROR_UNKNOWN_INTERFACE))
                return ask(ctl, path, NULL, wanted, error);
        if (failure)
                g_propagate_error(error, g_steal_pointer(&failure));
        return part;
}

/* Only the interface that is wanted is in a part; of the whole it is looked for. */
static void each_of_part(GVariant *part, const char *interface, CtlEachObject each, void *data) {
        g_autoptr(GVariant) objects = g_variant_get_child_value(part, 0);
        GVariantIter iterator;
        const char *path;
        GVariant *interfaces;
        g_variant_iter_init(&iterator, objects);
        while (g_variant_iter_next(&iterator, "{&o@a{sa{sv}}}", &path, &interfaces)) {
                g_autoptr(GVariant) properties = g_variant_lookup_value(interfaces, interface, G_VARIANT_TYPE_VARDICT);
                if (properties)
                        each(data, path, properties);
                g_variant_unref(interfaces);
        }
}

bool ctl_each_object(Ctl *ctl, const char *path, const char *interface, const char *const *properties, CtlEachObject each,
                     void *data, GError **error) {
        static const char *const all[] = { NULL };
        GVariantBuilder builder;
        GError *failure = NULL;
        g_variant_builder_init(&builder, G_VARIANT_TYPE("a{sas}"));
        g_variant_builder_add(&builder, "{s^as}", interface, properties ? properties : all);
        g_autoptr(GVariant) wanted = g_variant_ref_sink(g_variant_builder_end(&builder));
        GVariant *part = ask_first(ctl, path, wanted, &failure);
        while (part) {
                g_autoptr(GVariant) taken = part;
                const char *next = "";
                if (g_variant_n_children(taken) > 1)
                        g_variant_get_child(taken, 1, "&s", &next);
                each_of_part(taken, interface, each, data);
                part = *next ? ask(ctl, path, next, wanted, &failure) : NULL;
        }
        if (failure)
                g_propagate_error(error, failure);
        return !failure;
}
