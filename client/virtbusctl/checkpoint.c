/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* checkpoint COMMAND DOMAIN [CHECKPOINT]: from when on its images note what is written. */

#include "checkpoint.h"

#include "domain-command.h"

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
const TreeKind checkpoint_kind = {
        .interface = "org.virtbus1.Checkpoint",
        .noun = "checkpoint",
        .element = "domaincheckpoint",
        .method = "CreateCheckpoint",
        .redefine = "RedefineCheckpoint",
        .has_xml_options = true,
        .headings = headings,
        .fill = fill,
};

char **checkpoint_names(Ctl *ctl, VirtbusDomain *domain) {
        return tree_names(&checkpoint_kind, ctl, ctl_path(domain));
}

static int list(const CommandTarget *target, char **arguments) {
        (void) arguments;
        return tree_list(&checkpoint_kind, target);
}

static int create(const CommandTarget *target, char **arguments) {
        static const char *const known[] = { NULL };
        return tree_create(&checkpoint_kind, target, arguments[0], known, checkpoint_kind.method, "");
}

static int delete (const CommandTarget *target, char **arguments) {
        static const char *const known[] = { "children", "children-only", "metadata-only", NULL };
        return tree_do(&checkpoint_kind, target, arguments[0], "Delete", known);
}

static int show(const CommandTarget *target, char **arguments) {
        return tree_show(&checkpoint_kind, target, arguments[0]);
}

const DomainCommands checkpoint_commands = {
        .verb = "checkpoint",
        .target = "DOMAIN",
        .n_target = 1,
        .commands = (const DomainCommand[]){ { "list", 0, 0, "", list },
                                             { "create", 0, 1, " [CHECKPOINT]", create },
                                             { "delete", 1, 1, " CHECKPOINT", delete },
                                             { "show", 1, 1, " CHECKPOINT", show },
                                             { 0 } },
};
