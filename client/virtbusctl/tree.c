/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tree.h"

#include <string.h>

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

char **tree_names(const TreeKind *kind, Ctl *ctl, VirtbusDomain *domain) {
        g_autoptr(GPtrArray) rows = read_rows(kind, ctl, ctl_path(domain), NULL);
        if (!rows)
                return NULL;
        char **names = g_new0(char *, rows->len + 1);
        for (guint i = 0; i < rows->len; i++)
                names[i] = g_strdup(tree_text(rows->pdata[i], "Name"));
        return names;
}

char *tree_find(const TreeKind *kind, const CommandTarget *target, const char *name, int *status) {
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
