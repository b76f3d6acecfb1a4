/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Lists of domains, as rows and as JSON. */

#include <stdio.h>
#include <string.h>

#include "ctl.h"
#include "host-kind.h"

/* A domain as a row. */
typedef struct Listed {
        char *path, *connection, *name, *uuid, *state;
        guint32 vcpus;
        guint64 memory;
        gboolean is_active;
} Listed;

static void listed_free(Listed *listed) {
        char *texts[] = { listed->path, listed->connection, listed->name, listed->uuid, listed->state };
        for (size_t i = 0; i < G_N_ELEMENTS(texts); i++)
                g_free(texts[i]);
        g_free(listed);
}

static int compare_listed(gconstpointer a, gconstpointer b) {
        return strcmp((*(const Listed *const *) a)->name, (*(const Listed *const *) b)->name);
}

/* One pass over the properties: looking each up by its name would be most of this program's time. */
static Listed *read_listed(const char *path, const char *connection, GVariant *properties) {
        Listed *listed = g_new0(Listed, 1);
        const struct {
                const char *name, *type;
                void *place;
        } fields[] = {
                { "Active", "b", &listed->is_active }, { "Memory", "t", &listed->memory }, { "Name", "s", &listed->name },
                { "State", "s", &listed->state },      { "UUID", "s", &listed->uuid },     { "VCPUs", "u", &listed->vcpus },
        };
        listed->path = g_strdup(path);
        listed->connection = g_strdup(connection);
        for (gsize k = 0; k < g_variant_n_children(properties); k++) {
                g_autoptr(GVariant) entry = g_variant_get_child_value(properties, k), name = g_variant_get_child_value(entry, 0),
                                    boxed = g_variant_get_child_value(entry, 1), value = g_variant_get_variant(boxed);
                for (size_t i = 0; i < G_N_ELEMENTS(fields); i++)
                        if (strcmp(g_variant_get_string(name, NULL), fields[i].name) == 0 &&
                            g_variant_is_of_type(value, G_VARIANT_TYPE(fields[i].type)))
                                g_variant_get(value, fields[i].type, fields[i].place);
        }
        if (listed->name && listed->uuid && listed->state)
                return listed;
        listed_free(listed);
        return NULL;
}

static bool is_listed(const Ctl *ctl, const Listed *listed, char **patterns) {
        bool is_wanted = !patterns[0];
        for (char **pattern = patterns; *pattern; pattern++)
                is_wanted |= g_pattern_match_simple(*pattern, listed->name);
        return is_wanted && (listed->is_active || !ctl->active);
}

/* What is gathered of all connections. */
typedef struct Listing {
        Ctl *ctl;
        const char *connection; /* of which the domains are read now */
        char **patterns;
        GPtrArray *rows; /* Listed */
} Listing;

static void add_listed(void *data, const char *path, GVariant *properties) {
        Listing *listing = data;
        Listed *listed = read_listed(path, listing->connection, properties);
        if (listed && is_listed(listing->ctl, listed, listing->patterns))
                g_ptr_array_add(listing->rows, listed);
        else if (listed)
                listed_free(listed);
}

/* A connection as it is listed: its path and name, and whether it is meant. */
typedef struct Place {
        char *path, *name;
        bool is_meant;
} Place;

static void place_free(Place *place) {
        g_free(place->path);
        g_free(place->name);
        g_free(place);
}

typedef struct Places {
        Ctl *ctl;
        GPtrArray *places; /* Place */
        GString *names;
        unsigned n_meant;
} Places;

static void add_place(void *data, const char *path, GVariant *properties) {
        Places *places = data;
        const char *name, *uri;
        if (!g_variant_lookup(properties, "Name", "&s", &name) || !g_variant_lookup(properties, "URI", "&s", &uri))
                return;
        Place *place = g_new0(Place, 1);
        *place = (Place){ .path = g_strdup(path), .name = g_strdup(name) };
        place->is_meant = places->ctl->connection ? ctl_is_connection(name, uri, places->ctl->connection)
                                                  : strcmp(path, HOST_PATH) != 0; /* which has no domains */
        g_string_append_printf(places->names, "%s%s", places->names->len > 0 ? ", " : "", name);
        g_ptr_array_add(places->places, place);
        places->n_meant += place->is_meant;
}

