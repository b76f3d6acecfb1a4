/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "network/filters.h"

#include <gio/gio.h>
#include <string.h>

#include "log.h"

/* What stands for all filters, where turns are taken: which one includes which depends on all. */
#define ALL_FILTERS "filters"

/* Where the program has the documents of those that come with it: filters.gresource.xml. */
#define SHIPPED_PATH "/org/virtbus1/network/filters/"

const FilterDefinition *filter_definition(const Entry *filter) {
        return filter->definition;
}

Entry *filters_find_name(Registry *filters, const char *name, GError **error) {
        return registry_find_key(filters, 0, name, "named", error);
}

/* The kind */

static void *parse(const char *xml, GError **error) {
        return filter_definition_parse(xml, error);
}

static void *from_document(xmlDoc *document, GError **error) {
        return filter_definition_from_document(document, error);
}

static void definition_free(void *definition) {
        g_clear_pointer((FilterDefinition **) &definition, filter_definition_free);
}

static Identity identify(const void *data) {
        const FilterDefinition *definition = data;
        return (Identity){ .uuid = definition->uuid, .xml = definition->xml, .keys = { definition->name }, .turn = ALL_FILTERS };
}

static void say_taken(const void *data, unsigned key, const Entry *user, GError **error) {
        (void) data;
        (void) key;
        const FilterDefinition *taken = filter_definition(user);
        virtbus_error_set(error, VIRTBUS_ERROR_ALREADY_EXISTS, "filter '%s' exists with UUID %s; give that UUID, or another name",
                          taken->name, taken->uuid);
}

static bool check_redefine(const void *old, const void *new, GError **error) {
        const FilterDefinition *there = old, *wanted = new;
        return strcmp(there->name, wanted->name) == 0 ||
               virtbus_error_set(error, VIRTBUS_ERROR_ALREADY_EXISTS,
                                 "UUID %s is the one of filter '%s'; give that name, or leave <uuid> out", there->uuid,
                                 there->name);
}

/* What a filter leads to by its references, each once. */
typedef struct Search {
        Registry *filters;
        GHashTable *seen; /* names, borrowed */
        GPtrArray *next;  /* of these, what is still to be looked at */
        unsigned n_looked_at;
} Search;

static void search_clear(Search *search) {
        g_hash_table_unref(search->seen);
        g_ptr_array_unref(search->next);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Search, search_clear)

static bool look_at(Search *search, char *const *references) {
        for (; *references && search->n_looked_at <= FILTER_INCLUDED_MAX; references++, search->n_looked_at++)
                if (g_hash_table_add(search->seen, *references))
                        g_ptr_array_add(search->next, *references);
        return search->n_looked_at <= FILTER_INCLUDED_MAX;
}

/* Looks at all that one reference leads to, and has not been looked at; whether NAME is among it. */
static bool leads_to(Search *search, char *reference, const char *name, bool *fits) {
        *fits = look_at(search, (char *const[]){ reference, NULL });
        while (*fits && search->next->len > 0) {
                const char *found = g_ptr_array_steal_index_fast(search->next, search->next->len - 1);
                const Entry *entry = g_hash_table_lookup(search->filters->by_key[0], found);
                if (strcmp(found, name) == 0)
                        return true;
                *fits = !entry || look_at(search, filter_definition(entry)->references);
        }
        return false;
}

static bool fail_include(const FilterDefinition *filter, const char *reference, bool fits, GError **error) {
        if (!fits)
                return virtbus_error_set(error, VIRTBUS_ERROR_LIMIT_EXCEEDED,
                                         "filter '%s' includes others with more than %d references, by way of '%s' and before: "
                                         "leave some <filterref> out",
                                         filter->name, FILTER_INCLUDED_MAX, reference);
        return virtbus_error_set(error, VIRTBUS_ERROR_INVALID_XML,
                                 "filter '%s' would include itself by way of '%s': leave that <filterref> out", filter->name,
                                 reference);
}

static void *check_circle(Registry *filters, const void *old, void *data, GError **error) {
        (void) old;
        g_autoptr(FilterDefinition) taken = data;
        g_auto(Search) search = { .filters = filters,
                                  .seen = g_hash_table_new(g_str_hash, g_str_equal),
                                  .next = g_ptr_array_new() };
        bool fits;
        for (char **reference = taken->references; *reference; reference++)
                if (leads_to(&search, *reference, taken->name, &fits) || !fits) {
                        fail_include(taken, *reference, fits, error);
                        return NULL;
                }
        return g_steal_pointer(&taken);
}

/* Those that come with the driver */

static FilterDefinition *read_shipped(const char *name) {
        g_autoptr(GError) error = NULL;
        g_autofree char *path = g_strconcat(SHIPPED_PATH, name, ".xml", NULL);
        g_autoptr(GBytes) bytes = g_resources_lookup_data(path, G_RESOURCE_LOOKUP_FLAGS_NONE, NULL);
        FilterDefinition *definition = bytes ? filter_definition_parse(g_bytes_get_data(bytes, NULL), &error) : NULL;
        if (error)
                log_error("the document of filter %s is not right: %s", name, error->message);
        if (definition)
                definition->is_shipped = true;
        return definition;
}

