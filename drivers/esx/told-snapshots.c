/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "esx/told-snapshots.h"

#include <string.h>

#include "base/xml.h"
#include "domain/snapshot.h"

/* Of what somebody has written there, so much is shown. */
#define DESCRIPTION_SHOWN_BYTES_MAX 16384

/* What a name gets that another has, too: " (-2147483648)". */
#define MARK_BYTES_MAX 14

static void snapshot_free(void *data) {
        ToldSnapshot *snapshot = data;
        vim_reference_clear(&snapshot->reference);
        snapshot_definition_unref(snapshot->definition);
        g_free(snapshot);
}

void told_snapshots_free(ToldSnapshots *snapshots) {
        if (!snapshots)
                return;
        g_ptr_array_unref(snapshots->all);
        g_free(snapshots->current);
        g_free(snapshots);
}

/* Names */

/* The beginning of a text, of at most so many bytes, and whole characters. */
static char *cut(const char *text, size_t bytes) {
        const char *end = text;
        while (*end && (size_t) (g_utf8_next_char(end) - text) <= bytes)
                end = g_utf8_next_char(end);
        return g_strndup(text, (gsize) (end - text));
}

/* What cannot be in a name here is written as VMware writes it in others: "%2f". */
static char *name_of(const char *told) {
        g_autoptr(GString) name = g_string_new(NULL);
        for (const char *c = told; *c; c++) {
                unsigned char byte = (unsigned char) *c;
                if (byte < 0x20 || byte == 0x7f || byte == '/' || (byte == '.' && c == told))
                        g_string_append_printf(name, "%%%02x", byte);
                else
                        g_string_append_c(name, *c);
        }
        return cut(name->len > 0 ? name->str : "snapshot", NAME_BYTES_MAX - 2 * MARK_BYTES_MAX);
}

typedef struct Reading {
        ToldSnapshots *snapshots;
        GHashTable *names;      /* as they would be shown -> how many have it */
        GHashTable *taken;      /* names that are shown */
        GHashTable *references; /* that were told */
} Reading;

static void count_names(const Reading *reading, const xmlNode *list) {
        for (const xmlNode *node = list; node; node = xml_next(node, (const char *) list->name)) {
                g_autofree char *told = xml_text_at(node, "name"), *name = name_of(told);
                guint n = GPOINTER_TO_UINT(g_hash_table_lookup(reading->names, name));
                g_hash_table_insert(reading->names, g_steal_pointer(&name), GUINT_TO_POINTER(n + 1));
                count_names(reading, xml_child(node, "childSnapshotList"));
        }
}

/* Those that share a name are told apart by their number, all of them: nobody goes back to another than is meant. */
static char *choose_name(const Reading *reading, const xmlNode *node) {
        g_autofree char *told = xml_text_at(node, "name"), *id = xml_text_at(node, "id"), *name = name_of(told);
        int number = (int) CLAMP(g_ascii_strtoll(id, NULL, 10), G_MININT32, G_MAXINT32);
        bool is_marked = GPOINTER_TO_UINT(g_hash_table_lookup(reading->names, name)) > 1;
        for (int i = 0; i <= 2; i++) {
                if (i > 0 || is_marked) {
                        g_autofree char *marked = g_strdup_printf("%s (%d)", name, number);
                        g_free(name);
                        name = g_steal_pointer(&marked);
                }
                is_marked = false;
                if (strlen(name) <= NAME_BYTES_MAX && g_hash_table_add(reading->taken, g_strdup(name)))
                        return g_steal_pointer(&name);
        }
        return NULL;
}

/* Reading */

static int64_t time_of(const char *text) {
        g_autoptr(GDateTime) time = g_date_time_new_from_iso8601(text, NULL);
        return time ? CLAMP(g_date_time_to_unix(time), 0, INT64_MAX / G_USEC_PER_SEC) : 0;
}

static SnapshotDefinition *definition_of(const xmlNode *node, char *name, const char *parent) {
        SnapshotDefinition *definition = snapshot_definition_new();
        g_autofree char *description = xml_text_at(node, "description"), *state = xml_text_at(node, "state"),
                        *created = xml_text_at(node, "createTime");
        bool is_on = strcmp(state, "poweredOn") == 0, is_suspended = strcmp(state, "suspended") == 0;
        definition->name = name;
        definition->parent = g_strdup(parent);
        definition->description = *description ? cut(description, DESCRIPTION_SHOWN_BYTES_MAX) : NULL;
        definition->created = time_of(created);
        definition->state = g_strdup(is_on ? "running" : is_suspended ? "paused" : "shutoff");
        definition->memory = is_on || is_suspended ? SNAPSHOT_INTERNAL : SNAPSHOT_NO;
        return definition;
}

