/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "known.h"

#include <stddef.h>
#include <string.h>

#include "states.h"
#include "traits.h"

struct Known {
        GHashTable *by_path; /* has them */
        GHashTable *by_uuid, *by_name;
};

/* What is made of the properties, in one pass: to look each up walks over all of them. */
typedef struct Facts {
        const char *name, *uuid, *state, *reason;
        uint64_t memory, max_memory;
        uint32_t id, vcpus, max_vcpus;
        gboolean is[N_TRAITS];
} Facts;

#define FACT_IS(property, trait) \
        { property, 'b', offsetof(Facts, is) + (trait) * sizeof(gboolean) }

/* In the order in which they come. */
static const struct {
        const char *property;
        char type;
        size_t place;
} facts[] = {
        FACT_IS("Active", TRAIT_ACTIVE),
        FACT_IS("Autostart", TRAIT_AUTOSTART),
        FACT_IS("HasCheckpoints", TRAIT_CHECKPOINTS),
        FACT_IS("HasManagedSave", TRAIT_MANAGED_SAVE),
        FACT_IS("HasSnapshots", TRAIT_SNAPSHOTS),
        { "ID", 'u', offsetof(Facts, id) },
        { "MaxMemory", 't', offsetof(Facts, max_memory) },
        { "MaxVCPUs", 'u', offsetof(Facts, max_vcpus) },
        { "Memory", 't', offsetof(Facts, memory) },
        { "Name", 's', offsetof(Facts, name) },
        FACT_IS("Persistent", TRAIT_PERSISTENT),
        { "State", 's', offsetof(Facts, state) },
        { "StateReason", 's', offsetof(Facts, reason) },
        { "UUID", 's', offsetof(Facts, uuid) },
        { "VCPUs", 'u', offsetof(Facts, vcpus) },
};

static void set_fact(Facts *found, size_t i, GVariant *value) {
        void *place = (char *) found + facts[i].place;
        if (*g_variant_get_type_string(value) != facts[i].type)
                return;
        switch (facts[i].type) {
        case 'b':
                *(gboolean *) place = g_variant_get_boolean(value);
                break;
        case 'u':
                *(uint32_t *) place = g_variant_get_uint32(value);
                break;
        case 't':
                *(uint64_t *) place = g_variant_get_uint64(value);
                break;
        default:
                *(const char **) place = g_variant_get_string(value, NULL);
        }
}

/* Texts are the properties' own. Children are taken one by one: formats with "&" would have each pair copied first. NEXT is the
 * fact that is looked for first. */
static size_t read_fact(Facts *found, GVariant *pair, size_t next) {
        g_autoptr(GVariant) name = g_variant_get_child_value(pair, 0), boxed = g_variant_get_child_value(pair, 1),
                            value = g_variant_get_variant(boxed);
        const char *text = g_variant_get_string(name, NULL);
        size_t i = 0;
        while (i < G_N_ELEMENTS(facts) && strcmp(facts[(next + i) % G_N_ELEMENTS(facts)].property, text) != 0)
                i++;
        if (i == G_N_ELEMENTS(facts))
                return next;
        i = (next + i) % G_N_ELEMENTS(facts);
        set_fact(found, i, value);
        return i + 1;
}

static const Facts no_facts = { .name = "", .uuid = "", .state = "shutoff", .reason = "unknown" };

static Facts read_facts(GVariant *properties) {
        Facts found = no_facts;
        size_t n = g_variant_n_children(properties), next = 0;
        for (size_t i = 0; i < n; i++) {
                g_autoptr(GVariant) pair = g_variant_get_child_value(properties, i);
                next = read_fact(&found, pair, next);
        }
        return found;
}

GVariant *known_name_of(GVariant *properties) {
        Facts found = read_facts(properties);
        return g_variant_new("(ssi)", found.name, found.uuid, found.id > 0 ? (int32_t) found.id : -1);
}