/* Reads the domains of all connections that are meant. One that cannot be read, as where its driver has failed, is said; the
 * others are there. That a caller may not read one is said where they may read no domain at all. Returns the exit status. */
static int read_listing(Listing *listing) {
        static const char *const of_connections[] = { "Name", "URI", NULL }, *const of_domains[] = { "Active", "Memory", "Name",
                                                                                                     "State",  "UUID",   "VCPUs",
                                                                                                     NULL };
        g_autoptr(GPtrArray) array = g_ptr_array_new_with_free_func((GDestroyNotify) place_free);
        g_autoptr(GString) names = g_string_new(NULL);
        Places places = { .ctl = listing->ctl, .places = array, .names = names };
        g_autoptr(GError) error = NULL, denial = NULL;
        int worst = EXIT_DONE;
        if (ctl_each_object(listing->ctl, "/org/virtbus1", "org.virtbus1.Connection", of_connections, add_place, &places,
                            &error) &&
            listing->ctl->connection && places.n_meant == 0)
                ctl_no_connection(listing->ctl->connection, names->str, &error);
        if (error)
                return ctl_fail(g_steal_pointer(&error));
        for (guint i = 0; i < array->len; i++) {
                const Place *place = array->pdata[i];
                GError *failure = NULL;
                listing->connection = place->name;
                if (!place->is_meant ||
                    ctl_each_object(listing->ctl, place->path, "org.virtbus1.Domain", of_domains, add_listed, listing, &failure))
                        continue;
                if (ctl_is_denial(failure) && !denial) {
                        denial = failure;
                        continue;
                }
                int status = ctl_fail(failure);
                worst = MAX(worst, status);
        }
        return denial && listing->rows->len == 0 ? ctl_fail(g_steal_pointer(&denial)) : worst;
}

static void list_as_json(GPtrArray *rows) {
        g_autoptr(JsonArray) array = json_array_new();
        for (guint i = 0; i < rows->len; i++) {
                const Listed *listed = rows->pdata[i];
                JsonObject *object = json_object_new();
                json_object_set_string_member(object, "name", listed->name);
                json_object_set_string_member(object, "uuid", listed->uuid);
                json_object_set_string_member(object, "state", listed->state);
                json_object_set_int_member(object, "vcpus", listed->vcpus);
                json_object_set_int_member(object, "memory", (gint64) listed->memory);
                json_object_set_string_member(object, "connection", listed->connection);
                json_object_set_string_member(object, "path", listed->path);
                json_array_add_object_element(array, object);
        }
        g_autoptr(JsonNode) node = json_node_init_array(json_node_alloc(), array);
        output_print_json(node);
}

int verb_list(Ctl *ctl, char **arguments) {
        static const char *const headings[] = { "NAME", "STATE", ">VCPUS", ">MEMORY", "~CONNECTION", "+UUID", NULL };
        g_autoptr(GPtrArray) rows = g_ptr_array_new_with_free_func((GDestroyNotify) listed_free);
        Listing listing = { .ctl = ctl, .patterns = arguments, .rows = rows };
        int status = read_listing(&listing);
        if (status != EXIT_DONE && rows->len == 0)
                return status;
        g_ptr_array_sort(rows, compare_listed);
        if (ctl->json) {
                list_as_json(rows);
                return status;
        }
        g_autoptr(Table) table = table_new(headings);
        for (guint i = 0; i < rows->len; i++) {
                const Listed *listed = rows->pdata[i];
                char **cells = g_new0(char *, G_N_ELEMENTS(headings));
                cells[0] = g_strdup(listed->name);
                cells[1] = g_strdup(listed->state);
                cells[2] = g_strdup_printf("%u", listed->vcpus);
                cells[3] = output_size(listed->memory);
                cells[4] = g_strdup(listed->connection);
                cells[5] = g_strdup(listed->uuid);
                table_add(table, cells);
        }
        int printed = table_print(ctl, table, "domain");
        return MAX(status, printed);
}