/* One; its name, or NULL where it is left out: what is below it is its parent's then. */
static const char *read_one(const Reading *reading, const xmlNode *node, const char *parent) {
        ToldSnapshots *snapshots = reading->snapshots;
        g_auto(VimReference) reference = { 0 };
        if (!vim_reference_read(&reference, xml_child(node, "snapshot")) ||
            g_hash_table_contains(reading->references, reference.value))
                return NULL;
        char *name = choose_name(reading, node);
        if (!name)
                return NULL;
        ToldSnapshot *snapshot = g_new0(ToldSnapshot, 1);
        snapshot->reference = reference;
        reference = (VimReference){ 0 };
        snapshot->definition = definition_of(node, name, parent);
        g_hash_table_add(reading->references, snapshot->reference.value);
        g_ptr_array_add(snapshots->all, snapshot);
        return name;
}

/* The depth is that of the answer, which is bounded (SOAP_DEPTH_MAX). */
static void read_list(const Reading *reading, const xmlNode *list, const char *parent) {
        for (const xmlNode *node = list; node; node = xml_next(node, (const char *) list->name)) {
                if (reading->snapshots->all->len >= SNAPSHOTS_MAX) {
                        reading->snapshots->is_incomplete = true;
                        return;
                }
                const char *name = read_one(reading, node, parent);
                reading->snapshots->is_incomplete |= !name;
                read_list(reading, xml_child(node, "childSnapshotList"), name ? name : parent);
        }
}

ToldSnapshots *told_snapshots_read(const xmlNode *value) {
        ToldSnapshots *snapshots = g_new0(ToldSnapshots, 1);
        g_auto(VimReference) current = { 0 };
        g_autoptr(GHashTable) names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL),
                              taken = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL),
                              references = g_hash_table_new(g_str_hash, g_str_equal);
        const Reading reading = { snapshots, names, taken, references };
        const xmlNode *roots = xml_child(value, "rootSnapshotList");
        snapshots->all = g_ptr_array_new_with_free_func(snapshot_free);
        count_names(&reading, roots);
        read_list(&reading, roots, NULL);
        if (vim_reference_read(&current, xml_child(value, "currentSnapshot")))
                snapshots->current = g_strdup(current.value);
        return snapshots;
}

/* Looking */

const ToldSnapshot *told_snapshots_find(const ToldSnapshots *snapshots, const char *value) {
        for (guint i = 0; snapshots && value && i < snapshots->all->len; i++) {
                const ToldSnapshot *snapshot = snapshots->all->pdata[i];
                if (strcmp(snapshot->reference.value, value) == 0)
                        return snapshot;
        }
        return NULL;
}

const ToldSnapshot *told_snapshots_named(const ToldSnapshots *snapshots, const char *name) {
        for (guint i = 0; snapshots && i < snapshots->all->len; i++) {
                const ToldSnapshot *snapshot = snapshots->all->pdata[i];
                if (strcmp(snapshot->definition->name, name) == 0)
                        return snapshot;
        }
        return NULL;
}

bool told_snapshots_is_current(const ToldSnapshots *snapshots, const char *value) {
        return snapshots && value && g_strcmp0(snapshots->current, value) == 0;
}

/* Showing */

void told_snapshots_show(const ToldSnapshots *snapshots, Domain *domain) {
        const ToldSnapshot *current = snapshots ? told_snapshots_find(snapshots, snapshots->current) : NULL;
        g_autoptr(GPtrArray) items = g_ptr_array_new();
        if (!snapshots && snapshots_count(domain) == 0)
                return;
        for (guint i = 0; snapshots && i < snapshots->all->len; i++) {
                SnapshotDefinition *definition = ((const ToldSnapshot *) snapshots->all->pdata[i])->definition;
                if (!definition->uuid)
                        definition->uuid = g_strdup(domain->uuid);
                g_ptr_array_add(items, definition);
        }
        tree_show(domain, &snapshot_tree, items, current ? current->definition->name : NULL);
}