static void add_shipped(Registry *filters) {
        g_auto(GStrv) files = g_resources_enumerate_children(SHIPPED_PATH, G_RESOURCE_LOOKUP_FLAGS_NONE, NULL);
        for (char **file = files; file && *file; file++) {
                const Kept kept = { 0 };
                g_autofree char *name = g_strndup(*file, strcspn(*file, "."));
                g_autoptr(FilterDefinition) definition = read_shipped(name);
                if (definition && !g_hash_table_contains(filters->by_uuid, definition->uuid) &&
                    !g_hash_table_contains(filters->newer, definition->uuid) && registry_check_unique(filters, definition, NULL))
                        registry_add(filters, g_steal_pointer(&definition), &kept);
        }
}

/* The cards that have a filter get its rules before its file is written: where they cannot, nothing changes. */

static void try(Registry *registry, const FilterDefinition *definition, const char *name, WorkDone done, void *data) {
        const Filters *filters = (const Filters *) registry;
        if (filters->user)
                filters->user->try(filters->user_data, definition, name, done, data);
        else
                done(data, NULL);
}

static void settle(const Registry *registry, bool is_made) {
        const Filters *filters = (const Filters *) registry;
        if (filters->user)
                filters->user->settle(filters->user_data, is_made);
}

static void cancel(Registry *registry) {
        const Filters *filters = (const Filters *) registry;
        if (filters->user)
                filters->user->cancel(filters->user_data);
}

static void try_definition(RegistryChange *change, WorkDone done) {
        const FilterDefinition *definition = change->definition;
        try(change->registry, definition, definition->name, done, change);
}

static void settle_definition(RegistryChange *change, bool is_made) {
        settle(change->registry, is_made);
}

const RegistryKind filters_kind = {
        .is_beside = true,
        .noun = "filter",
        .folder = "filters",
        .max = FILTERS_MAX,
        .prepare = try_definition,
        .settle = settle_definition,
        .cancel = cancel,
        .missing = VIRTBUS_ERROR_NO_SUCH_FILTER,
        .registry_size = sizeof(Filters),
        .entry_size = sizeof(Entry),
        .parse = parse,
        .from_document = from_document,
        .definition_free = definition_free,
        .identify = identify,
        .say_taken = say_taken,
        .check_redefine = check_redefine,
        .complete = check_circle,
        .opened = add_shipped,
};

/* Undefining */

typedef struct Undefining {
        FilterDefinition *shipped; /* what it is then, or NULL */
        bool is_tried;
        Registry *registry;
        EntryDone done;
        void *data;
} Undefining;

static void undefining_free(void *data) {
        Undefining *undefining = data;
        g_clear_pointer(&undefining->shipped, filter_definition_free);
        g_free(undefining);
}

static void on_file_deleted(void *data, const GError *failure) {
        RegistryChange *change = data;
        Undefining *undefining = change->own;
        if (!failure)
                entry_redefine(change->entry, g_steal_pointer(&undefining->shipped));
        registry_change_end(change, failure);
}

static void delete_file(void *data, const GError *error) {
        RegistryChange *change = data;
        Undefining *undefining = change->own;
        undefining->is_tried = !error;
        if (error)
                registry_change_end(change, error);
        else if (undefining->shipped)
                store_define(change->registry->store, filter_definition(change->entry)->uuid, NULL, on_file_deleted, change);
        else
                registry_change_delete(change);
}

static void begin_undefine(RegistryChange *change) {
        g_autoptr(GError) error = NULL;
        const FilterDefinition *definition = filter_definition(change->entry);
        Undefining *undefining = change->own;
        if (undefining->shipped && strcmp(undefining->shipped->uuid, definition->uuid) != 0)
                g_clear_pointer(&undefining->shipped, filter_definition_free);
        if (definition->is_shipped) {
                virtbus_error_set(&error, VIRTBUS_ERROR_OPERATION_INVALID,
                                  "filter '%s' comes with virtbus and is as it came: define it again to change it",
                                  definition->name);
                registry_change_end(change, error);
        } else
                try(change->registry, undefining->shipped, definition->name, delete_file, change);
}

/* The change frees what is its own after this. */
static void on_undefined(void *data, Entry *entry, const GError *error) {
        const Undefining *undefining = data;
        if (undefining->is_tried)
                settle(undefining->registry, !error);
        undefining->done(undefining->data, entry, error);
}

void filter_undefine(Entry *filter, EntryDone done, void *data) {
        Undefining *undefining = g_new0(Undefining, 1);
        *undefining = (Undefining){
                .shipped = read_shipped(filter_definition(filter)->name), .registry = filter->registry, .done = done, .data = data
        };
        registry_change_take_turn(
                        registry_change_new(filter, begin_undefine, undefining, undefining_free, on_undefined, undefining));
}
