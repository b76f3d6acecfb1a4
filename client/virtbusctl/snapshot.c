/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* snapshot COMMAND DOMAIN [SNAPSHOT]: what a domain was, and going back to it. */

#include "snapshot.h"

#include <string.h>

#include "domain-command.h"
#include "tree.h"

#define DOMAIN "org.virtbus1.Domain"
#define SNAPSHOT "org.virtbus1.Snapshot"

static char *places_of(const TreeRow *row) {
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

static void fill(const TreeRow *row, char **cells, const char *parent) {
        cells[0] = g_strdup(tree_text(row, "State"));
        cells[1] = tree_time(row);
        cells[2] = g_strdup(parent);
        cells[3] = places_of(row);
        cells[4] = g_strdup(tree_text(row, "Description"));
}

static const char *const headings[] = { "NAME", "CURRENT", "STATE", "CREATED", "+PARENT", "+DISKS", "~DESCRIPTION", NULL };
static const TreeKind kind = { SNAPSHOT, "snapshot", headings, fill };

char **snapshot_names(Ctl *ctl, VirtbusDomain *domain) {
        return tree_names(&kind, ctl, domain);
}

static int list(const CommandTarget *target, char **arguments) {
        (void) arguments;
        return tree_list(&kind, target);
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
        g_autofree char *path = tree_find(&kind, target, name, &status);
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
        g_autofree char *path = tree_find(&kind, target, arguments[0], &status);
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
