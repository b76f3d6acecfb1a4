/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* snapshot COMMAND DOMAIN [SNAPSHOT]: what a domain was, and going back to it. */

#include "snapshot.h"

#include <string.h>

#include "domain-command.h"

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
const TreeKind snapshot_kind = {
        .interface = "org.virtbus1.Snapshot",
        .noun = "snapshot",
        .element = "domainsnapshot",
        .method = "CreateSnapshot",
        .redefine = "RedefineSnapshot",
        .headings = headings,
        .fill = fill,
};

char **snapshot_names(Ctl *ctl, VirtbusDomain *domain) {
        return tree_names(&snapshot_kind, ctl, ctl_path(domain));
}

static int list(const CommandTarget *target, char **arguments) {
        (void) arguments;
        return tree_list(&snapshot_kind, target);
}

/* --disk vda=/images/web.now, or vda=none. */
static bool add_disk(GString *parts, const char *said) {
        const char *equals = strchr(said, '=');
        if (!equals || equals == said || !equals[1]) {
                ctl_say("--disk is '%s': it must be DISK=PATH, or DISK=none", said);
                return false;
        }
        g_autofree char *target = g_strndup(said, (gsize) (equals - said)), *path = g_canonicalize_filename(equals + 1, NULL),
                        *name = g_markup_escape_text(target, -1), *file = g_markup_escape_text(path, -1);
        if (strcmp(equals + 1, "none") == 0)
                g_string_append_printf(parts, "<disk name='%s' snapshot='no'/>", name);
        else
                g_string_append_printf(parts, "<disk name='%s' snapshot='external'><source file='%s'/></disk>", name, file);
        return true;
}

static int create(const CommandTarget *target, char **arguments) {
        static const char *const known[] = { "disk-only", "quiesce", "halt", "no-metadata", "reuse", "disk", NULL };
        const Ctl *ctl = target->ctl;
        g_autoptr(GString) parts = g_string_new(NULL);
        for (char **disk = ctl->disks; disk && *disk; disk++)
                if (!add_disk(parts, *disk))
                        return EXIT_USAGE;
        if (parts->len > 0) {
                g_string_prepend(parts, "<disks>");
                g_string_append(parts, "</disks>");
        }
        return tree_create(&snapshot_kind, target, arguments[0], known,
                           parts->len > 0 || ctl->reuse ? "CreateSnapshotWithFiles" : snapshot_kind.method, parts->str);
}

static int revert(const CommandTarget *target, char **arguments) {
        static const char *const known[] = { "running", "paused", "force", NULL };
        return tree_do(&snapshot_kind, target, arguments[0], "Revert", known);
}

static int delete (const CommandTarget *target, char **arguments) {
        static const char *const known[] = { "children", "children-only", "metadata-only", NULL };
        return tree_do(&snapshot_kind, target, arguments[0], "Delete", known);
}

static int show(const CommandTarget *target, char **arguments) {
        return tree_show(&snapshot_kind, target, arguments[0]);
}

const DomainCommands snapshot_commands = {
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
