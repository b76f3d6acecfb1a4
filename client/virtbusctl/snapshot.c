/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* snapshot COMMAND DOMAIN [SNAPSHOT]: what a domain was, and going back to it. */

#include "snapshot.h"

#include <string.h>

#include "domain-command.h"

#define DOMAIN "org.virtbus1.Domain"
#define SNAPSHOT "org.virtbus1.Snapshot"

/* One that the domain has. */
typedef struct Row {
        char *path;
        GVariant *properties;
} Row;

static void row_free(Row *row) {
        g_free(row->path);
        g_variant_unref(row->properties);
        g_free(row);
}

static const char *text_of(const Row *row, const char *name) {
        const char *text = "";
        g_variant_lookup(row->properties, name, "&s", &text);
        return text;
}

static const char *parent_of(const Row *row) {
        const char *path = "/";
        g_variant_lookup(row->properties, "Parent", "&o", &path);
        return path;
}

static void take(void *rows, const char *path, GVariant *properties) {
        Row *row = g_new0(Row, 1);
        *row = (Row){ g_strdup(path), g_variant_ref(properties) };
        g_ptr_array_add(rows, row);
}

static int compare(const void *one, const void *other) {
        const Row *a = *(Row *const *) one, *b = *(Row *const *) other;
        guint64 first = 0, second = 0;
        g_variant_lookup(a->properties, "CreationTime", "t", &first);
        g_variant_lookup(b->properties, "CreationTime", "t", &second);
        return first != second ? (first > second) - (first < second) : strcmp(text_of(a, "Name"), text_of(b, "Name"));
}

/* All, the oldest first. */
static GPtrArray *read_rows(Ctl *ctl, const char *domain, GError **error) {
        g_autoptr(GPtrArray) rows = g_ptr_array_new_with_free_func((GDestroyNotify) row_free);
        if (!ctl_each_object(ctl, domain, SNAPSHOT, NULL, take, rows, error))
                return NULL;
        g_ptr_array_sort(rows, compare);
        return g_steal_pointer(&rows);
}

char **snapshot_names(Ctl *ctl, VirtbusDomain *domain) {
        g_autoptr(GPtrArray) rows = read_rows(ctl, ctl_path(domain), NULL);
        if (!rows)
                return NULL;
        char **names = g_new0(char *, rows->len + 1);
        for (guint i = 0; i < rows->len; i++)
                names[i] = g_strdup(text_of(rows->pdata[i], "Name"));
        return names;
}

/* The one of this name; NULL when it has been said that there is none. */
static char *find(const CommandTarget *target, const char *name, int *status) {
        g_autoptr(GError) error = NULL;
        g_autoptr(GPtrArray) rows = read_rows(target->ctl, target->path, &error);
        g_autoptr(GPtrArray) names = g_ptr_array_new();
        for (guint i = 0; rows && i < rows->len; i++) {
                const Row *row = rows->pdata[i];
                if (strcmp(text_of(row, "Name"), name) == 0)
                        return g_strdup(row->path);
                g_ptr_array_add(names, (gpointer) text_of(row, "Name"));
        }
        if (error) {
                *status = ctl_fail(g_steal_pointer(&error));
                return NULL;
        }
        g_ptr_array_add(names, NULL);
        g_autofree char *hint = suggestion(name, (const char *const *) names->pdata);
        ctl_say("there is no snapshot '%s'%s", name, hint);
        *status = EXIT_NO_SUCH_DOMAIN;
        return NULL;
}

/* list: a table, the names as a tree */

static char *time_of(const Row *row) {
        guint64 usec = 0;
        g_variant_lookup(row->properties, "CreationTime", "t", &usec);
        g_autoptr(GDateTime) time = g_date_time_new_from_unix_local((gint64) (usec / G_USEC_PER_SEC));
        return time ? g_date_time_format(time, "%Y-%m-%d %H:%M:%S") : g_strdup("-");
}

