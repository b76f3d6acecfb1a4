/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tree.h"

#include <string.h>

#define DOMAIN "org.virtbus1.Domain"

static void row_free(TreeRow *row) {
        g_free(row->path);
        g_variant_unref(row->properties);
        g_free(row);
}

const char *tree_text(const TreeRow *row, const char *name) {
        const char *text = "";
        g_variant_lookup(row->properties, name, "&s", &text);
        return text;
}

static const char *parent_of(const TreeRow *row) {
        const char *path = "/";
        g_variant_lookup(row->properties, "Parent", "&o", &path);
        return path;
}

static void take(void *rows, const char *path, GVariant *properties) {
        TreeRow *row = g_new0(TreeRow, 1);
        *row = (TreeRow){ g_strdup(path), g_variant_ref(properties) };
        g_ptr_array_add(rows, row);
}

static int compare(const void *one, const void *other) {
        const TreeRow *a = *(TreeRow *const *) one, *b = *(TreeRow *const *) other;
        guint64 first = 0, second = 0;
        g_variant_lookup(a->properties, "CreationTime", "t", &first);
        g_variant_lookup(b->properties, "CreationTime", "t", &second);
        return first != second ? (first > second) - (first < second) : strcmp(tree_text(a, "Name"), tree_text(b, "Name"));
}

/* All, the oldest first. */
static GPtrArray *read_rows(const TreeKind *kind, Ctl *ctl, const char *domain, GError **error) {
        g_autoptr(GPtrArray) rows = g_ptr_array_new_with_free_func((GDestroyNotify) row_free);
        if (!ctl_each_object(ctl, domain, kind->interface, NULL, take, rows, error))
                return NULL;
        g_ptr_array_sort(rows, compare);
        return g_steal_pointer(&rows);
}

char **tree_names(const TreeKind *kind, Ctl *ctl, const char *domain) {
        g_autoptr(GPtrArray) rows = read_rows(kind, ctl, domain, NULL);
        if (!rows)
                return NULL;
        char **names = g_new0(char *, rows->len + 1);
        for (guint i = 0; i < rows->len; i++)
                names[i] = g_strdup(tree_text(rows->pdata[i], "Name"));
        return names;
}

/* The path of the one of this name; NULL when it has been said that there is none. */
static char *find(const TreeKind *kind, const CommandTarget *target, const char *name, int *status) {
        g_autoptr(GError) error = NULL;
        g_autoptr(GPtrArray) rows = read_rows(kind, target->ctl, target->path, &error);
        g_autoptr(GPtrArray) names = g_ptr_array_new();
        for (guint i = 0; rows && i < rows->len; i++) {
                const TreeRow *row = rows->pdata[i];
                if (strcmp(tree_text(row, "Name"), name) == 0)
                        return g_strdup(row->path);
                g_ptr_array_add(names, (gpointer) tree_text(row, "Name"));
        }
        if (error) {
                *status = ctl_fail(g_steal_pointer(&error));
                return NULL;
        }
        g_ptr_array_add(names, NULL);
        g_autofree char *hint = suggestion(name, (const char *const *) names->pdata);
        ctl_say("there is no %s '%s'%s", kind->noun, name, hint);
        *status = EXIT_NO_SUCH_DOMAIN;
        return NULL;
}

/* list: a table, the names as a tree */

char *tree_time(const TreeRow *row) {
        guint64 usec = 0;
        g_variant_lookup(row->properties, "CreationTime", "t", &usec);
        g_autoptr(GDateTime) time = g_date_time_new_from_unix_local((gint64) (usec / G_USEC_PER_SEC));
        return time ? g_date_time_format(time, "%Y-%m-%d %H:%M:%S") : g_strdup("-");
}

static void add_below(const TreeKind *kind, Table *table, const GPtrArray *rows, const char *parent, guint depth,
                      const Ctl *ctl) {
        for (guint i = 0; i < rows->len && depth <= rows->len; i++) {
                const TreeRow *row = rows->pdata[i];
                gboolean current = FALSE;
                if (strcmp(parent_of(row), parent) != 0)
                        continue;
                char **cells = g_new0(char *, TREE_COLUMNS_MAX + 1);
                g_autofree char *indent = g_strnfill(ctl->json ? 0 : 2 * (gsize) depth, ' ');
                const TreeRow *above = NULL;
                for (guint k = 0; k < rows->len; k++)
                        if (strcmp(((const TreeRow *) rows->pdata[k])->path, parent) == 0)
                                above = rows->pdata[k];
                g_variant_lookup(row->properties, "Current", "b", &current);
                cells[0] = g_strconcat(indent, tree_text(row, "Name"), NULL);
                cells[1] = g_strdup(current ? "yes" : "no");
                kind->fill(row, cells + 2, above ? tree_text(above, "Name") : "");
                table_add(table, cells);
                add_below(kind, table, rows, row->path, depth + 1, ctl);
        }
}

int tree_list(const TreeKind *kind, const CommandTarget *target) {
        g_autoptr(GError) error = NULL;
        g_autoptr(GPtrArray) rows = read_rows(kind, target->ctl, target->path, &error);
        if (!rows)
                return ctl_fail(g_steal_pointer(&error));
        g_autoptr(Table) table = table_new(kind->headings);
        add_below(kind, table, rows, "/", 0, target->ctl);
        return table_print(target->ctl, table, kind->noun);
}

