/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domains.h"

#include <stddef.h>
#include <string.h>

#include "client.h"
#include "parts.h"
#include "states.h"
#include "traits.h"

#define SERVICE "org.virtbus1"
#define DOMAIN "org.virtbus1.Domain"

/* What is kept of each; all properties of a thousand domains take longer than all that is then asked of them. */
static const char *const wanted[] = { "Active",      "Autostart", "Description", "HasManagedSave", "ID",         "MaxMemory",
                                      "MaxVCPUs",    "Memory",    "Name",        "OSType",         "Persistent", "State",
                                      "StateReason", "Title",     "UUID",        "VCPUs",          NULL };

struct Domains {
        GDBusConnection *bus;
        char *connection;
        char *prefix; /* of the paths of domains */
        const DomainsListener *listener;
        void *data;
        GHashTable *by_path; /* KnownDomain */
        GHashTable *listed;  /* the same, of what has been read of the list; NULL: it is not being read */
        GQueue held;         /* Signal: what comes while the list is read, which parts of it may not have in them */
        Waiters *waiters;
        GCancellable *cancellable;
        unsigned int subscription;
        bool filled, stale;
};

typedef struct Signal {
        char *path, *member;
        GVariant *arguments;
} Signal;

/* What is made of the properties, in one pass: to look each up walks over all of them. */
typedef struct Facts {
        const char *name, *uuid, *state, *reason;
        uint32_t id;
        gboolean is[N_TRAITS];
} Facts;

#define FACT_IS(property, trait) \
        { property, "b", offsetof(Facts, is) + (trait) * sizeof(gboolean) }

static const struct {
        const char *property, *type;
        size_t place;
} facts[] = {
        { "Name", "&s", offsetof(Facts, name) },   { "UUID", "&s", offsetof(Facts, uuid) },
        { "State", "&s", offsetof(Facts, state) }, { "StateReason", "&s", offsetof(Facts, reason) },
        { "ID", "u", offsetof(Facts, id) },        FACT_IS("Active", TRAIT_ACTIVE),
        FACT_IS("Persistent", TRAIT_PERSISTENT),   FACT_IS("HasManagedSave", TRAIT_MANAGED_SAVE),
        FACT_IS("Autostart", TRAIT_AUTOSTART),
};

static void read_fact(Facts *found, const char *name, GVariant *value) {
        for (size_t i = 0; i < G_N_ELEMENTS(facts); i++)
                if (strcmp(facts[i].property, name) == 0)
                        g_variant_get(value, facts[i].type, (char *) found + facts[i].place);
}

/* Texts are the properties' own. */
static Facts read_facts(GVariant *properties) {
        Facts found = { .name = "", .uuid = "", .state = "shutoff", .reason = "unknown" };
        GVariantIter iterator;
        const char *name;
        GVariant *value;
        g_variant_iter_init(&iterator, properties);
        while (g_variant_iter_loop(&iterator, "{&sv}", &name, &value))
                read_fact(&found, name, value);
        return found;
}

static GVariant *name_of(const Facts *found) {
        return g_variant_new("(ssi)", found->name, found->uuid, found->id > 0 ? (int32_t) found->id : -1);
}

GVariant *domains_name_of(GVariant *properties) {
        Facts found = read_facts(properties);
        return name_of(&found);
}

/* Takes the properties. */
static KnownDomain *known_new(GVariant *properties) {
        Facts found = read_facts(properties);
        LibvirtState state = state_number(found.state);
        KnownDomain *known = g_new(KnownDomain, 1);
        *known = (KnownDomain){ .properties = properties,
                                .name = g_variant_ref_sink(name_of(&found)),
                                .traits = traits_of(state, found.is),
                                .state = (int32_t) state,
                                .reason = state_reason_number(found.state, found.reason) };
        return known;
}

