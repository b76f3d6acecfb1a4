/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Descriptors of this program that are handed over, by --fd=GROUP=NUMBER. */

#include <errno.h>
#include <fcntl.h>
#include <gio/gunixfdlist.h>
#include <string.h>

#include "ctl.h"

/* Of one --fd: its number in the list; -1 with the error. */
static int add_one(const char *text, GUnixFDList *fds, char **group, GError **error) {
        const char *equals = strrchr(text, '=');
        guint64 number = 0;
        if (!equals || equals == text || !g_ascii_string_to_unsigned(equals + 1, 10, 0, G_MAXINT, &number, NULL)) {
                ctl_invalid(error,
                            "--fd=%s is not the name of a group and the number of an open descriptor: such as --fd=disk=3 "
                            "3<>IMAGE",
                            text);
                return -1;
        }
        if (fcntl((int) number, F_GETFD) < 0) {
                ctl_invalid(error, "--fd=%s: descriptor %d is not open: let the shell open it, by %d<>IMAGE", text, (int) number,
                            (int) number);
                return -1;
        }
        *group = g_strndup(text, (gsize) (equals - text));
        return g_unix_fd_list_append(fds, (int) number, error);
}

/* The handles of a group's other descriptors, and this one. */
static GVariant *join(GVariant *before, int handle) {
        GVariantBuilder handles;
        g_variant_builder_init(&handles, G_VARIANT_TYPE("ah"));
        for (gsize i = 0; before && i < g_variant_n_children(before); i++)
                g_variant_builder_add_value(&handles, g_variant_get_child_value(before, i));
        g_variant_builder_add(&handles, "h", handle);
        return g_variant_builder_end(&handles);
}

GVariant *ctl_with_fds(const Ctl *ctl, GVariant *options, GUnixFDList **fds, GError **error) {
        g_autoptr(GVariant) taken = g_variant_ref_sink(options);
        *fds = NULL;
        if (!ctl->fds)
                return g_steal_pointer(&taken);
        g_autoptr(GUnixFDList) list = g_unix_fd_list_new();
        g_auto(GVariantDict) groups = G_VARIANT_DICT_INIT(NULL), all = G_VARIANT_DICT_INIT(taken);
        if (ctl->host) {
                ctl_invalid(error, "--fd: descriptors do not pass to another host");
                return NULL;
        }
        for (char **text = ctl->fds; *text; text++) {
                g_autofree char *group = NULL;
                int handle = add_one(*text, list, &group, error);
                if (handle < 0)
                        return NULL;
                g_autoptr(GVariant) before = g_variant_dict_lookup_value(&groups, group, G_VARIANT_TYPE("ah"));
                g_variant_dict_insert_value(&groups, group, join(before, handle));
        }
        g_autoptr(GVariant) variants = g_variant_ref_sink(g_variant_dict_end(&groups));
        GVariantBuilder value;
        GVariantIter iterator;
        const char *name;
        GVariant *handles;
        g_variant_builder_init(&value, G_VARIANT_TYPE("a{sah}"));
        g_variant_iter_init(&iterator, variants);
        while (g_variant_iter_loop(&iterator, "{&sv}", &name, &handles))
                g_variant_builder_add(&value, "{s@ah}", name, handles);
        g_variant_dict_insert_value(&all, "fds", g_variant_builder_end(&value));
        *fds = g_steal_pointer(&list);
        return g_variant_ref_sink(g_variant_dict_end(&all));
}