static char *places_of(const Row *row) {
        g_autoptr(GVariant) disks = g_variant_lookup_value(row->properties, "Disks", G_VARIANT_TYPE("a(ss)"));
        GString *text = g_string_new(NULL);
        for (size_t i = 0; disks && i < g_variant_n_children(disks); i++) {
                const char *name, *place;
                g_variant_get_child(disks, i, "(&s&s)", &name, &place);
                if (strcmp(place, "no") != 0)
                        g_string_append_printf(text, "%s%s:%s", text->len > 0 ? " " : "", name, place);
        }
        return g_string_free(text, FALSE);
}

static void add_below(Table *table, const GPtrArray *rows, const char *parent, guint depth, const Ctl *ctl) {
        for (guint i = 0; i < rows->len && depth <= rows->len; i++) {
                const Row *row = rows->pdata[i];
                gboolean current = FALSE;
                if (strcmp(parent_of(row), parent) != 0)
                        continue;
                char **cells = g_new0(char *, 8);
                g_autofree char *indent = g_strnfill(ctl->json ? 0 : 2 * (gsize) depth, ' ');
                const Row *above = NULL;
                for (guint k = 0; k < rows->len; k++)
                        if (strcmp(((const Row *) rows->pdata[k])->path, parent) == 0)
                                above = rows->pdata[k];
                g_variant_lookup(row->properties, "Current", "b", &current);
                cells[0] = g_strconcat(indent, text_of(row, "Name"), NULL);
                cells[1] = g_strdup(current ? "yes" : "no");
                cells[2] = g_strdup(text_of(row, "State"));
                cells[3] = time_of(row);
                cells[4] = g_strdup(above ? text_of(above, "Name") : "");
                cells[5] = places_of(row);
                cells[6] = g_strdup(text_of(row, "Description"));
                table_add(table, cells);
                add_below(table, rows, row->path, depth + 1, ctl);
        }
}

static int list(const CommandTarget *target, char **arguments) {
        static const char *const headings[] = {
                "NAME", "CURRENT", "STATE", "CREATED", "+PARENT", "+DISKS", "~DESCRIPTION", NULL
        };
        g_autoptr(GError) error = NULL;
        g_autoptr(GPtrArray) rows = read_rows(target->ctl, target->path, &error);
        (void) arguments;
        if (!rows)
                return ctl_fail(g_steal_pointer(&error));
        g_autoptr(Table) table = table_new(headings);
        add_below(table, rows, "/", 0, target->ctl);
        return table_print(target->ctl, table, "snapshot");
}

/* Options */

/* Those that a command knows become options of its method; others are refused. */
static GVariant *read_options(const Ctl *ctl, const char *const *known, GError **error) {
        const CommandSwitch switches[] = {
                { "disk-only", "disk_only", ctl->disk_only },
                { "quiesce", "quiesce", ctl->quiesce },
                { "halt", "halt", ctl->halt },
                { "running", "running", ctl->running },
                { "paused", "paused", ctl->paused },
                { "force", "force", ctl->force },
                { "children", "children", ctl->children },
                { "children-only", "children_only", ctl->children_only },
                { "metadata-only", "metadata_only", ctl->metadata_only },
        };
        GVariantDict options;
        return domain_command_options(switches, G_N_ELEMENTS(switches), known, &options, error) ? g_variant_dict_end(&options)
                                                                                                : NULL;
}

