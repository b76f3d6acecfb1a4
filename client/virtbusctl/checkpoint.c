/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* checkpoint COMMAND DOMAIN [CHECKPOINT]: from when on its images note what is written. */

#include "checkpoint.h"

#include <string.h>

#include "domain-command.h"
#include "tree.h"

#define DOMAIN "org.virtbus1.Domain"
#define CHECKPOINT "org.virtbus1.Checkpoint"

/* The disks that are in it; one whose bitmap does not count is said to be broken. */
static char *disks_of(const TreeRow *row) {
        g_autoptr(GVariant) disks = g_variant_lookup_value(row->properties, "Disks", G_VARIANT_TYPE("a(ss)"));
        g_autofree const char **broken = NULL;
        g_variant_lookup(row->properties, "BrokenDisks", "^a&s", &broken);
        GString *text = g_string_new(NULL);
        for (size_t i = 0; disks && i < g_variant_n_children(disks); i++) {
                const char *name;
                g_variant_get_child(disks, i, "(&s&s)", &name, NULL);
                bool is_broken = broken && g_strv_contains(broken, name);
                g_string_append_printf(text, "%s%s%s", i > 0 ? " " : "", name, is_broken ? ":broken" : "");
        }
        return g_string_free(text, FALSE);
}

static void fill(const TreeRow *row, char **cells, const char *parent) {
        cells[0] = tree_time(row);
        cells[1] = g_strdup(parent);
        cells[2] = disks_of(row);
        cells[3] = g_strdup(tree_text(row, "Description"));
}

static const char *const headings[] = { "NAME", "CURRENT", "CREATED", "+PARENT", "DISKS", "~DESCRIPTION", NULL };
static const TreeKind kind = { CHECKPOINT, "checkpoint", headings, fill };

char **checkpoint_names(Ctl *ctl, VirtbusDomain *domain) {
        return tree_names(&kind, ctl, domain);
}

static int list(const CommandTarget *target, char **arguments) {
        (void) arguments;
        return tree_list(&kind, target);
}

/* Those options that a command knows; others are refused. */
static GVariant *read_options(const Ctl *ctl, const char *const *known, GError **error) {
        const CommandSwitch switches[] = {
                { "children", "children", ctl->children },
                { "children-only", "children_only", ctl->children_only },
                { "metadata-only", "metadata_only", ctl->metadata_only },
        };
        GVariantDict options;
        return domain_command_options(switches, G_N_ELEMENTS(switches), known, &options, error)
                               ? g_variant_ref_sink(g_variant_dict_end(&options))
                               : NULL;
}

static int create(const CommandTarget *target, char **arguments) {
        static const char *const known[] = { NULL };
        g_autoptr(GError) error = NULL;
        g_autoptr(GVariant) options = read_options(target->ctl, known, &error);
        if (!options)
                return ctl_fail(g_steal_pointer(&error));
        g_autoptr(GString) xml = g_string_new("<domaincheckpoint>");
        const char *words[] = { arguments[0], target->ctl->description }, *elements[] = { "name", "description" };
        for (size_t i = 0; i < G_N_ELEMENTS(words); i++) {
                g_autofree char *quoted = words[i] ? g_markup_escape_text(words[i], -1) : NULL;
                if (quoted)
                        g_string_append_printf(xml, "<%s>%s</%s>", elements[i], quoted, elements[i]);
        }
        g_string_append(xml, "</domaincheckpoint>");
        g_autoptr(GVariant) answer = ctl_call(target->ctl, target->path, DOMAIN, "CreateCheckpoint",
                                              g_variant_new("(s@a{sv})", xml->str, options), NULL, NULL, &error);
        const char *path, *name = "";
        if (!answer)
                return ctl_fail(g_steal_pointer(&error));
        if (arguments[0])
                return EXIT_DONE;
        g_variant_get(answer, "(&o)", &path);
        g_autoptr(GVariant) properties = ctl_properties(target->ctl, path, CHECKPOINT, &error); /* its name was chosen */
        if (!properties)
                return ctl_fail(g_steal_pointer(&error));
        g_variant_lookup(properties, "Name", "&s", &name);
        g_print("%s\n", name);
        return EXIT_DONE;
}

static int delete (const CommandTarget *target, char **arguments) {
        static const char *const known[] = { "children", "children-only", "metadata-only", NULL };
        int status = EXIT_DONE;
        g_autoptr(GError) error = NULL;
        g_autoptr(GVariant) options = read_options(target->ctl, known, &error);
        if (!options)
                return ctl_fail(g_steal_pointer(&error));
        g_autofree char *path = tree_find(&kind, target, arguments[0], &status);
        return path ? ctl_do(target->ctl, path, CHECKPOINT, "Delete", g_variant_new("(@a{sv})", options)) : status;
}

static int show(const CommandTarget *target, char **arguments) {
        static const char *const known[] = { NULL };
        int status = EXIT_DONE;
        g_autoptr(GError) error = NULL;
        g_autoptr(GVariant) options = read_options(target->ctl, known, &error);
        if (!options)
                return ctl_fail(g_steal_pointer(&error));
        g_autofree char *path = tree_find(&kind, target, arguments[0], &status);
        g_autoptr(GVariant) answer = path ? ctl_call(target->ctl, path, CHECKPOINT, "GetXML", g_variant_new("(@a{sv})", options),
                                                     NULL, NULL, &error)
                                          : NULL;
        const char *xml;
        if (!answer)
                return path ? ctl_fail(g_steal_pointer(&error)) : status;
        g_variant_get(answer, "(&s)", &xml);
        output_page(target->ctl, xml);
        return EXIT_DONE;
}

static const DomainCommands commands = {
        .verb = "checkpoint",
        .target = "DOMAIN",
        .n_target = 1,
        .commands = (const DomainCommand[]){ { "list", 0, 0, "", list },
                                             { "create", 0, 1, " [CHECKPOINT]", create },
                                             { "delete", 1, 1, " CHECKPOINT", delete },
                                             { "show", 1, 1, " CHECKPOINT", show },
                                             { 0 } },
};

char **checkpoint_command_names(void) {
        return domain_command_names(&commands);
}

int verb_checkpoint(Ctl *ctl, char **arguments) {
        int status = EXIT_USAGE;
        const DomainCommand *command = domain_command_find(&commands, arguments);
        g_autoptr(VirtbusDomain) domain = command ? ctl_find(ctl, arguments[1], &status) : NULL;
        return domain ? command->run(&(CommandTarget){ ctl, ctl_path(domain), arguments[1] }, arguments + 2) : status;
}