static void known_free(void *data) {
        KnownDomain *known = data;
        g_variant_unref(known->properties);
        g_variant_unref(known->name);
        g_free(known);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(KnownDomain, known_free)

static GVariant *properties_of(const Domains *domains, const char *path) {
        KnownDomain *known = path ? g_hash_table_lookup(domains->by_path, path) : NULL;
        return known ? known->properties : NULL;
}

/* The path of the domain that an object is or belongs to; NULL for others. */
static char *domain_of(const Domains *domains, const char *path, bool *is_domain) {
        if (!g_str_has_prefix(path, domains->prefix))
                return NULL;
        const char *end = strchrnul(path + strlen(domains->prefix), '/');
        *is_domain = *end == '\0';
        return g_strndup(path, (size_t) (end - path));
}

static GVariant *merge(GVariant *properties, GVariant *changes) {
        g_auto(GVariantDict) all;
        GVariantIter iterator;
        const char *name;
        GVariant *value;
        g_variant_dict_init(&all, properties);
        g_variant_iter_init(&iterator, changes);
        while (g_variant_iter_loop(&iterator, "{&sv}", &name, &value))
                if (g_strv_contains(wanted, name))
                        g_variant_dict_insert_value(&all, name, value);
        return g_variant_ref_sink(g_variant_dict_end(&all));
}

static void on_added(Domains *domains, GVariant *arguments) {
        const char *path;
        bool is_domain;
        g_autoptr(GVariant) interfaces = NULL;
        g_variant_get(arguments, "(&o@a{sa{sv}})", &path, &interfaces);
        g_autofree char *owner = domain_of(domains, path, &is_domain);
        GVariant *known = properties_of(domains, owner);
        g_autoptr(GVariant) properties =
                        owner && is_domain ? g_variant_lookup_value(interfaces, DOMAIN, G_VARIANT_TYPE_VARDICT) : NULL;
        if (properties) {
                bool is_new = !known;
                g_hash_table_insert(domains->by_path, g_steal_pointer(&owner), known_new(merge(NULL, properties)));
                if (is_new && domains->listener)
                        domains->listener->added(domains->data, properties);
        } else if (known && !is_domain && domains->listener)
                domains->listener->part_changed(domains->data, known, path, interfaces);
}

static void on_removed(Domains *domains, GVariant *arguments) {
        const char *path;
        bool is_domain;
        g_autofree const char **interfaces = NULL;
        g_variant_get(arguments, "(&o^a&s)", &path, &interfaces);
        g_autofree char *owner = domain_of(domains, path, &is_domain), *key = NULL;
        g_autoptr(KnownDomain) known = NULL;
        if (!owner)
                return;
        if (!is_domain) {
                GVariant *properties = properties_of(domains, owner);
                if (properties && domains->listener)
                        domains->listener->part_changed(domains->data, properties, path, NULL);
        } else if (g_strv_contains(interfaces, DOMAIN) &&
                   g_hash_table_steal_extended(domains->by_path, owner, (void **) &key, (void **) &known) && domains->listener)
                domains->listener->removed(domains->data, known->properties);
}

static void on_properties_changed(Domains *domains, const char *path, GVariant *arguments) {
        const char *interface;
        bool is_domain;
        g_autoptr(GVariant) changes = NULL;
        g_variant_get(arguments, "(&s@a{sv}@as)", &interface, &changes, NULL);
        g_autofree char *owner = domain_of(domains, path, &is_domain);
        GVariant *known = properties_of(domains, owner);
        if (known && !is_domain && domains->listener)
                domains->listener->part_has_changed(domains->data, known, path, interface, changes);
        if (!known || !is_domain || strcmp(interface, DOMAIN) != 0)
                return;
        g_autoptr(GVariant) before = g_variant_ref(known);
        GVariant *after = merge(before, changes);
        g_hash_table_insert(domains->by_path, g_steal_pointer(&owner), known_new(after));
        if (domains->listener)
                domains->listener->changed(domains->data, before, after, changes);
}

static void on_state_changed(Domains *domains, const char *path, GVariant *arguments) {
        const char *old_state, *new_state, *reason;
        GVariant *known = properties_of(domains, path);
        g_variant_get(arguments, "(&s&s&s)", &old_state, &new_state, &reason);
        if (known && domains->listener)
                domains->listener->state_changed(domains->data, known, old_state, new_state, reason);
}

static void take_signal(Domains *domains, const char *path, const char *member, GVariant *arguments) {
        if (strcmp(member, "InterfacesAdded") == 0 && g_variant_is_of_type(arguments, G_VARIANT_TYPE("(oa{sa{sv}})")))
                on_added(domains, arguments);
        else if (strcmp(member, "InterfacesRemoved") == 0 && g_variant_is_of_type(arguments, G_VARIANT_TYPE("(oas)")))
                on_removed(domains, arguments);
        else if (strcmp(member, "PropertiesChanged") == 0 && g_variant_is_of_type(arguments, G_VARIANT_TYPE("(sa{sv}as)")))
                on_properties_changed(domains, path, arguments);
        else if (strcmp(member, "StateChanged") == 0 && g_variant_is_of_type(arguments, G_VARIANT_TYPE("(sss)")))
                on_state_changed(domains, path, arguments);
}

static void signal_free(void *data) {
        Signal *signal = data;
        g_free(signal->path);
        g_free(signal->member);
        g_variant_unref(signal->arguments);
        g_free(signal);
}

static void begin_filling(Domains *domains);

static void on_signal(GDBusConnection *bus, const char *sender, const char *path, const char *interface, const char *member,
                      GVariant *arguments, void *data) {
        Domains *domains = data;
        (void) bus;
        (void) sender;
        (void) interface;
        /* The service could not send all signals: what is known is of no use. */
        if (strcmp(member, "SignalsLost") == 0) {
                domains->stale = true;
                begin_filling(domains);
        } else if (domains->listed) {
                Signal *signal = g_new(Signal, 1);
                *signal = (Signal){ g_strdup(path), g_strdup(member), g_variant_ref(arguments) };
                g_queue_push_tail(&domains->held, signal);
        } else if (domains->filled)
                take_signal(domains, path, member, arguments);
}

static void take_object(void *data, const char *path, GVariant *interfaces) {
        Domains *domains = data;
        GVariant *properties = g_variant_lookup_value(interfaces, DOMAIN, G_VARIANT_TYPE_VARDICT);
        if (properties)
                g_hash_table_insert(domains->listed, g_strdup(path), known_new(properties));
}

/* The list has been read, or cannot be. Of what came meanwhile, the last that was told of a domain is how it is, whether its part
 * came before or after. */
static void end_filling(Domains *domains, bool is_read) {
        const DomainsListener *listener = domains->listener;
        g_autoptr(GHashTable) listed = g_steal_pointer(&domains->listed);
        if (is_read) {
                g_hash_table_unref(domains->by_path);
                domains->by_path = g_steal_pointer(&listed);
        }
        if (!domains->filled)
                domains->listener = NULL;
        for (Signal *signal; (signal = g_queue_pop_head(&domains->held));) {
                if (is_read)
                        take_signal(domains, signal->path, signal->member, signal->arguments);
                signal_free(signal);
        }
        domains->listener = listener;
        domains->filled = is_read;
}

static void on_list(GObject *bus, GAsyncResult *result, void *data) {
        Domains *domains = data;
        g_autoptr(GError) error = NULL;
        bool is_read = parts_load_finish(result, &error);
        (void) bus;
        if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
                return; /* it is freed */
        end_filling(domains, is_read);
        if (domains->stale)
                begin_filling(domains);
        else
                waiters_tell(domains->waiters, error);
}

static void begin_filling(Domains *domains) {
        if (domains->listed)
                return;
        domains->listed = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, known_free);
        domains->stale = false;
        if (!domains->subscription)
                domains->subscription = g_dbus_connection_signal_subscribe(domains->bus, SERVICE, NULL, NULL, NULL, NULL,
                                                                           G_DBUS_SIGNAL_FLAGS_NONE, on_signal, domains, NULL);
        const PartsList list = { .bus = domains->bus,
                                 .service = SERVICE,
                                 .path = domains->connection,
                                 .interface = DOMAIN,
                                 .properties = wanted,
                                 .timeout = G_MAXINT,
                                 .each = take_object,
                                 .data = domains };
        parts_load(&list, domains->cancellable, on_list, domains);
}

