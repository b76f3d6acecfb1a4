/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "import-tree.h"

#include <string.h>

/* One that waits for its parent. */
typedef struct Item {
        char *file, *text;
        GString *name, *parent;
        bool is_current;
} Item;

/* Where a document's name, its parent's name and its mark of the current one are. */
typedef struct Reading {
        Item *item;
        unsigned depth;
        bool in_parent;
        GString *active, *now;
} Reading;

static void item_free(Item *item) {
        g_free(item->file);
        g_free(item->text);
        g_string_free(item->name, TRUE);
        g_string_free(item->parent, TRUE);
        g_free(item);
}

static void on_start(GMarkupParseContext *context, const char *name, const char **names, const char **values, gpointer data,
                     GError **error) {
        Reading *reading = data;
        (void) context, (void) names, (void) values, (void) error;
        reading->depth++;
        if (reading->depth == 2)
                reading->in_parent = strcmp(name, "parent") == 0;
        reading->now = reading->depth == 2 && strcmp(name, "name") == 0                         ? reading->item->name
                       : reading->depth == 2 && strcmp(name, "active") == 0                     ? reading->active
                       : reading->depth == 3 && reading->in_parent && strcmp(name, "name") == 0 ? reading->item->parent
                                                                                                : NULL;
}

static void on_end(GMarkupParseContext *context, const char *name, gpointer data, GError **error) {
        Reading *reading = data;
        (void) context, (void) name, (void) error;
        reading->depth--;
        reading->now = NULL;
}

static void on_text(GMarkupParseContext *context, const char *text, gsize length, gpointer data, GError **error) {
        Reading *reading = data;
        (void) context, (void) error;
        if (reading->now)
                g_string_append_len(reading->now, text, (gssize) length);
}

static Item *read_item(const char *folder, const char *file, GError **error) {
        static const GMarkupParser parser = { on_start, on_end, on_text, NULL, NULL };
        g_autofree char *path = g_build_filename(folder, file, NULL), *text = NULL;
        if (!ctl_read_file(path, &text, error))
                return NULL;
        Item *item = g_new0(Item, 1);
        *item = (Item){ g_strdup(file), g_steal_pointer(&text), g_string_new(NULL), g_string_new(NULL), false };
        g_autoptr(GString) active = g_string_new(NULL);
        Reading reading = { .item = item, .active = active };
        g_autoptr(GMarkupParseContext) context = g_markup_parse_context_new(&parser, 0, &reading, NULL);
        if (!g_markup_parse_context_parse(context, item->text, -1, error) || !g_markup_parse_context_end_parse(context, error)) {
                item_free(item);
                return NULL;
        }
        item->is_current = strcmp(g_strstrip(active->str), "1") == 0;
        return item;
}

static bool is_among(const GPtrArray *items, const GString *name) {
        for (guint i = 0; i < items->len; i++)
                if (g_string_equal(((const Item *) items->pdata[i])->name, name))
                        return true;
        return false;
}

void import_tree(const TreeKind *kind, Ctl *ctl, const char *folder, const char *shown, const char *domain, ImportTold told,
                 void *data) {
        g_autoptr(GPtrArray) items = g_ptr_array_new_with_free_func((GDestroyNotify) item_free);
        g_autoptr(GDir) listing = g_dir_open(folder, 0, NULL);
        g_auto(GStrv) known = listing ? tree_names(kind, ctl, domain) : NULL;
        for (const char *name; listing && (name = g_dir_read_name(listing));) {
                g_autoptr(GError) error = NULL;
                g_autofree char *file = g_build_filename(shown, name, NULL);
                Item *item = g_str_has_suffix(name, ".xml") ? read_item(folder, name, &error) : NULL;
                if (item)
                        g_ptr_array_add(items, item);
                else if (error)
                        told(data, file, "failed", NULL, error);
        }
        /* One whose parent is not there, or who is his own, is refused by whoever defines it. */
        for (guint i = 0, n_passed = 0; items->len > 0;) {
                Item *item = items->pdata[i];
                bool waits = n_passed < items->len && is_among(items, item->parent) && !g_string_equal(item->parent, item->name);
                n_passed = waits ? n_passed + 1 : 0;
                if (waits) {
                        i = (i + 1) % items->len;
                        continue;
                }
                g_autoptr(GError) error = NULL;
                g_autofree char *file = g_build_filename(shown, item->file, NULL);
                bool is_known = known && g_strv_contains((const char *const *) known, item->name->str);
                bool fine = is_known || tree_redefine(kind, ctl, domain, item->text, item->is_current, &error);
                told(data, file, is_known ? "is there already" : fine ? "imported" : "failed", NULL, error);
                g_ptr_array_remove_index(items, i);
                i = items->len > 0 ? i % items->len : 0;
        }
}