/* Those options that a command knows become options of its method; others are refused. NULL: that has been said. */
static GVariant *read_options(const Ctl *ctl, const char *const *known, int *status) {
        const CommandSwitch switches[] = {
                { "disk-only", "disk_only", ctl->disk_only },
                { "quiesce", "quiesce", ctl->quiesce },
                { "halt", "halt", ctl->halt },
                { "no-metadata", "no_metadata", ctl->no_metadata },
                { "reuse", "reuse", ctl->reuse },
                { "disk", NULL, ctl->disks != NULL },
                { "running", "running", ctl->running },
                { "paused", "paused", ctl->paused },
                { "force", "force", ctl->force },
                { "children", "children", ctl->children },
                { "children-only", "children_only", ctl->children_only },
                { "metadata-only", "metadata_only", ctl->metadata_only },
        };
        g_autoptr(GError) error = NULL;
        GVariantDict options;
        if (domain_command_options(switches, G_N_ELEMENTS(switches), known, &options, &error))
                return g_variant_ref_sink(g_variant_dict_end(&options));
        *status = ctl_fail(g_steal_pointer(&error));
        return NULL;
}

static char *document_of(const TreeKind *kind, const char *name, const char *description, const char *parts) {
        GString *xml = g_string_new(NULL);
        const char *words[] = { name, description }, *elements[] = { "name", "description" };
        g_string_printf(xml, "<%s>", kind->element);
        for (size_t i = 0; i < G_N_ELEMENTS(words); i++) {
                g_autofree char *quoted = words[i] ? g_markup_escape_text(words[i], -1) : NULL;
                if (quoted)
                        g_string_append_printf(xml, "<%s>%s</%s>", elements[i], quoted, elements[i]);
        }
        g_string_append_printf(xml, "%s</%s>", parts, kind->element);
        return g_string_free(xml, FALSE);
}

int tree_create(const TreeKind *kind, const CommandTarget *target, const char *name, const char *const *known, const char *method,
                const char *parts) {
        int status = EXIT_DONE;
        g_autoptr(GVariant) options = read_options(target->ctl, known, &status);
        if (!options)
                return status;
        g_autoptr(GError) error = NULL;
        g_autofree char *xml = document_of(kind, name, target->ctl->description, parts);
        g_autoptr(GVariant) answer = ctl_call(target->ctl, target->path, DOMAIN, method, g_variant_new("(s@a{sv})", xml, options),
                                              NULL, NULL, &error);
        const char *path, *chosen = "";
        if (!answer)
                return ctl_fail(g_steal_pointer(&error));
        if (name || target->ctl->no_metadata)
                return EXIT_DONE;
        g_variant_get(answer, "(&o)", &path);
        g_autoptr(GVariant) properties = ctl_properties(target->ctl, path, kind->interface, &error);
        if (!properties)
                return ctl_fail(g_steal_pointer(&error));
        g_variant_lookup(properties, "Name", "&s", &chosen);
        g_print("%s\n", chosen);
        return EXIT_DONE;
}

bool tree_redefine(const TreeKind *kind, Ctl *ctl, const char *domain, const char *xml, bool is_current, GError **error) {
        GVariantDict options;
        g_variant_dict_init(&options, NULL);
        if (is_current)
                g_variant_dict_insert(&options, "current", "b", TRUE);
        g_autoptr(GVariant) answer = ctl_call(ctl, domain, DOMAIN, kind->redefine,
                                              g_variant_new("(s@a{sv})", xml, g_variant_dict_end(&options)), NULL, NULL, error);
        if (!answer)
                ctl_strip_error(*error);
        return answer != NULL;
}

int tree_do(const TreeKind *kind, const CommandTarget *target, const char *name, const char *method, const char *const *known) {
        int status = EXIT_DONE;
        g_autoptr(GVariant) options = read_options(target->ctl, known, &status);
        g_autofree char *path = options ? find(kind, target, name, &status) : NULL;
        return path ? ctl_do(target->ctl, path, kind->interface, method, g_variant_new("(@a{sv})", options)) : status;
}

int tree_show(const TreeKind *kind, const CommandTarget *target, const char *name) {
        static const char *const none[] = { NULL };
        int status = EXIT_DONE;
        g_autoptr(GError) error = NULL;
        g_autoptr(GVariant) options = read_options(target->ctl, none, &status);
        g_autofree char *path = options ? find(kind, target, name, &status) : NULL;
        if (!path)
                return status;
        GVariant *arguments = kind->has_xml_options ? g_variant_new("(@a{sv})", options) : NULL;
        g_autoptr(GVariant) answer = ctl_call(target->ctl, path, kind->interface, "GetXML", arguments, NULL, NULL, &error);
        const char *xml;
        if (!answer)
                return ctl_fail(g_steal_pointer(&error));
        g_variant_get(answer, "(&s)", &xml);
        output_page(target->ctl, xml);
        return EXIT_DONE;
}