void domains_fill(Domains *domains, WaitersDone done, void *data) {
        if (domains->filled && !domains->listed) {
                done(data, NULL);
                return;
        }
        waiters_add(domains->waiters, done, data);
        begin_filling(domains);
}

const KnownDomain *domains_known(Domains *domains, const char *path) {
        return domains->filled && !domains->listed ? g_hash_table_lookup(domains->by_path, path) : NULL;
}

GVariant *domains_properties(Domains *domains, const char *path) {
        const KnownDomain *known = domains_known(domains, path);
        return known ? known->properties : NULL;
}

void domains_each(Domains *domains, void (*visit)(void *data, const KnownDomain *domain), void *data) {
        GHashTableIter iterator;
        void *known;
        g_hash_table_iter_init(&iterator, domains->by_path);
        while (g_hash_table_iter_next(&iterator, NULL, &known))
                visit(data, known);
}

Domains *domains_new(GDBusConnection *bus, const char *connection, const DomainsListener *listener, void *data) {
        Domains *domains = g_new0(Domains, 1);
        domains->bus = bus;
        domains->connection = g_strdup(connection);
        domains->prefix = g_strconcat(connection, "/domain/", NULL);
        domains->listener = listener;
        domains->data = data;
        domains->by_path = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, known_free);
        domains->waiters = waiters_new();
        domains->cancellable = g_cancellable_new();
        return domains;
}

void domains_free(Domains *domains) {
        if (!domains)
                return;
        if (domains->subscription)
                g_dbus_connection_signal_unsubscribe(domains->bus, domains->subscription);
        g_cancellable_cancel(domains->cancellable);
        g_object_unref(domains->cancellable);
        g_hash_table_unref(domains->by_path);
        g_clear_pointer(&domains->listed, g_hash_table_unref);
        g_queue_clear_full(&domains->held, signal_free);
        waiters_free(domains->waiters);
        g_free(domains->connection);
        g_free(domains->prefix);
        g_free(domains);
}