/* Properties of many domains, which lie together: to make one dictionary of each domain's would be most of the work of a list. */

struct KnownTable {
        unsigned int references;
        GVariant *columns;                    /* a{sv} */
        GVariant *facts[G_N_ELEMENTS(facts)]; /* those of them, or NULL */
};

static KnownTable *table_new(GVariant *columns) {
        KnownTable *table = g_new(KnownTable, 1);
        *table = (KnownTable){ .references = 1, .columns = g_variant_ref(columns) };
        for (size_t i = 0; i < G_N_ELEMENTS(facts); i++) {
                const char type[] = { 'a', facts[i].type, '\0' };
                table->facts[i] = g_variant_lookup_value(columns, facts[i].property, G_VARIANT_TYPE(type));
        }
        return table;
}

static void table_unref(KnownTable *table) {
        if (--table->references > 0)
                return;
        for (size_t i = 0; i < G_N_ELEMENTS(facts); i++)
                g_clear_pointer(&table->facts[i], g_variant_unref);
        g_variant_unref(table->columns);
        g_free(table);
}

/* Texts are the table's own. */
static Facts read_row(const KnownTable *table, size_t row) {
        Facts found = no_facts;
        for (size_t i = 0; i < G_N_ELEMENTS(facts); i++) {
                if (!table->facts[i] || row >= g_variant_n_children(table->facts[i]))
                        continue;
                g_autoptr(GVariant) value = g_variant_get_child_value(table->facts[i], row);
                set_fact(&found, i, value);
        }
        return found;
}

static GVariant *properties_of_row(const KnownTable *table, size_t row) {
        GVariantBuilder builder;
        GVariantIter iterator;
        const char *name;
        GVariant *column;
        g_variant_builder_init(&builder, G_VARIANT_TYPE_VARDICT);
        g_variant_iter_init(&iterator, table->columns);
        while (g_variant_iter_loop(&iterator, "{&sv}", &name, &column)) {
                bool has = g_variant_is_container(column) && row < g_variant_n_children(column);
                g_autoptr(GVariant) value = has ? g_variant_get_child_value(column, row) : NULL;
                if (value)
                        g_variant_builder_add(&builder, "{sv}", name, value);
        }
        return g_variant_ref_sink(g_variant_builder_end(&builder));
}

GVariant *known_properties(const KnownDomain *domain) {
        if (!domain->properties) /* made when they are first wanted, and no more is seen of that */
                ((KnownDomain *) domain)->properties = properties_of_row(domain->table, domain->row);
        return domain->properties;
}

static GBytes *encode_name(const KnownDomain *domain) {
        GByteArray *bytes = g_byte_array_sized_new(64);
        xdr_put_text(bytes, domain->name);
        g_byte_array_append(bytes, domain->uuid, XDR_UUID_BYTES);
        xdr_put_word(bytes, (uint32_t) domain->id);
        return g_byte_array_free_to_bytes(bytes);
}

/* What has no UUID is found by its path alone. */
static KnownDomain *domain_new(const Facts *found) {
        LibvirtState state = state_number(found->state);
        KnownDomain *domain = g_new(KnownDomain, 1);
        /* Copies: a container lets go of its children when it is serialized. */
        *domain = (KnownDomain){ .name = g_strdup(found->name),
                                 .uuid_text = g_strdup(found->uuid),
                                 .id = found->id > 0 ? (int32_t) found->id : -1,
                                 .traits = traits_of(state, found->is),
                                 .state = (int32_t) state,
                                 .reason = state_reason_number(found->state, found->reason),
                                 .memory = found->memory,
                                 .max_memory = found->max_memory,
                                 .vcpus = found->vcpus,
                                 .max_vcpus = found->max_vcpus };
        if (!xdr_read_uuid(found->uuid, domain->uuid))
                memset(domain->uuid, 0, sizeof domain->uuid);
        domain->encoded_name = encode_name(domain);
        return domain;
}

