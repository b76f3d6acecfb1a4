/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* filter COMMAND: the network filters of this machine. */

#include <string.h>

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

static bool has_name(const char *word, const char *name) {
        size_t length = strlen(name);
        return strncmp(word, name, length) == 0 && word[length] == '=';
}

/* NAME=VALUE, a list where a name is there again, as a{sas}. */
static GVariant *parameters_of(char **words, GError **error) {
        GVariantBuilder builder;
        g_variant_builder_init(&builder, G_VARIANT_TYPE("a{sas}"));
        for (char **word = words; *word; word++) {
                g_autofree char *name = g_strndup(*word, strcspn(*word, "="));
                bool is_first = true;
                if (!strchr(*word, '=')) {
                        ctl_invalid(error, "'%s' is not of the form NAME=VALUE", *word);
                        g_variant_builder_clear(&builder);
                        return NULL;
                }
                for (char **before = words; before != word; before++)
                        is_first = is_first && !has_name(*before, name);
                if (!is_first)
                        continue;
                g_variant_builder_open(&builder, G_VARIANT_TYPE("{sas}"));
                g_variant_builder_add(&builder, "s", name);
                g_variant_builder_open(&builder, G_VARIANT_TYPE("as"));
                for (char **same = word; *same; same++)
                        if (has_name(*same, name))
                                g_variant_builder_add(&builder, "s", *same + strlen(name) + 1);
                g_variant_builder_close(&builder);
                g_variant_builder_close(&builder);
        }
        return g_variant_builder_end(&builder);
}

/* The interface that rules are shown for. */
#define SHOWN_INTERFACE "vnet0"

static int translate(Ctl *ctl, const HostKind *kind, char **arguments) {
        g_autoptr(GError) error = NULL;
        GVariant *parameters = parameters_of(arguments + 1, &error);
        g_autoptr(GVariant) answer = parameters ? host_kind_ask_of_file(ctl, kind, "FilterXMLToNative", arguments[0],
                                                                        g_variant_new("(s@a{sas}@a{sv})", SHOWN_INTERFACE,
                                                                                      parameters, ctl_options(NULL, NULL)),
                                                                        &error)
                                                : NULL;
        const char *rules;
        if (!answer)
                return ctl_fail(g_steal_pointer(&error));
        g_variant_get(answer, "(&s)", &rules);
        g_autofree char *printable = output_printable(rules);
        output_page(ctl, printable);
        return EXIT_DONE;
}

static const HostCommand commands[] = {
        { "list", 0, 0, "", list },
        { "show", 1, 1, "FILTER", host_kind_show },
        { "define", 1, G_MAXUINT, "FILE...", host_kind_define },
        { "undefine", 1, G_MAXUINT, "FILTER...", host_kind_undefine },
        { "translate", 1, G_MAXUINT, "FILE [NAME=VALUE...]", translate },
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
