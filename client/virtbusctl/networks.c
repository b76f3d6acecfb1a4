/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* network COMMAND: the virtual networks of this machine. */

#include <string.h>

#include "host-kind.h"

/* By UUID, or by name. */
static char *find(Ctl *ctl, const HostKind *kind, const char *text, int *status) {
        bool is_uuid = g_uuid_string_is_valid(text);
        return host_kind_ask(ctl, kind, is_uuid ? "GetNetworkByUUID" : "GetNetworkByName", g_variant_new("(s)", text), NULL,
                             status);
}

static char *addresses_of(GVariant *properties) {
        g_autoptr(GVariant) addresses = g_variant_lookup_value(properties, "Addresses", G_VARIANT_TYPE("a(su)"));
        g_autoptr(GString) text = g_string_new(NULL);
        GVariantIter iterator;
        const char *address;
        guint32 prefix;
        if (addresses) {
                g_variant_iter_init(&iterator, addresses);
                while (g_variant_iter_next(&iterator, "(&su)", &address, &prefix))
                        g_string_append_printf(text, "%s%s/%u", text->len ? " " : "", address, prefix);
        }
        return g_strdup(text->len ? text->str : "-");
}

/* What is in a network's way, each a text; NULL at the end. */
static char **obstacles_of(GVariant *properties) {
        char **found = NULL;
        g_variant_lookup(properties, "Obstacles", "^as", &found);
        return found ? found : g_new0(char *, 1);
}

static void say_obstacles(Ctl *ctl, const HostKind *kind, const char *network) {
        int status;
        g_autofree char *path = find(ctl, kind, network, &status);
        g_autoptr(GVariant) properties = path ? ctl_properties(ctl, path, kind->interface, NULL) : NULL;
        g_auto(GStrv) found = properties ? obstacles_of(properties) : NULL;
        const char *name = "";
        for (char **text = found; text && *text; text++) {
                g_variant_lookup(properties, "Name", "&s", &name);
                ctl_say("network '%s': %s", name, *text);
        }
}

static void add_row(void *table, const char *path, GVariant *properties) {
        (void) path;
        static const char *const columns[] = { "Name", "ForwardMode", "Bridge" };
        char **cells = g_new0(char *, 9);
        g_auto(GStrv) obstacles = obstacles_of(properties);
        const char *uuid = "";
        for (size_t i = 0; i < G_N_ELEMENTS(columns); i++) {
                const char *value = "";
                g_variant_lookup(properties, columns[i], "&s", &value);
                cells[i] = g_strdup(*value ? value : "-");
        }
        g_variant_lookup(properties, "UUID", "&s", &uuid);
        cells[3] = addresses_of(properties);
        cells[4] = host_kind_yes_or_no(properties, "Active");
        cells[5] = host_kind_yes_or_no(properties, "Autostart");
        cells[6] = g_strdup(uuid);
        cells[7] = *obstacles ? g_strjoinv("; ", obstacles) : g_strdup("-");
        table_add(table, cells);
}

static int list(Ctl *ctl, const HostKind *kind, char **arguments) {
        static const char *const headings[] = { "NAME",      "MODE",  "BRIDGE",     "ADDRESSES", "ACTIVE",
                                                "AUTOSTART", "+UUID", "+OBSTACLES", NULL };
        (void) arguments;
        return host_kind_list(ctl, kind, headings, add_row);
}

static int autostart(Ctl *ctl, const HostKind *kind, char **arguments) {
        int result = EXIT_DONE;
        guint n = g_strv_length(arguments) - 1;
        bool on;
        if (!ctl_on_or_off(arguments[n], &on))
                return EXIT_USAGE;
        for (guint i = 0; i < n; i++) {
                int status = EXIT_DONE;
                g_autofree char *path = find(ctl, kind, arguments[i], &status);
                if (path)
                        status = ctl_set_autostart(ctl, path, kind->interface, on);
                result = result == EXIT_DONE ? status : result;
        }
        return result;
}

/* The files of a network's services, by their names. */
static int translate(Ctl *ctl, const HostKind *kind, char **arguments) {
        g_autoptr(GError) error = NULL;
        g_autoptr(GVariant) answer = host_kind_ask_of_file(ctl, kind, "NetworkXMLToNative", arguments[0],
                                                           g_variant_new("(@a{sv})", ctl_options(NULL, NULL)), &error);
        if (!answer)
                return ctl_fail(g_steal_pointer(&error));
        g_autoptr(GVariant) files = g_variant_get_child_value(answer, 0);
        g_autoptr(GString) shown = g_string_new(NULL);
        GVariantIter iterator;
        const char *name, *content;
        g_variant_iter_init(&iterator, files);
        while (g_variant_iter_next(&iterator, "{&s&s}", &name, &content))
                g_string_append_printf(shown, "%s# %s\n%s", shown->len ? "\n" : "", name, content);
        g_autofree char *printable = output_printable(shown->str);
        output_page(ctl, printable);
        return EXIT_DONE;
}