static void domain_free(void *data) {
        KnownDomain *domain = data;
        g_clear_pointer(&domain->properties, g_variant_unref);
        g_clear_pointer(&domain->table, table_unref);
        g_bytes_unref(domain->encoded_name);
        g_free(domain->name);
        g_free(domain->uuid_text);
        g_free(domain);
}

/* UUIDs are random enough. */
static unsigned int hash_uuid(const void *uuid) {
        unsigned int hash;
        memcpy(&hash, uuid, sizeof hash);
        return hash;
}

static int equal_uuids(const void *a, const void *b) {
        return memcmp(a, b, XDR_UUID_BYTES) == 0;
}

Known *known_new(void) {
        Known *known = g_new(Known, 1);
        *known = (Known){ g_hash_table_new_full(g_str_hash, g_str_equal, g_free, domain_free),
                          g_hash_table_new(hash_uuid, equal_uuids), g_hash_table_new(g_str_hash, g_str_equal) };
        return known;
}

void known_free(Known *known) {
        if (!known)
                return;
        g_hash_table_unref(known->by_uuid);
        g_hash_table_unref(known->by_name);
        g_hash_table_unref(known->by_path);
        g_free(known);
}

/* Another one may have its name by now. */
static void forget(Known *known, const KnownDomain *domain) {
        if (g_hash_table_lookup(known->by_uuid, domain->uuid) == domain)
                g_hash_table_remove(known->by_uuid, domain->uuid);
        if (g_hash_table_lookup(known->by_name, domain->name) == domain)
                g_hash_table_remove(known->by_name, domain->name);
}

/* Takes both. */
static void put(Known *known, char *path, KnownDomain *domain) {
        const KnownDomain *before = g_hash_table_lookup(known->by_path, path);
        if (before)
                forget(known, before);
        g_hash_table_replace(known->by_path, path, domain);
        g_hash_table_replace(known->by_uuid, domain->uuid, domain);
        g_hash_table_replace(known->by_name, domain->name, domain);
}

void known_put(Known *known, char *path, GVariant *properties) {
        Facts found = read_facts(properties);
        KnownDomain *domain = domain_new(&found);
        domain->properties = properties;
        put(known, path, domain);
}

void known_put_table(Known *known, GVariant *paths, GVariant *columns) {
        KnownTable *table = table_new(columns);
        size_t n = g_variant_n_children(paths);
        for (size_t i = 0; i < n; i++) {
                g_autoptr(GVariant) path = g_variant_get_child_value(paths, i);
                Facts found = read_row(table, i);
                KnownDomain *domain = domain_new(&found);
                domain->table = table;
                domain->row = i;
                table->references++;
                put(known, g_variant_dup_string(path, NULL), domain);
        }
        table_unref(table);
}

GVariant *known_take(Known *known, const char *path) {
        const KnownDomain *domain = g_hash_table_lookup(known->by_path, path);
        if (!domain)
                return NULL;
        GVariant *properties = g_variant_ref(known_properties(domain));
        forget(known, domain);
        g_hash_table_remove(known->by_path, path);
        return properties;
}

const KnownDomain *known_by_path(const Known *known, const char *path) {
        return g_hash_table_lookup(known->by_path, path);
}

const KnownDomain *known_by_uuid(const Known *known, const uint8_t uuid[XDR_UUID_BYTES]) {
        return g_hash_table_lookup(known->by_uuid, uuid);
}

const KnownDomain *known_by_name(const Known *known, const char *name) {
        return g_hash_table_lookup(known->by_name, name);
}

void known_each(const Known *known, void (*visit)(void *data, const KnownDomain *domain), void *data) {
        GHashTableIter iterator;
        void *domain;
        g_hash_table_iter_init(&iterator, known->by_path);
        while (g_hash_table_iter_next(&iterator, NULL, &domain))
                visit(data, domain);
}
