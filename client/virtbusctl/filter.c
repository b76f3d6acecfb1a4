/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* filter COMMAND: the network filters of this machine. */

#include "host-kind.h"

/* By UUID, or by name. */
static char *find(Ctl *ctl, const HostKind *kind, const char *text, int *status) {
        bool is_uuid = g_uuid_string_is_valid(text);
        return host_kind_ask(ctl, kind, is_uuid ? "GetFilterByUUID" : "GetFilterByName", g_variant_new("(s)", text), NULL,
                             status);
}

static void add_row(void *table, const char *path, GVariant *properties) {
        (void) path;
        const char *name = "", *chain = "", *uuid = "";
        char **cells = g_new0(char *, 6);
        gint32 priority = 0;
        g_autofree const char **references = NULL;
        g_variant_lookup(properties, "Name", "&s", &name);
        g_variant_lookup(properties, "Chain", "&s", &chain);
        g_variant_lookup(properties, "Priority", "i", &priority);
        g_variant_lookup(properties, "References", "^a&s", &references);
        g_variant_lookup(properties, "UUID", "&s", &uuid);
        cells[0] = g_strdup(name);
        cells[1] = g_strdup(chain);
        cells[2] = g_strdup_printf("%d", priority);
        cells[3] = references && *references ? g_strjoinv(" ", (char **) references) : g_strdup("-");
        cells[4] = g_strdup(uuid);
        table_add(table, cells);
}

static int list(Ctl *ctl, const HostKind *kind, char **arguments) {
        static const char *const headings[] = { "NAME", "CHAIN", "PRIORITY", "+INCLUDES", "+UUID", NULL };
        (void) arguments;
        return host_kind_list(ctl, kind, headings, add_row);
}

static const HostCommand commands[] = {
        { "list", 0, 0, "", list },
        { "show", 1, 1, "FILTER", host_kind_show },
        { "define", 1, G_MAXUINT, "FILE...", host_kind_define },
        { "undefine", 1, G_MAXUINT, "FILTER...", host_kind_undefine },
        { NULL },
};

const HostKind host_kind_filter = {
        .noun = "filter",
        .interface = "org.virtbus1.NetworkFilter",
        .collection = "org.virtbus1.NetworkFilters",
        .define = "DefineFilter",
        .find = find,
        .commands = commands,
};

int verb_filter(Ctl *ctl, char **arguments) {
        return host_kind_run(ctl, &host_kind_filter, arguments);
}