static int show(Ctl *ctl, const HostKind *kind, char **arguments) {
        int status = host_kind_show(ctl, kind, arguments);
        if (status == EXIT_DONE)
                say_obstacles(ctl, kind, arguments[0]);
        return status;
}

static int start(Ctl *ctl, const HostKind *kind, char **arguments) {
        int status = host_kind_each(ctl, kind, "Start", arguments);
        for (char **network = arguments; *network && status == EXIT_DONE; network++)
                say_obstacles(ctl, kind, *network);
        return status;
}

static int stop(Ctl *ctl, const HostKind *kind, char **arguments) {
        return host_kind_each(ctl, kind, "Stop", arguments);
}

/* Its leases */

static const char *text_of(GVariant *lease, const char *name) {
        const char *text = "";
        g_variant_lookup(lease, name, "&s", &text);
        return *text ? text : "-";
}

static char *expiry_of(GVariant *lease) {
        guint64 expires = 0;
        g_variant_lookup(lease, "expires", "t", &expires);
        g_autoptr(GDateTime) time = expires > 0 ? g_date_time_new_from_unix_utc((gint64) (expires / G_USEC_PER_SEC)) : NULL;
        return time ? g_date_time_format(time, "%Y-%m-%dT%H:%M:%SZ") : g_strdup(expires > 0 ? "-" : "never");
}

static void add_lease(Table *table, GVariant *lease) {
        char **cells = g_new0(char *, 7);
        guint32 prefix = 0;
        g_variant_lookup(lease, "prefix", "u", &prefix);
        cells[0] = g_strdup_printf("%s/%u", text_of(lease, "address"), prefix);
        cells[1] = g_strdup(text_of(lease, "mac"));
        cells[2] = g_strdup(text_of(lease, "hostname"));
        cells[3] = expiry_of(lease);
        cells[4] = g_strdup(text_of(lease, "client_id"));
        cells[5] = g_strdup(text_of(lease, "iaid"));
        table_add(table, cells);
}

static int leases(Ctl *ctl, const HostKind *kind, char **arguments) {
        static const char *const headings[] = { "ADDRESS", "MAC", "HOSTNAME", "EXPIRES", "+CLIENT-ID", "+IAID", NULL };
        g_autoptr(GError) error = NULL;
        g_autoptr(Table) table = table_new(headings);
        int status = EXIT_DONE;
        g_autofree char *path = find(ctl, kind, arguments[0], &status);
        GVariantDict options;
        GVariantIter iterator;
        GVariant *lease;
        if (!path)
                return status;
        g_variant_dict_init(&options, NULL);
        if (arguments[1])
                g_variant_dict_insert(&options, "mac", "s", arguments[1]);
        g_autoptr(GVariant) answer = ctl_call(ctl, path, kind->interface, "GetLeases",
                                              g_variant_new("(@a{sv})", g_variant_dict_end(&options)), NULL, NULL, &error);
        if (!answer)
                return ctl_fail(g_steal_pointer(&error));
        g_autoptr(GVariant) all = g_variant_get_child_value(answer, 0);
        g_variant_iter_init(&iterator, all);
        while ((lease = g_variant_iter_next_value(&iterator))) {
                add_lease(table, lease);
                g_variant_unref(lease);
        }
        return table_print(ctl, table, "lease");
}

/* Changes of one element, which is in a file. */
static int update(Ctl *ctl, const HostKind *kind, char **arguments) {
        g_autofree char *text = NULL;
        g_autoptr(GError) error = NULL;
        int status = EXIT_DONE;
        g_autofree char *path = find(ctl, kind, arguments[0], &status);
        if (!path)
                return status;
        if (!ctl_read_file(arguments[3], &text, &error))
                return ctl_fail(g_steal_pointer(&error));
        return ctl_do(ctl, path, kind->interface, "Update",
                      g_variant_new("(ssis@a{sv})", arguments[1], arguments[2], -1, text, ctl_change_options(ctl, false)));
}

static const HostCommand commands[] = {
        { "list", 0, 0, "", list },
        { "show", 1, 1, "NETWORK", show },
        { "define", 1, G_MAXUINT, "FILE...", host_kind_define },
        { "undefine", 1, G_MAXUINT, "NETWORK...", host_kind_undefine },
        { "start", 1, G_MAXUINT, "NETWORK...", start },
        { "stop", 1, G_MAXUINT, "NETWORK...", stop },
        { "autostart", 2, G_MAXUINT, "NETWORK... on|off", autostart },
        { "leases", 1, 2, "NETWORK [MAC]", leases },
        { "update", 4, 4, "NETWORK add-first|add-last|modify|delete SECTION FILE", update },
        { "translate", 1, 1, "FILE", translate },
        { NULL },
};

const HostKind host_kind_network = {
        .noun = "network",
        .interface = "org.virtbus1.Network",
        .collection = "org.virtbus1.Networks",
        .define = "DefineNetwork",
        .find = find,
        .commands = commands,
};

int verb_network(Ctl *ctl, char **arguments) {
        return host_kind_run(ctl, &host_kind_network, arguments);
}