static int create(const CommandTarget *target, char **arguments) {
        static const char *const known[] = { "disk-only", "quiesce", "halt", NULL };
        g_autoptr(GError) error = NULL;
        GVariant *options = read_options(target->ctl, known, &error);
        if (!options)
                return ctl_fail(g_steal_pointer(&error));
        g_autoptr(GString) xml = g_string_new("<domainsnapshot>");
        const char *words[] = { arguments[0], target->ctl->description }, *elements[] = { "name", "description" };
        for (size_t i = 0; i < G_N_ELEMENTS(words); i++) {
                g_autofree char *quoted = words[i] ? g_markup_escape_text(words[i], -1) : NULL;
                if (quoted)
                        g_string_append_printf(xml, "<%s>%s</%s>", elements[i], quoted, elements[i]);
        }
        g_string_append(xml, "</domainsnapshot>");
        g_autoptr(GVariant) answer = ctl_call(target->ctl, target->path, DOMAIN, "CreateSnapshot",
                                              g_variant_new("(s@a{sv})", xml->str, options), NULL, NULL, &error);
        const char *path;
        if (!answer)
                return ctl_fail(g_steal_pointer(&error));
        g_variant_get(answer, "(&o)", &path);
        if (arguments[0])
                return EXIT_DONE;
        g_autoptr(GVariant) properties = ctl_properties(target->ctl, path, SNAPSHOT, &error); /* its name was chosen */
        const char *name = "";
        if (!properties)
                return ctl_fail(g_steal_pointer(&error));
        g_variant_lookup(properties, "Name", "&s", &name);
        g_print("%s\n", name);
        return EXIT_DONE;
}

static int act(const CommandTarget *target, const char *name, const char *method, const char *const *known) {
        int status = EXIT_DONE;
        g_autoptr(GError) error = NULL;
        GVariant *options = read_options(target->ctl, known, &error);
        if (!options)
                return ctl_fail(g_steal_pointer(&error));
        g_autoptr(GVariant) kept = g_variant_ref_sink(options);
        g_autofree char *path = find(target, name, &status);
        return path ? ctl_do(target->ctl, path, SNAPSHOT, method, g_variant_new("(@a{sv})", kept)) : status;
}

static int revert(const CommandTarget *target, char **arguments) {
        static const char *const known[] = { "running", "paused", "force", NULL };
        return act(target, arguments[0], "Revert", known);
}

static int delete (const CommandTarget *target, char **arguments) {
        static const char *const known[] = { "children", "children-only", "metadata-only", NULL };
        return act(target, arguments[0], "Delete", known);
}

static int show(const CommandTarget *target, char **arguments) {
        static const char *const known[] = { NULL };
        int status = EXIT_DONE;
        g_autoptr(GError) error = NULL;
        GVariant *options = read_options(target->ctl, known, &error);
        if (!options)
                return ctl_fail(g_steal_pointer(&error));
        g_variant_unref(g_variant_ref_sink(options));
        g_autofree char *path = find(target, arguments[0], &status);
        g_autoptr(GVariant) answer = path ? ctl_call(target->ctl, path, SNAPSHOT, "GetXML", NULL, NULL, NULL, &error) : NULL;
        const char *xml;
        if (!answer)
                return path ? ctl_fail(g_steal_pointer(&error)) : status;
        g_variant_get(answer, "(&s)", &xml);
        output_page(target->ctl, xml);
        return EXIT_DONE;
}

static const DomainCommands commands = {
        .verb = "snapshot",
        .target = "DOMAIN",
        .n_target = 1,
        .commands = (const DomainCommand[]){ { "list", 0, 0, "", list },
                                             { "create", 0, 1, " [SNAPSHOT]", create },
                                             { "revert", 1, 1, " SNAPSHOT", revert },
                                             { "delete", 1, 1, " SNAPSHOT", delete },
                                             { "show", 1, 1, " SNAPSHOT", show },
                                             { 0 } },
};

char **snapshot_command_names(void) {
        return domain_command_names(&commands);
}

int verb_snapshot(Ctl *ctl, char **arguments) {
        int status = EXIT_USAGE;
        const DomainCommand *command = domain_command_find(&commands, arguments);
        g_autoptr(VirtbusDomain) domain = command ? ctl_find(ctl, arguments[1], &status) : NULL;
        return domain ? command->run(&(CommandTarget){ ctl, ctl_path(domain), arguments[1] }, arguments + 2) : status;
}
