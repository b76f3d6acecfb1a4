/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* interface COMMAND: the network interfaces of this machine. */

#include "host-kind.h"

static char *find(Ctl *ctl, const HostKind *kind, const char *text, int *status) {
        return host_kind_ask(ctl, kind, "GetInterfaceByName", g_variant_new("(s)", text), NULL, status);
}

/* As ADDRESS/PREFIX, with blanks between them. */
static char *addresses_of(GVariant *properties) {
        g_autoptr(GVariant) addresses = g_variant_lookup_value(properties, "Addresses", G_VARIANT_TYPE("a(su)"));
        g_autoptr(GString) text = g_string_new(NULL);
        for (gsize i = 0; addresses && i < g_variant_n_children(addresses); i++) {
                const char *address;
                guint32 prefix;
                g_variant_get_child(addresses, i, "(&su)", &address, &prefix);
                g_string_append_printf(text, "%s%s/%u", i > 0 ? " " : "", address, prefix);
        }
        return g_strdup(text->len > 0 ? text->str : "-");
}

static char *text_of(GVariant *properties, const char *name) {
        const char *text = "";
        g_variant_lookup(properties, name, "&s", &text);
        return g_strdup(*text ? text : "-");
}

static void add_row(void *table, const char *path, GVariant *properties) {
        char **cells = g_new0(char *, 9);
        guint32 mtu = 0;
        (void) path;
        g_variant_lookup(properties, "MTU", "u", &mtu);
        cells[0] = text_of(properties, "Name");
        cells[1] = text_of(properties, "Type");
        cells[2] = text_of(properties, "State");
        cells[3] = text_of(properties, "MAC");
        cells[4] = text_of(properties, "Master");
        cells[5] = addresses_of(properties);
        cells[6] = g_strdup_printf("%u", mtu);
        cells[7] = text_of(properties, "Kind");
        table_add(table, cells);
}

static int list(Ctl *ctl, const HostKind *kind, char **arguments) {
        static const char *const headings[] = { "NAME", "TYPE", "STATE", "MAC", "MASTER", "ADDRESSES", "+MTU", "+KIND", NULL };
        (void) arguments;
        return host_kind_list(ctl, kind, headings, add_row);
}

static int check(Ctl *ctl, const HostKind *kind, char **arguments) {
        g_autoptr(GError) error = NULL;
        g_autoptr(GVariant) answer = host_kind_ask_of_file(ctl, kind, "CheckInterfaceXML", arguments[0],
                                                           g_variant_new("(@a{sv})", ctl_options(NULL, NULL)), &error);
        const char *checked;
        if (!answer)
                return ctl_fail(g_steal_pointer(&error));
        g_variant_get(answer, "(&s)", &checked);
        g_autofree char *printable = output_printable(checked);
        output_page(ctl, printable);
        return EXIT_DONE;
}

static const HostCommand commands[] = {
        { "list", 0, 0, "", list },
        { "show", 1, 1, "INTERFACE", host_kind_show },
        { "check", 1, 1, "FILE", check },
        { NULL },
};

const HostKind host_kind_interface = {
        .noun = "interface",
        .interface = "org.virtbus1.Interface",
        .collection = "org.virtbus1.Interfaces",
        .find = find,
        .commands = commands,
};

int verb_interface(Ctl *ctl, char **arguments) {
        return host_kind_run(ctl, &host_kind_interface, arguments);
}
