/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Network cards as a person writes them: KIND[=NAME][,mac=ADDRESS][,model=MODEL]. */

#include <string.h>

#include "ctl.h"

/* The kinds, with the attribute of <source> that says which; NULL: there is only one. */
static const struct {
        const char *kind, *attribute;
} kinds[] = { { "user", NULL }, { "network", "network" }, { "bridge", "bridge" }, { "direct", "dev" } };

#define KINDS "user, none, default, network=NAME, bridge=NAME, direct=INTERFACE"

static bool fail(GError **error, const char *text) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                    "--network=%s is not one of " KINDS "; ,mac=ADDRESS and ,model=MODEL may follow", text);
        return false;
}

/* Adds the source of a card of a kind; false: it is not one. */
static bool add_source(GString *xml, const char *kind, const char *name) {
        for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++) {
                if (strcmp(kind, kinds[i].kind) != 0 || !!name != !!kinds[i].attribute || (name && !*name))
                        continue;
                g_autofree char *source =
                                name ? g_markup_printf_escaped("<source %s='%s'/>", kinds[i].attribute, name) : g_strdup("");
                g_string_append_printf(xml, "<interface type='%s'>%s", kind, source);
                return true;
        }
        return false;
}

bool network_add(GString *xml, const char *text, unsigned boot, GError **error) {
        g_auto(GStrv) parts = g_strsplit(text, ",", -1);
        g_auto(GStrv) source = parts[0] ? g_strsplit(parts[0], "=", 2) : NULL;
        g_autoptr(GString) more = g_string_new(NULL);
        const char *model = "virtio";
        if (!source || !source[0])
                return fail(error, text);
        bool is_default = strcmp(parts[0], "default") == 0;
        for (char **part = parts + 1; *part; part++)
                if (g_str_has_prefix(*part, "mac=")) {
                        g_autofree char *mac = g_markup_printf_escaped("<mac address='%s'/>", *part + strlen("mac="));
                        g_string_append(more, mac);
                } else if (g_str_has_prefix(*part, "model="))
                        model = *part + strlen("model=");
                else
                        return fail(error, text);
        if (strcmp(parts[0], "none") == 0 && !parts[1])
                return true;
        if (!add_source(xml, is_default ? "network" : source[0], is_default ? "default" : source[1]))
                return fail(error, text);
        g_autofree char *end = g_markup_printf_escaped("<model type='%s'/>", model);
        g_string_append_printf(xml, "%s%s", more->str, end);
        if (boot > 0)
                g_string_append_printf(xml, "<boot order='%u'/>", boot);
        g_string_append(xml, "</interface>");
        return true;
}
